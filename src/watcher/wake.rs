//! How the thread wakes the event loop: an eventfd.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use crate::nginx::event_source::{EventSource, Handler};

/// The thread's end; it has a descriptor of its own, so that none is written to that nginx has
/// closed and used again.
pub(super) struct Waker(OwnedFd);

/// Makes both ends; `handler` is called in the event loop after each [`Waker::wake`].
pub(super) fn channel(handler: Handler) -> io::Result<(EventSource, Waker)> {
    // SAFETY: the call takes no pointers.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and is nobody else's.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let waker = Waker(descriptor.try_clone()?);
    Ok((EventSource::new(descriptor, true, handler)?, waker))
}

impl Waker {
    /// Another one for the same event loop.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Wakes the event loop.
    pub(super) fn wake(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the descriptor is open and the buffer is as long as an eventfd's counter. Where
        // the counter is full the loop is woken anyway.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }
}
