//! The nginx of a router that was killed: it, or its workers alone, may still have the ports.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};

use super::{
    messages::{self, Target},
    processes::{WORKER, members, title},
};

/// How nginx calls its master, before the command line that it was started with.
const MASTER: &str = "nginx: master process";

/// How long nginx may take to close its sockets. It is told to before this is waited for.
const CLOSES: Duration = Duration::from_secs(3);

/// How long it may take to end once it was told to end at once.
const ENDS: Duration = Duration::from_secs(3);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Processes that a router has left, as one process group.
#[derive(Debug)]
pub(crate) struct EarlierNginx {
    /// The master, which may have ended, and the group of all of them.
    master: Pid,
    configuration: PathBuf,
}

impl EarlierNginx {
    /// Those that `pid_file` tells of, which run with this configuration.
    pub(crate) fn find(pid_file: &Path, configuration: &Path) -> Option<Self> {
        let master =
            fs::read_to_string(pid_file).ok()?.trim().parse().ok().filter(|&pid: &i32| pid > 1)?;
        let left = Self { master: Pid::from_raw(master), configuration: configuration.to_owned() };
        left.runs().then_some(left)
    }

    /// Whether one of them runs. A number that somebody else has got since is not taken for them: a
    /// master's command line names the configuration, and while the group has a member the number
    /// of its master is not given out again.
    fn runs(&self) -> bool {
        match title(self.master) {
            Some(title) => self.is_master(&title),
            None => members(self.master)
                .any(|pid| title(pid).is_some_and(|title| title.starts_with(WORKER))),
        }
    }

    fn is_master(&self, title: &str) -> bool {
        title.starts_with(MASTER)
            && title.split([' ', '\0']).any(|word| Path::new(word) == self.configuration)
    }

    /// Tells them to end as their connections do, and waits until they have left the socket in the
    /// run folder, which the master removes.
    pub(crate) async fn close(&self, socket: &Path) {
        tracing::warn!("{}", messages::earlier_runs(self.master));
        self.signal(Signal::SIGQUIT);
        let end = Instant::now() + CLOSES;
        while socket.exists()
            && Instant::now() < end
            && title(self.master).is_some_and(|title| self.is_master(&title))
        {
            sleep(LOOK).await;
        }
    }

    /// Waits until they have ended, which they are made to after `limit`.
    pub(crate) async fn end(&self, limit: Duration) {
        let end = Instant::now() + limit;
        for (signal, end) in [
            (None, end),
            (Some(Signal::SIGTERM), end + ENDS),
            (Some(Signal::SIGKILL), end + ENDS * 2),
        ] {
            if let Some(signal) = signal {
                self.signal(signal);
            }
            while Instant::now() < end {
                if !self.runs() {
                    tracing::info!("{}", messages::EARLIER_HAS_EXITED);
                    return;
                }
                sleep(LOOK).await;
            }
        }
        tracing::error!("{}", messages::earlier_does_not_exit(self.master));
    }

    /// Whether this process is, or was, their master.
    pub(crate) fn is(&self, pid: Pid) -> bool {
        pid == self.master
    }

    fn signal(&self, signal: Signal) {
        if self.runs()
            && let Err(error) = killpg(self.master, signal)
        {
            let to = Target::Earlier(self.master);
            tracing::error!("{}", messages::signal_not_sent(signal, to, &error));
        }
    }
}
