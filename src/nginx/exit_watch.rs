//! The end of another process, of which the event loop hears at once: a pidfd.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use super::event_source::{EventSource, Handler};

/// Waits for the end of a process.
pub(crate) struct ExitWatch {
    process: u32,
    source: EventSource,
}

impl ExitWatch {
    /// Calls `handler` when the process ends, also if its parent has not asked for it yet. The
    /// handler reads nothing.
    ///
    /// # Errors
    ///
    /// Where there is no such process, the kernel is older than Linux 5.3, a filter of system calls
    /// does not know the call, or descriptors or connections are missing.
    pub(crate) fn start(process: u32, handler: Handler) -> io::Result<Self> {
        let id = libc::pid_t::try_from(process).map_err(io::Error::other)?;
        // SAFETY: the call takes no pointers. The C library's own function is younger than some
        // that nginx runs with.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, id, 0) };
        let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made, and is nobody else's. It closes on `exec`.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Self { process, source: EventSource::new(descriptor, false, handler)? })
    }

    /// The process.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Whether it has ended. What has its id by now is another one.
    pub(crate) fn has_ended(&self) -> bool {
        let descriptor = self.source.descriptor().as_raw_fd();
        let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one local variable. The call does not wait.
        unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
    }
}
