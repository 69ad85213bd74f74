//! Messages of the nginx module about itself: its processes, its threads, its memory.
//!
//! Messages about a subject are in the crate of the subject. These have none but the module, which
//! is linked into nginx and so cannot have unit tests.

#![forbid(unsafe_code)]

use std::{fmt::Display, time::Duration};

/// A worker has no timer by which it would look whether there is a watcher.
#[must_use]
pub fn never_watcher(error: impl Display) -> String {
    format!("this worker cannot become the watcher: {error}")
}

/// The watcher could not be started.
#[must_use]
pub fn watcher_not_started(error: impl Display) -> String {
    format!(
        "could not start the watcher: {error}; peers are not updated; check the worker's limits of \
         threads, descriptors and memory"
    )
}

/// The same, and when that is tried again.
#[must_use]
pub fn watcher_not_started_yet(error: impl Display, pause: Duration) -> String {
    format!("{}; next attempt in {} ms", watcher_not_started(error), pause.as_millis())
}

/// The watcher has ended by a fault, which `error` describes.
#[must_use]
pub fn watcher_restarted(error: impl Display) -> String {
    format!("the watcher failed and is being restarted: {error}")
}

/// The same while the worker exits, so that it does not start another one.
#[must_use]
pub fn watcher_failed(error: impl Display) -> String {
    format!("the watcher failed: {error}")
}

/// The watcher has no runtime for its tasks.
#[must_use]
pub fn no_runtime(error: impl Display) -> String {
    format!("could not create the tokio runtime: {error}")
}

/// More lines of the watcher than `most` waited for the event loop.
#[must_use]
pub fn lines_dropped(count: u64, most: usize) -> String {
    format!(
        "{count} log messages of the watcher dropped: more than {most} queued while the worker was \
         busy"
    )
}

/// The process for files that only root can read could not be started.
#[must_use]
pub fn files_process_not_started(error: impl Display) -> String {
    format!(
        "could not start the process for files that only root can read: {error}; workers open them \
         themselves"
    )
}

/// That process has exited while it was needed.
pub const FILES_PROCESS_EXITED: &str = "the process \"etcd files\" exited; this worker opens files \
                                        itself, reload nginx to restart the process";

/// A drain begins to close connections of a worker to a peer.
#[must_use]
pub fn closing(peer: &str, count: usize) -> String {
    format!("peer \"{peer}\": closing {count} connections")
}

/// The peers of an upstream have changed, as many times each.
#[must_use]
pub fn peers_changed(
    count: usize,
    (added, removed, changed): (usize, usize, usize),
    revision: i64,
) -> String {
    format!("{count} peers (+{added} -{removed} ~{changed}), revision {revision}")
}

/// What the history says of a configuration with other `server` lines.
#[must_use]
pub fn servers_changed(count: usize) -> String {
    format!("\"server\" lines that are new, gone or changed: {count}")
}

/// A request gets no peer, since the group that it asks for, here in quotes, is unknown or empty.
#[must_use]
pub fn group_refused(group: &str, is_empty: bool, upstream: &str) -> String {
    let what = if is_empty { "no peer in service in" } else { "unknown" };
    format!("etcd: {what} group {group} of upstream \"{upstream}\"")
}

/// The drain of the settings of a group, here in quotes, could not be applied.
#[must_use]
pub fn drain_not_applied(group: &str, error: impl Display) -> String {
    format!("\"drain\" of group {group} not applied: {error}; the drain of the upstream holds")
}

/// The report for the status of an upstream could not be written.
#[must_use]
pub fn status_not_updated(error: impl Display) -> String {
    format!("the status could not be updated: {error}")
}

/// nginx rejects a zone, and has logged why.
#[must_use]
pub fn zone_not_added(name: &str) -> String {
    format!("could not add shared memory zone \"{name}\"")
}

/// A zone has nothing in it that the module could use.
#[must_use]
pub fn zone_damaged(name: &str) -> String {
    format!("zone \"{name}\" is damaged")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn each_message_reads_as_it_does_here() {
        let error = || io::Error::from_raw_os_error(11);
        for (message, expected) in [
            (
                never_watcher(error()),
                "this worker cannot become the watcher: Resource temporarily unavailable (os error \
                 11)",
            ),
            (
                watcher_not_started("no threads"),
                "could not start the watcher: no threads; peers are not updated; check the \
                 worker's limits of threads, descriptors and memory",
            ),
            (
                watcher_not_started_yet("no threads", Duration::from_millis(1500)),
                "could not start the watcher: no threads; peers are not updated; check the \
                 worker's limits of threads, descriptors and memory; next attempt in 1500 ms",
            ),
            (
                watcher_restarted("no message"),
                "the watcher failed and is being restarted: no message",
            ),
            (watcher_failed("no message"), "the watcher failed: no message"),
            (
                no_runtime(error()),
                "could not create the tokio runtime: Resource temporarily unavailable (os error \
                 11)",
            ),
            (
                lines_dropped(7, 4096),
                "7 log messages of the watcher dropped: more than 4096 queued while the worker was \
                 busy",
            ),
            (
                files_process_not_started(error()),
                "could not start the process for files that only root can read: Resource \
                 temporarily unavailable (os error 11); workers open them themselves",
            ),
            (
                FILES_PROCESS_EXITED.to_owned(),
                "the process \"etcd files\" exited; this worker opens files itself, reload nginx \
                 to restart the process",
            ),
            (closing("node-1", 12), "peer \"node-1\": closing 12 connections"),
            (servers_changed(2), "\"server\" lines that are new, gone or changed: 2"),
            (peers_changed(3, (1, 0, 2), 42), "3 peers (+1 -0 ~2), revision 42"),
            (
                status_not_updated("a key must be a text"),
                "the status could not be updated: a key must be a text",
            ),
            (zone_not_added("etcd:app"), "could not add shared memory zone \"etcd:app\""),
            (zone_damaged("etcd:app"), "zone \"etcd:app\" is damaged"),
        ] {
            assert_eq!(message, expected);
        }
    }
}
