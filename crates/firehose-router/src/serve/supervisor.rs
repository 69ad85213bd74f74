//! The nginx that runs, and what happens to it: signals, and its end.

use std::{
    convert::Infallible,
    path::Path,
    process::{ExitCode, ExitStatus},
    rc::Rc,
    time::Duration,
};

use nix::sys::signal::Signal;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    applier::Applier,
    earlier_nginx::EarlierNginx,
    error::ServeError,
    folders, messages,
    nginx::{Program, Running},
    settings_state::Values,
};
use crate::{
    child::{ended, exit_code, reap_orphans},
    signals::{Listener, SupervisorEvent},
};

/// How long nginx may take to end when it was told to end at once.
const ENDS_AT_ONCE: Duration = Duration::from_secs(3);

/// All that nginx is started with.
pub(crate) struct Starting {
    pub(super) applier: Applier,
    /// The settings that the last router ran with.
    pub(super) taken: Values,
    /// What another router has left here.
    pub(super) left: Option<EarlierNginx>,
    pub(super) stop_timeout: Duration,
    /// Until when the start may wait for what it can do without.
    pub(super) waits_until: Instant,
}

/// The nginx that runs.
pub(crate) struct Supervisor {
    applier: Applier,
    left: Option<EarlierNginx>,
    stop_timeout: Duration,
    running: Running,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    No,
    /// nginx ends as its connections do, for as long as it may.
    Gracefully(Option<Instant>),
    /// nginx was told to end at once.
    AtOnce(Instant),
}

impl Starting {
    /// Starts nginx.
    pub(crate) async fn start(mut self) -> Result<Supervisor, ServeError> {
        // Where nginx's master is killed its processes are left to this one.
        if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
            tracing::warn!("{}", messages::not_reaper(error));
        }
        let running = self.applier.start(&self.taken, self.waits_until).await?;
        let Self { applier, left, stop_timeout, .. } = self;
        Ok(Supervisor { applier, left, stop_timeout, running })
    }
}

impl Supervisor {
    /// Runs until nginx ends.
    pub(crate) async fn run(mut self, signals: Listener) -> ExitCode {
        let reload = Notify::new();
        let program = Rc::clone(&self.applier.tester().program);
        let pid_file = self.applier.tester().frame.pid_file.clone();
        let listen = self.applier.tester().frame.listen.join(", ");
        // They run together; when nginx has ended, the other two have nothing left to do.
        tokio::select! {
            // Cancel safe: nginx has ended, and a configuration that is being tested is nobody's
            // any more; the test's process ends with it.
            code = async {
                // Signals that come meanwhile wait in the listener.
                self.running.takes_signals(&pid_file).await;
                if self.running.runs() {
                    tracing::info!("{}", messages::runs(&listen));
                }
                supervise(signals, &self.running, &reload, self.stop_timeout, &program).await
            } => code,
            never = self.applier.follow(&self.running, &reload) => match never {},
            never = end_left(self.left, self.stop_timeout, &self.running, &pid_file) => {
                match never {}
            }
        }
    }
}

/// Ends what another router has left, and puts right what that has removed at its end.
async fn end_left(
    left: Option<EarlierNginx>,
    limit: Duration,
    running: &Running,
    pid_file: &Path,
) -> Infallible {
    if let Some(left) = left.filter(|left| !left.is(running.master())) {
        left.end(limit).await;
        let own = format!("{}\n", running.master());
        if std::fs::read_to_string(pid_file).is_ok_and(|pid| pid == own) {
            // The other one had ended before this one wrote it.
        } else if let Err(error) = folders::write(pid_file, own.as_bytes(), 0o644) {
            tracing::warn!("{}", messages::pid_file_not_written(pid_file, error));
        }
    }
    std::future::pending().await
}

/// Hands signals on until nginx has ended.
async fn supervise(
    mut signals: Listener,
    running: &Running,
    reload: &Notify,
    stop_timeout: Duration,
    program: &Program,
) -> ExitCode {
    if let Some(status) = running.ended() {
        return end(status, running);
    }
    let mut stopping = Stopping::No;
    loop {
        let happening = tokio::select! {
            // Cancel safe: a signal is taken in the poll that tells of it, and the moment is an
            // absolute one.
            biased;
            happening = signals.next() => happening,
            () = sleep_until(stopping.until()), if stopping.is_limited() => {
                stopping = hurry(stopping, running);
                continue;
            }
        };
        match happening {
            SupervisorEvent::ChildEnded => {
                reap_orphans(|pid| running.is(pid) || program.is_testing(pid));
                if let Some(status) = running.ended() {
                    return end(status, running);
                }
            }
            SupervisorEvent::Signal(Signal::SIGHUP) => reload.notify_one(),
            SupervisorEvent::Signal(
                signal @ (Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT),
            ) => {
                stopping = stop(stopping, signal, running, stop_timeout);
            }
            SupervisorEvent::Signal(signal) => running.signal(signal),
        }
    }
}

/// nginx has ended.
fn end(status: ExitStatus, running: &Running) -> ExitCode {
    running.end_all();
    tracing::info!("{}", messages::ended(&ended(status)));
    exit_code(status)
}

fn stop(stopping: Stopping, signal: Signal, running: &Running, stop_timeout: Duration) -> Stopping {
    if stopping != Stopping::No && signal != Signal::SIGQUIT {
        tracing::info!("{}", messages::stops_at_once(signal));
        return hurry(Stopping::Gracefully(None), running);
    }
    running.signal(Signal::SIGQUIT);
    if signal == Signal::SIGQUIT {
        tracing::info!("{}", messages::stops(signal, None));
        Stopping::Gracefully(None)
    } else {
        tracing::info!("{}", messages::stops(signal, Some(stop_timeout)));
        Stopping::Gracefully(Some(Instant::now() + stop_timeout))
    }
}

fn hurry(stopping: Stopping, running: &Running) -> Stopping {
    match stopping {
        Stopping::AtOnce(_) => {
            tracing::error!("{}", messages::NGINX_DOES_NOT_EXIT);
            running.end_all();
        }
        _ => running.signal(Signal::SIGTERM),
    }
    Stopping::AtOnce(Instant::now() + ENDS_AT_ONCE)
}

impl Stopping {
    fn is_limited(self) -> bool {
        matches!(self, Self::Gracefully(Some(_)) | Self::AtOnce(_))
    }

    fn until(self) -> Instant {
        match self {
            Self::Gracefully(Some(until)) | Self::AtOnce(until) => until,
            Self::No | Self::Gracefully(None) => Instant::now(),
        }
    }
}
