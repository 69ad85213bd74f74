//! What the log says of nginx's processes.

use std::{fmt::Display, time::Duration};

use nix::{sys::signal::Signal, unistd::Pid};

/// What a signal is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A worker of before a reload.
    Worker(Pid),
    /// The nginx of another router.
    Earlier(Pid),
}

/// A signal that ends nginx has come, which then has `limit` for its connections, or as long as
/// these take.
pub(super) fn stops(signal: Signal, limit: Option<Duration>) -> String {
    let within = limit.map_or_else(String::new, |limit| format!(", within {} s", limit.as_secs()));
    format!("{signal}: nginx exits when its connections are closed{within}")
}

/// Another such signal has come.
pub(super) fn stops_at_once(signal: Signal) -> String {
    format!("{signal} again: nginx is stopped at once")
}

/// It goes on all the same.
pub(super) const NGINX_DOES_NOT_EXIT: &str = "nginx does not exit: sending SIGKILL";

/// A worker goes on as before a reload.
pub(super) fn worker_not_told(worker: Pid) -> String {
    format!(
        "worker {worker} still serves with the configuration before the reload: sending it SIGQUIT"
    )
}

/// It does not shut down.
pub(super) fn worker_does_not_shut_down(worker: Pid) -> String {
    format!("worker {worker} does not shut down: sending it SIGTERM, which closes its connections")
}

/// It does not end.
pub(super) fn worker_does_not_exit(worker: Pid) -> String {
    format!("worker {worker} does not exit: sending it SIGKILL")
}

/// A router that was killed has left its nginx.
pub(super) fn earlier_runs(master: Pid) -> String {
    format!(
        "the nginx of an earlier router is still running (process {master}): sending it SIGQUIT"
    )
}

/// It has ended.
pub(super) const EARLIER_HAS_EXITED: &str = "the nginx of the earlier router has exited";

/// It does not end.
pub(super) fn earlier_does_not_exit(master: Pid) -> String {
    format!("the nginx of the earlier router (process {master}) does not exit")
}

/// A signal cannot be sent.
pub(super) fn signal_not_sent(signal: Signal, to: Target, error: &dyn Display) -> String {
    match to {
        Target::Worker(pid) => format!("cannot send {signal} to worker {pid}: {error}"),
        Target::Earlier(pid) => format!("cannot send {signal} to process {pid}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::{errno::Errno, sys::signal::Signal, unistd::Pid};

    use super::{
        Target, earlier_does_not_exit, earlier_runs, signal_not_sent, stops, stops_at_once,
        worker_does_not_exit, worker_does_not_shut_down, worker_not_told,
    };

    #[test]
    fn messages_are_worded_so() {
        let pid = Pid::from_raw(7);
        for (message, expected) in [
            (stops(Signal::SIGQUIT, None), "SIGQUIT: nginx exits when its connections are closed"),
            (
                stops(Signal::SIGTERM, Some(Duration::from_secs(30))),
                "SIGTERM: nginx exits when its connections are closed, within 30 s",
            ),
            (stops_at_once(Signal::SIGTERM), "SIGTERM again: nginx is stopped at once"),
            (
                worker_not_told(pid),
                "worker 7 still serves with the configuration before the reload: sending it \
                 SIGQUIT",
            ),
            (
                worker_does_not_shut_down(pid),
                "worker 7 does not shut down: sending it SIGTERM, which closes its connections",
            ),
            (worker_does_not_exit(pid), "worker 7 does not exit: sending it SIGKILL"),
            (
                earlier_runs(pid),
                "the nginx of an earlier router is still running (process 7): sending it SIGQUIT",
            ),
            (
                earlier_does_not_exit(pid),
                "the nginx of the earlier router (process 7) does not exit",
            ),
            (
                signal_not_sent(Signal::SIGQUIT, Target::Worker(pid), &Errno::EPERM),
                "cannot send SIGQUIT to worker 7: EPERM: Operation not permitted",
            ),
            (
                signal_not_sent(Signal::SIGTERM, Target::Earlier(pid), &Errno::EPERM),
                "cannot send SIGTERM to process 7: EPERM: Operation not permitted",
            ),
        ] {
            assert_eq!(message, expected);
        }
    }
}
