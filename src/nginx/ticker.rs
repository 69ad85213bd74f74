//! A steady tick in the event loop.
//!
//! Not a timer of nginx's: one more of those would stand in the tree through which every request's
//! timers go, which costs each of them some twenty instructions, and an old worker must not be kept
//! alive by it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    time::Duration,
};

use crate::nginx::event_source::{EventSource, Handler};

/// Calls a handler every so often, until this is dropped.
pub(crate) struct Ticker {
    source: EventSource,
    period: Duration,
}

impl Ticker {
    /// Calls `handler` every `period`.
    ///
    /// # Errors
    ///
    /// Where the operating system has no descriptor left, or nginx no connection.
    pub(crate) fn start(period: Duration, handler: Handler) -> io::Result<Self> {
        // SAFETY: the call takes no pointers.
        let descriptor = unsafe {
            libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC)
        };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made, and is nobody else's.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        set_period(descriptor.as_fd(), period)?;
        Ok(Self { source: EventSource::new(descriptor, false, handler)?, period })
    }

    /// From here on every `period`. Where the operating system refuses that, everything is as
    /// before.
    pub(crate) fn set_period(&mut self, period: Duration) {
        if period != self.period && set_period(self.source.descriptor(), period).is_ok() {
            self.period = period;
        }
    }
}

fn set_period(descriptor: BorrowedFd<'_>, period: Duration) -> io::Result<()> {
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(period.as_secs()).map_err(io::Error::other)?,
        tv_nsec: period.subsec_nanos().into(),
    };
    let times = libc::itimerspec { it_interval: time, it_value: time };
    // SAFETY: the descriptor is a timerfd; the times are a local variable, and the old ones are not
    // asked for.
    let status = unsafe {
        libc::timerfd_settime(descriptor.as_raw_fd(), 0, &raw const times, core::ptr::null_mut())
    };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
