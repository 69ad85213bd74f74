//! Workers of before a reload. Each is to shut down, which nginx's master tells it through its
//! channel; one that has had no file left for what came that way has lost it, and would go on.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::Instant;

use super::{
    messages::{self, Target},
    processes,
};

/// How long after a reload a worker may go on as before.
const HEARS: Duration = Duration::from_secs(3);

/// How long it may take to end once it was told to end at once.
const ENDS: Duration = Duration::from_secs(3);

/// Old workers that have not begun to shut down.
#[derive(Debug)]
pub(crate) struct OldWorkers {
    workers: BTreeMap<Pid, (ShutdownStep, Instant)>,
    /// How long one that was told itself may go on.
    limit: Duration,
}

/// What a worker was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShutdownStep {
    /// Nothing but what the master says.
    Reloaded,
    ToShutDown,
    ToEnd,
}

impl OldWorkers {
    /// None yet; `limit` is how long open connections may go on at an end.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { workers: BTreeMap::new(), limit: limit.max(ENDS) }
    }

    /// nginx has reloaded, and these were its workers before.
    pub(crate) fn replaced(&mut self, workers: Vec<Pid>) {
        for worker in workers {
            self.workers.entry(worker).or_insert((ShutdownStep::Reloaded, Instant::now() + HEARS));
        }
    }

    /// Whether it is one of them.
    pub(crate) fn has(&self, worker: Pid) -> bool {
        self.workers.contains_key(&worker)
    }

    /// When to look at them.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.workers.values().map(|&(_, until)| until).min()
    }

    /// Looks which of them go on, and tells those whose time is over.
    pub(crate) fn end_lingering(&mut self, master: Pid) {
        let running: BTreeSet<Pid> = processes::workers(master).into_iter().collect();
        self.workers.retain(|worker, _| running.contains(worker));
        let now = Instant::now();
        let limit = self.limit;
        self.workers.retain(|&worker, (step, until)| {
            if now < *until {
                return true;
            }
            let (next, signal, time) = match *step {
                ShutdownStep::Reloaded => {
                    tracing::warn!("{}", messages::worker_not_told(worker));
                    (Some(ShutdownStep::ToShutDown), Signal::SIGQUIT, limit)
                }
                ShutdownStep::ToShutDown => {
                    tracing::error!("{}", messages::worker_does_not_shut_down(worker));
                    (Some(ShutdownStep::ToEnd), Signal::SIGTERM, ENDS)
                }
                ShutdownStep::ToEnd => {
                    tracing::error!("{}", messages::worker_does_not_exit(worker));
                    (None, Signal::SIGKILL, ENDS)
                }
            };
            if let Err(error) = kill(worker, signal) {
                let to = Target::Worker(worker);
                tracing::error!("{}", messages::signal_not_sent(signal, to, &error));
            }
            if let Some(next) = next {
                (*step, *until) = (next, now + time);
            }
            next.is_some()
        });
    }
}
