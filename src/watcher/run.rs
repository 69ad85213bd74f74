//! The thread's body: a runtime of its own, a task for each prefix, and the lease kept alive.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use etcd_watch::Cluster;
use peer_zone::protocol::{Lease, Publishing};
use tokio::{
    sync::Notify,
    task::{JoinSet, LocalSet},
    time::{MissedTickBehavior, interval},
};

use super::{
    lines::{Lines, Sender},
    plan::Plan,
    prefix,
};
use crate::{log, monotonic};

/// How often the lease is kept alive: as often as the others look at it (see `STAND_BY` in `process`), so that a new cycle's workers need
/// not wait for long.
const BEAT: Duration = Duration::from_millis(100);

/// The right to publish, for as long as the lease is held.
pub(super) struct Claim {
    lease: &'static Lease,
    claim: u64,
    cycle: u32,
}

impl Claim {
    /// Says that this watcher lives, before something that may take a while: a great list, a table of many peers. The thread does one thing at a time,
    /// and whoever is silent for too long loses the lease, though its successor would be no faster.
    pub(super) fn beat(&self) {
        // Whether it still holds the lease shows as soon as it publishes.
        self.lease.beat(self.claim, self.cycle, monotonic::now());
    }

    /// Calls `write` with the right to write; `None` where the lease has gone to another process.
    pub(super) fn publishing<T>(&self, write: impl FnOnce(&Publishing) -> T) -> Option<T> {
        let publishing = self.lease.begin(self.claim)?;
        let result = write(&publishing);
        self.lease.end(self.claim, publishing);
        Some(result)
    }
}

/// Runs until told to stop, or until the lease is another's. The error says how it failed.
pub(super) fn run_thread(plan: Plan, sender: Sender, stop: &Notify) -> Result<(), String> {
    let (lease, claim) = (plan.lease, plan.claim);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let lines = Lines::in_thread(sender);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime: {error}"))?;
        let result = LocalSet::new().block_on(&runtime, follow(plan, lines, stop));
        runtime.shutdown_background();
        result
    }));
    lease.release(claim);
    result.unwrap_or_else(|panic| Err(log::panic_message(&*panic).to_owned()))
}

async fn follow(plan: Plan, lines: Lines, stop: &Notify) -> Result<(), String> {
    let claim = Rc::new(Claim { lease: plan.lease, claim: plan.claim, cycle: plan.cycle });
    let mut tasks = JoinSet::new();
    for cluster_plan in plan.clusters {
        let name = Rc::<str>::from(cluster_plan.config.name.as_str());
        let cluster = Cluster::new(cluster_plan.config);
        for prefix_plan in cluster_plan.prefixes {
            let (name, cluster) = (Rc::clone(&name), cluster.clone());
            tasks.spawn_local(prefix::serve(name, cluster, prefix_plan, Rc::clone(&claim), lines.clone()));
        }
    }
    tokio::select! {
        () = stop.notified() => Ok(()),
        () = beat(plan.lease, plan.claim, plan.cycle) => Ok(()),
        Some(ended) = tasks.join_next() => match ended {
            // A prefix is given up only where the lease is gone.
            Ok(()) => Ok(()),
            Err(error) => Err(error.try_into_panic().map_or_else(
                |error| error.to_string(),
                |panic| log::panic_message(&*panic).to_owned(),
            )),
        },
    }
}

/// Keeps the lease alive; returns when it is lost, or when workers of a newer cycle want it.
async fn beat(lease: &Lease, claim: u64, cycle: u32) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        if !lease.beat(claim, cycle, monotonic::now()) {
            return;
        }
    }
}
