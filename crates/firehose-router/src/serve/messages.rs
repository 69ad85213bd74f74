//! What the log says of nginx, of its processes, and of the settings in etcd.

use std::{fmt::Display, path::Path, time::Duration};

use nix::{sys::signal::Signal, unistd::Pid};

use crate::messages::quoted_path;

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

/// A signal has come before nginx was started.
pub(super) fn not_started(signal: Signal) -> String {
    format!("{signal}: nginx is not started")
}

/// nginx takes requests at these addresses.
pub(super) fn runs(listen: &str) -> String {
    format!("nginx is running, listening on {listen}")
}

/// nginx has ended in this way.
pub(super) fn ended(how: &str) -> String {
    format!("nginx {how}")
}

/// nginx will not get a signal when this program ends.
pub(super) fn nginx_not_bound(error: impl Display) -> String {
    format!("nginx will keep running if this program is killed: /proc is not available ({error})")
}

/// Processes that nginx leaves are not this program's to wait for.
pub(super) fn not_reaper(error: impl Display) -> String {
    format!("cannot become the reaper of nginx's processes: {error}")
}

/// The pid file that another nginx has removed cannot be written again.
pub(super) fn pid_file_not_written(file: &Path, error: impl Display) -> String {
    format!("cannot write {}: {error}", file.display())
}

/// nginx runs with other settings.
pub(super) fn reloaded(changes: &str) -> String {
    let changes = if changes.is_empty() { "the same settings" } else { changes };
    format!("nginx has reloaded: {changes}")
}

/// nginx does not run with the settings that it accepted.
pub(super) fn not_reloaded(time: Duration, changes: &str) -> String {
    format!(
        "nginx does not run with the new settings {} s after its reload ({changes}): see its error \
         log",
        time.as_secs()
    )
}

/// Something else than the settings has failed.
pub(super) fn not_applied_yet(error: impl Display) -> String {
    format!("the settings are not applied yet: {error}; retrying")
}

/// nginx does not accept a setting, or not now.
pub(super) fn setting_rejected(key: &str, value: Option<&str>, error: impl Display) -> String {
    format!("key \"{key}\" rejected: with {}, {error}; the last valid value is kept", shown(value))
}

/// A log server of the settings has no address yet.
pub(super) fn log_server_rejected(key: &str, failure: impl Display) -> String {
    format!(
        "key \"{key}\" rejected for now: {failure}; the last valid value is kept, and the server \
         is retried"
    )
}

/// The log server of `--access-log` has no address yet.
pub(super) fn log_server_without_address(failure: impl Display) -> String {
    format!("--access-log: {failure}: requests are not logged there until it has one")
}

/// Workers are missing, with settings with which they have run.
pub(super) fn workers_missing(found: u64, expected: u64) -> String {
    format!("only {found} of {expected} workers run: nginx is reloaded")
}

/// Workers are missing, with a setting with which they have never run.
pub(super) fn setting_reverted(
    key: &str,
    value: Option<&str>,
    found: u64,
    expected: u64,
) -> String {
    format!(
        "key \"{key}\" rejected: with {}, only {found} of {expected} workers run; the last valid \
         value is used again",
        shown(value)
    )
}

/// A setting; `None`: the key does not exist.
fn shown(value: Option<&str>) -> &str {
    value.unwrap_or("its default")
}

/// Others may write to a folder that contains the run directory.
pub(super) fn run_folder_not_safe(path: &Path, folder: &Path, why: &str) -> String {
    format!(
        "--run-dir {} is not safe: {} {why}, who could replace nginx's configuration",
        quoted_path(path),
        folder.display()
    )
}

/// A folder cannot be the run directory, which another one may be.
pub(super) fn next_folder(error: impl Display) -> String {
    format!("{error}; trying the next directory")
}

/// Nothing can be kept for a start without etcd.
pub(super) fn no_state_folder(folder: &Path, error: impl Display) -> String {
    format!(
        "cannot write to --state-dir {}: {error}; a start without etcd will have neither nodes nor \
         settings",
        folder.display()
    )
}

/// The file of kept settings cannot be used.
pub(super) fn settings_file_not_used(file: &Path, error: impl Display) -> String {
    format!(
        "{} is not used: {error}; until etcd is read nginx has the default settings, and nobody \
         may publish",
        file.display()
    )
}

/// The file of kept settings cannot be written, which is tried again.
pub(super) fn settings_file_not_written(
    file: &Path,
    error: impl Display,
    retry: Duration,
) -> String {
    format!(
        "{} cannot be written: {error}; a restart without etcd would use older settings. This is \
         tried again every {} s",
        file.display(),
        retry.as_secs()
    )
}

/// It can be written again.
pub(super) fn settings_file_written_again(file: &Path) -> String {
    format!("{} is written again", file.display())
}

/// There is nothing that an access log could be written to.
pub(super) const NO_ACCESS_LOG: &str = "no access log: standard output cannot be opened and there \
                                        is no /dev/log; set --access-log";

/// The access log is a pipe that nobody reads from.
pub(super) fn nobody_reads(pipe: &str) -> String {
    format!("no access log: no process reads from the pipe {pipe}; start one, or set --access-log")
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use nix::{errno::Errno, sys::signal::Signal, unistd::Pid};

    use super::*;

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

    #[test]
    fn messages_about_nginx() {
        let (path, seconds) = (Path::new("/a/b"), Duration::from_secs);
        for (message, expected) in [
            (not_started(Signal::SIGINT), "SIGINT: nginx is not started"),
            (runs("8080, [::]:8081"), "nginx is running, listening on 8080, [::]:8081"),
            (ended("exited with code 0"), "nginx exited with code 0"),
            (NGINX_DOES_NOT_EXIT.to_owned(), "nginx does not exit: sending SIGKILL"),
            (EARLIER_HAS_EXITED.to_owned(), "the nginx of the earlier router has exited"),
            (
                nginx_not_bound("not found"),
                "nginx will keep running if this program is killed: /proc is not available (not \
                 found)",
            ),
            (not_reaper("EINVAL"), "cannot become the reaper of nginx's processes: EINVAL"),
            (pid_file_not_written(path, "full"), "cannot write /a/b: full"),
            (reloaded(""), "nginx has reloaded: the same settings"),
            (reloaded("balance random"), "nginx has reloaded: balance random"),
            (
                not_reloaded(seconds(20), "balance random"),
                "nginx does not run with the new settings 20 s after its reload (balance random): \
                 see its error log",
            ),
            (workers_missing(1, 4), "only 1 of 4 workers run: nginx is reloaded"),
            (
                run_folder_not_safe(path, Path::new("/a"), "can be written to by other users"),
                "--run-dir \"/a/b\" is not safe: /a can be written to by other users, who could \
                 replace nginx's configuration",
            ),
            (next_folder("denied"), "denied; trying the next directory"),
            (
                NO_ACCESS_LOG.to_owned(),
                "no access log: standard output cannot be opened and there is no /dev/log; set \
                 --access-log",
            ),
            (
                nobody_reads("/a/b"),
                "no access log: no process reads from the pipe /a/b; start one, or set \
                 --access-log",
            ),
        ] {
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn messages_about_settings() {
        let path = Path::new("/a/b");
        for (message, expected) in [
            (not_applied_yet("full"), "the settings are not applied yet: full; retrying"),
            (
                setting_rejected("/k", Some("many"), "nginx -t failed"),
                "key \"/k\" rejected: with many, nginx -t failed; the last valid value is kept",
            ),
            (
                setting_rejected("/k", None, "nginx -t failed"),
                "key \"/k\" rejected: with its default, nginx -t failed; the last valid value is \
                 kept",
            ),
            (
                log_server_rejected("/k", "\"a\" cannot be resolved (no answer)"),
                "key \"/k\" rejected for now: \"a\" cannot be resolved (no answer); the last valid \
                 value is kept, and the server is retried",
            ),
            (
                log_server_without_address("\"a\" cannot be resolved (no answer)"),
                "--access-log: \"a\" cannot be resolved (no answer): requests are not logged there \
                 until it has one",
            ),
            (
                setting_reverted("/k", Some("9"), 1, 9),
                "key \"/k\" rejected: with 9, only 1 of 9 workers run; the last valid value is \
                 used again",
            ),
            (
                no_state_folder(path, "denied"),
                "cannot write to --state-dir /a/b: denied; a start without etcd will have neither \
                 nodes nor settings",
            ),
            (
                settings_file_not_used(path, "too large"),
                "/a/b is not used: too large; until etcd is read nginx has the default settings, \
                 and nobody may publish",
            ),
            (
                settings_file_not_written(path, "full", Duration::from_secs(2)),
                "/a/b cannot be written: full; a restart without etcd would use older settings. \
                 This is tried again every 2 s",
            ),
            (settings_file_written_again(path), "/a/b is written again"),
        ] {
            assert_eq!(message, expected);
        }
    }
}
