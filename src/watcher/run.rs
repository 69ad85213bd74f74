//! The thread's body: a runtime of its own, and a task for each prefix.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use etcd_watch::{Cluster, OutageMessage, log_outages};
use tokio::{
    runtime::Runtime,
    sync::{Notify, mpsc, watch},
    task::{JoinError, JoinSet, LocalSet},
    time::timeout,
};

use super::{
    claim::Claim,
    lines::{Lines, Sender},
    live_variables,
    plan::Plan,
    prefix,
};
use crate::{
    files::EtcdFiles,
    nginx::{bell, library, log},
};

/// How long the end of the thread, and so the next watcher, waits for what is being written to
/// files: most disks need a few milliseconds, a file of 20 MB half a second. nginx kills workers
/// 1.5 s after it has told them to end at once (ngx_process_cycle.c).
const LAST_WRITES: Duration = Duration::from_secs(1);

/// How long it waits for threads that block: all but those that a disk keeps waiting end at once.
const BLOCKING: Duration = Duration::from_millis(100);

/// Runs until told to stop, or until the lease is another's; `looks` tells it that processes may
/// have died. The error says how it failed.
pub(super) fn run_thread(
    plan: Plan,
    sender: Sender,
    stop: &Notify,
    looks: &watch::Receiver<()>,
) -> Result<(), String> {
    let (lease, claim) = (plan.lease, plan.claim);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let lines = Lines::in_thread(sender);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(module_messages::no_runtime)?;
        let result = LocalSet::new().block_on(&runtime, follow(plan, lines, stop, looks));
        end_blocking_threads(runtime);
        result
    }));
    let result = result.unwrap_or_else(|panic| Err(log::panic_message(&*panic)));
    if result.is_ok() {
        lease.restart_backoff().ended(claim);
    }
    lease.release(claim);
    bell::ring();
    result
}

async fn follow(
    plan: Plan,
    lines: Lines,
    stop: &Notify,
    looks: &watch::Receiver<()>,
) -> Result<(), String> {
    let prefixes = plan.clusters.iter().map(|cluster| cluster.prefixes.len() + cluster.live.len());
    let claim = Rc::new(Claim::new(plan.lease, plan.claim, prefixes.sum()));
    let mut files = JoinSet::new();
    for keeper in plan.state_files {
        files.spawn_local(keeper.run(plan.files.clone(), lines.clone()));
    }
    let mut tasks = JoinSet::new();
    let mut outage_logs = JoinSet::new();
    // Tells all that use variables that one has changed.
    let (changed, _) = watch::channel(());
    let changed = Rc::new(changed);
    for cluster_plan in plan.clusters {
        let name = Rc::<str>::from(cluster_plan.config.name.as_str());
        let files = Arc::new(EtcdFiles(plan.files.clone()));
        let cluster = Cluster::new(cluster_plan.config, files);
        let (outages, reports) = mpsc::unbounded_channel();
        outage_logs.spawn_local(log_outages(reports, log_of(Rc::clone(&name), lines.clone())));
        for plan in cluster_plan.live {
            let (name, cluster) = (Rc::clone(&name), cluster.clone());
            let (claim, changed) = (Rc::clone(&claim), Rc::clone(&changed));
            let (outages, lines) = (outages.clone(), lines.clone());
            tasks.spawn_local(live_variables::serve(
                name, cluster, plan, claim, changed, outages, lines,
            ));
        }
        for prefix_plan in cluster_plan.prefixes {
            let (name, cluster) = (Rc::clone(&name), cluster.clone());
            let (claim, changes) = (Rc::clone(&claim), changed.subscribe());
            tasks.spawn_local(prefix::serve(
                name,
                cluster,
                prefix_plan,
                claim,
                (changes, looks.clone()),
                outages.clone(),
                lines.clone(),
            ));
        }
    }
    let files_process = plan.files.clone();
    let line = lines.clone();
    tasks.spawn_local(async move {
        files_process.lost_server().await;
        line.error(format!("etcd: {}", module_messages::FILES_PROCESS_EXITED));
        std::future::pending().await
    });
    let result = tokio::select! {
        // Cancel safe: whichever comes first ends all of it. What ends or fails meanwhile is found
        // by `shutdown`, and the lease is held on to until then.
        () = stop.notified() => Ok(()),
        // A prefix is given up only where the lease is gone.
        Some(ended) = tasks.join_next() => ended.map_err(failure),
        Some(ended) = files.join_next() => ended.map_err(failure),
    };
    // With the prefixes go their ends of the ways to the files, whose keepers write what is not
    // written yet.
    tasks.shutdown().await;
    // Their ends of the channels are gone: what was reported is logged now.
    while outage_logs.join_next().await.is_some() {}
    if claim.publishing(|_| ()).is_some() {
        // What is not written by then is written by the next watcher, from what it lists.
        let _ = timeout(LAST_WRITES, async { while files.join_next().await.is_some() {} }).await;
    }
    result
}

/// Logs what happens to the cluster of this name.
fn log_of(cluster_name: Rc<str>, lines: Lines) -> impl FnMut(OutageMessage) {
    move |OutageMessage { is_lost, text }| {
        let line = format!("etcd: cluster \"{cluster_name}\": {text}");
        if is_lost { lines.warn(line) } else { lines.notice(line) }
    }
}

/// How a task has failed.
fn failure(error: JoinError) -> String {
    error
        .try_into_panic()
        .map_or_else(|error| error.to_string(), |panic| log::panic_message(&*panic))
}

/// Ends the threads that the runtime has for what blocks.
fn end_blocking_threads(runtime: Runtime) {
    let began = Instant::now();
    runtime.shutdown_timeout(BLOCKING);
    if began.elapsed() >= BLOCKING {
        // One is still there, and nginx may unload the module, as it does at a worker's end.
        library::stay_loaded();
    }
}
