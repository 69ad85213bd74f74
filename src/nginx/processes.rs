//! Which processes live.

use core::cell::{Cell, RefCell};
use std::collections::HashMap;

use ngx::ffi::ngx_pid;
use peer_zone::Process;

use crate::nginx::clock;

/// For how long (ms) a process is taken for the one that it was without a look at when it was
/// started, which costs thirty times as much as whether there is any of its id. Nobody gets the id
/// of a process that has just ended so soon.
const TRUSTED: u64 = 1_000;

/// More of them are not remembered: as many as nginx can have, and a good part more.
const REMEMBERED: usize = 4_096;

thread_local! {
    static OWN: Cell<Option<Process>> = const { Cell::new(None) };
    /// When each was found to be alive.
    static FOUND: RefCell<HashMap<Process, u64>> = RefCell::new(HashMap::new());
}

/// This process.
pub(crate) fn own() -> Process {
    // SAFETY: nginx sets it when a process starts. A process id is positive.
    let id = unsafe { ngx_pid } as u32;
    match OWN.get() {
        // Of a process that forks, its children find what it has found.
        Some(own) if own.id() == id => own,
        _ => {
            let own = Process::new(id, stat(id).map_or(0, |stat| stat.started));
            OWN.set(Some(own));
            own
        }
    }
}

/// Whether a process of this id runs. One that is dead does not, also if its parent has not asked
/// for it yet.
pub(crate) fn runs(process: u32) -> bool {
    exists(process) && stat(process).is_none_or(|stat| !stat.has_ended)
}

/// Whether the process exists.
fn exists(process: u32) -> bool {
    let Ok(process) = libc::pid_t::try_from(process) else { return false };
    // SAFETY: signal 0 is sent to nobody; the call only looks whether it could be.
    let result = unsafe { libc::kill(process, 0) };
    // A process of another user (EPERM) exists as well.
    result == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// Whether the process still runs, and is not another with the same id.
pub(crate) fn is_alive(process: Process) -> bool {
    if !exists(process.id()) {
        return false;
    }
    FOUND.with(|found| {
        // Borrowed nowhere else: nothing is called from here that comes back.
        let Ok(mut found) = found.try_borrow_mut() else { return is_the_same(process) };
        let now = clock::now();
        if found.get(&process).is_some_and(|&at| now.saturating_sub(at) < TRUSTED) {
            return true;
        }
        let is_alive = is_the_same(process);
        if is_alive {
            if found.len() >= REMEMBERED {
                found.clear();
            }
            found.insert(process, now);
        } else {
            found.remove(&process);
        }
        is_alive
    })
}

/// Whether the process lives and is stopped: by a signal, or by a debugger.
pub(crate) fn is_stopped(process: u32) -> bool {
    stat(process).is_some_and(|stat| stat.is_stopped)
}

fn is_the_same(process: Process) -> bool {
    stat(process.id()).is_none_or(|stat| !stat.has_ended && process.may_have_started(stat.started))
}

/// What `/proc/PID/stat` says (proc(5)).
struct Stat {
    /// The process is dead, and its parent has not asked for it yet.
    has_ended: bool,
    /// It is stopped.
    is_stopped: bool,
    /// When it was started, in clock ticks.
    started: u64,
}

fn stat(process: u32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The third field and the 22nd. The second, the command in parentheses, may hold anything.
fn parse(stat: &str) -> Option<Stat> {
    const FIELDS_BEFORE_START: usize = 18;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Stat {
        has_ended: matches!(state, "Z" | "X" | "x"),
        is_stopped: matches!(state, "T" | "t"),
        started: fields.nth(FIELDS_BEFORE_START)?.parse().ok()?,
    })
}
