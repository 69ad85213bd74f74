//! Which processes live.

/// Whether the process exists.
pub(crate) fn exists(process: u32) -> bool {
    let Ok(process) = libc::pid_t::try_from(process) else { return false };
    // SAFETY: signal 0 is sent to nobody; the call only looks whether it could be.
    let result = unsafe { libc::kill(process, 0) };
    // A process of another user (EPERM) exists as well.
    result == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// When the process was started, in the clock ticks of `/proc/PID/stat`; 0 where that cannot be read.
pub(crate) fn started(process: u32) -> u64 {
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .ok()
        .and_then(|stat| start_time(&stat))
        .unwrap_or(0)
}

/// Whether the process that was started then still runs, and is not another with the same id.
pub(crate) fn is_alive(process: u32, since: u64) -> bool {
    if !exists(process) {
        return false;
    }
    let now = started(process);
    since == 0 || now == 0 || now == since
}

/// Field 22 of `/proc/PID/stat` (proc(5)). The second field, the command in parentheses, may hold anything.
fn start_time(stat: &str) -> Option<u64> {
    const FIELDS_BEHIND_COMMAND: usize = 19;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(FIELDS_BEHIND_COMMAND)?.parse().ok()
}
