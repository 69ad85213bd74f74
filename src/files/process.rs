//! The process that touches files for a cycle's workers.

use core::{ffi::c_int, ptr};
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
};

use ngx::ffi::ngx_setproctitle;
use privileged_files::{Table, serve};

/// The highest signal that there is on Linux (`_NSIG - 1`).
const LAST_SIGNAL: c_int = 64;

/// Forks the process. It ends when nobody has the other end of `socket` any more: neither the
/// master, which has it for as long as the cycle, nor a worker.
///
/// # Errors
///
/// Where no process can be forked.
pub(super) fn start(socket: OwnedFd, table: &Table) -> io::Result<()> {
    // SAFETY: the process that reads a configuration has one thread, so that the child finds no
    // lock held by another.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Nothing of nginx's may go on here, whatever happens.
            let _ = catch_unwind(AssertUnwindSafe(|| run(socket, table)));
            // SAFETY: the call does not return.
            unsafe { libc::_exit(0) }
        }
        _ => Ok(()),
    }
}

fn run(socket: OwnedFd, table: &Table) {
    ignore_signals();
    close_all_but(socket.as_raw_fd());
    // SAFETY: the title is a string that ends with a zero byte, and nginx copies it to where the
    // arguments were.
    unsafe { ngx_setproctitle(c"etcd files".as_ptr().cast_mut()) };
    serve(&socket, table);
}

/// Its end is that of those whom it serves: what ends nginx, or rotates its logs, also where it
/// goes to a whole group of processes, is not for it.
fn ignore_signals() {
    // SAFETY: the set is a local variable that is filled before it is used; the calls fail only for
    // signals that cannot be ignored.
    unsafe {
        for signal in 1..=LAST_SIGNAL {
            let is_own_fault =
                [libc::SIGILL, libc::SIGFPE, libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT];
            let then = if is_own_fault.contains(&signal) { libc::SIG_DFL } else { libc::SIG_IGN };
            libc::signal(signal, then);
        }
        let mut none: libc::sigset_t = core::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Closes all descriptors: those of sockets that nginx listens on, which nobody could listen on
/// again, of the other end of `kept`, whose last one must not be here, and of the terminal or pipe
/// of the process that started nginx, which would wait for its end.
fn close_all_but(kept: c_int) {
    // SAFETY: this process has nothing that uses a descriptor but what `kept` stands for.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        for standard in 0..=2 {
            if kept != standard && null >= 0 {
                libc::dup2(null, standard);
            }
        }
    }
    let all_below = kept <= 3 || close(3, kept - 1);
    let all_above = close(kept.max(2) + 1, c_int::MAX);
    if !(all_below && all_above) {
        for descriptor in (3..highest()).filter(|&descriptor| descriptor != kept) {
            // SAFETY: as above.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// Closes all descriptors from `first` to `last`. It needs no `/proc`, which is not everywhere; but
/// the kernel must know the call (Linux 5.9), and whatever confines containers permit it.
fn close(first: c_int, last: c_int) -> bool {
    // SAFETY: as above. The C library's own function is younger than some that nginx runs with.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) == 0 }
}

/// One more than the highest descriptor that is open.
fn highest() -> c_int {
    let open = std::fs::read_dir("/proc/self/fd").map(|entries| {
        let numbers =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<c_int>().ok());
        numbers.max().unwrap_or_default()
    });
    // SAFETY: the call has no conditions.
    let limit =
        || c_int::try_from(unsafe { libc::sysconf(libc::_SC_OPEN_MAX) }).unwrap_or(c_int::MAX);
    open.map_or_else(|_| limit(), |open| open + 1)
}
