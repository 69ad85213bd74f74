//! A steady tick in the event loop.
//!
//! Not a timer of nginx's: one more of those would stand in the tree through which every request's timers go, which costs each of them
//! some twenty instructions, and an old worker must not be kept alive by it.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::Duration,
};

use crate::event_source::{EventSource, Handler};

/// Calls `handler` every `period`, until the returned value is dropped.
///
/// # Errors
///
/// Where the operating system has no descriptor left, or nginx no connection.
pub(crate) fn start(period: Duration, handler: Handler) -> io::Result<EventSource> {
    // SAFETY: the call takes no pointers.
    let descriptor =
        unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and is nobody else's.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(period.as_secs()).map_err(io::Error::other)?,
        tv_nsec: period.subsec_nanos().into(),
    };
    let times = libc::itimerspec { it_interval: time, it_value: time };
    // SAFETY: the descriptor is a timerfd; the times are a local variable, and the old ones are not asked for.
    let status =
        unsafe { libc::timerfd_settime(descriptor.as_raw_fd(), 0, &raw const times, core::ptr::null_mut()) };
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    EventSource::new(descriptor, false, handler)
}
