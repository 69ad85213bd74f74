//! Other processes, as /proc shows them.

use std::fs;

use nix::unistd::{Pid, getpgid};

/// How nginx calls its workers, also those that are shutting down.
pub(crate) const WORKER: &str = "nginx: worker process";

/// A process's title, if it runs.
pub(crate) fn title(pid: Pid) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    // A process that has ended and was not waited for has none.
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// The processes of a group.
pub(crate) fn members(group: Pid) -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    pids.filter(move |&pid| getpgid(Some(pid)) == Ok(group))
}

/// The workers of a group that are not shutting down.
pub(crate) fn workers(group: Pid) -> Vec<Pid> {
    let is_worker = |title: String| title.trim_end_matches(['\0', ' ']) == WORKER;
    members(group).filter(|&pid| title(pid).is_some_and(is_worker)).collect()
}
