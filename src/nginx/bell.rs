//! By which any process of this nginx wakes the event loops of all workers, old ones included.
//!
//! It is an eventfd that the master makes before its first worker, and that all workers inherit.
//! Each of them listens to it; a write wakes all. Nobody reads it: then others, which have not come
//! to look, would find nothing. That takes events that tell of a change once, as those of epoll do.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::OnceLock,
};

use ngx::ffi::{NGX_USE_CLEAR_EVENT, ngx_event_flags};

use super::event_source::{EventSource, Handler};

/// The one of this nginx.
static BELL: OnceLock<OwnedFd> = OnceLock::new();

/// Makes the bell, unless there is one; in the process that is or becomes the master. Without it
/// workers look at everything all the time.
pub(crate) fn make() {
    if BELL.get().is_some() {
        return;
    }
    // SAFETY: the call takes no pointers.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
    if descriptor >= 0 {
        // SAFETY: the descriptor was just made, and is nobody else's.
        let _ = BELL.set(unsafe { OwnedFd::from_raw_fd(descriptor) });
    }
}

/// Wakes all workers, this one included. To be called by any thread, without waiting.
pub(crate) fn ring() {
    let Some(bell) = BELL.get() else { return };
    let one = 1_u64.to_ne_bytes();
    // SAFETY: the descriptor is open and the buffer is as long as an eventfd's counter, which is
    // never full: that takes centuries.
    let _ = unsafe { libc::write(bell.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

/// Calls `handler` after each [`ring`], until what is returned is dropped. The handler reads
/// nothing.
///
/// # Errors
///
/// Where there is no bell, the event loop is of a kind that would call the handler without end, or
/// descriptors or connections are missing.
pub(crate) fn listen(handler: Handler) -> io::Result<EventSource> {
    // SAFETY: nginx sets it when a worker's event loop is made, which was before.
    let flags = unsafe { ngx_event_flags };
    let bell = BELL.get().filter(|_| flags & NGX_USE_CLEAR_EVENT as usize != 0);
    let Some(bell) = bell else { return Err(io::ErrorKind::Unsupported.into()) };
    EventSource::new(bell.try_clone()?, false, handler)
}
