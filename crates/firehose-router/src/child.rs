//! Processes that this one has started, and those that have been left to it.

use std::{
    os::unix::process::ExitStatusExt,
    process::{ExitCode, ExitStatus},
};

use nix::{
    errno::Errno,
    sys::signal::Signal,
    sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    unistd::Pid,
};

/// What a shell adds to the number of the signal that a process died of.
const SIGNALLED: u8 = 128;

/// The code with which to exit after a child: its own, or 128 and its signal's number, as shells
/// have it.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(signal)) => ExitCode::from(SIGNALLED | u8::try_from(signal).unwrap_or(0)),
        (None, None) => ExitCode::FAILURE,
    }
}

/// The code with which to exit at a signal, as shells have it.
pub(crate) fn signalled(signal: Signal) -> ExitCode {
    ExitCode::from(SIGNALLED | u8::try_from(signal as i32).unwrap_or(0))
}

/// How a process ended, in words.
pub(crate) fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => match nix::sys::signal::Signal::try_from(signal) {
            Ok(signal) => format!("was ended by {signal}"),
            Err(_) => format!("was ended by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

/// Waits for processes that have ended and were left to this one: as the first process of a
/// container it is the parent of all processes that have lost theirs. `is_ours` says of whom
/// somebody else here waits for.
pub(crate) fn reap_orphans(is_ours: impl Fn(Pid) -> bool) {
    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(ended) = waitid(Id::All, peek) {
        let pid = match ended {
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) => pid,
            _ => return,
        };
        // The kernel shows the same one until somebody has waited for it. What is behind it has its
        // turn when the next child ends.
        if is_ours(pid) || waitpid(pid, Some(WaitPidFlag::WNOHANG)) == Err(Errno::ECHILD) {
            return;
        }
    }
}
