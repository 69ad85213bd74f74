//! The moment at which this process looks again at what it waits for.
//!
//! Not a timer of nginx's: one more of those would stand in the tree through which every request's
//! timers go, which costs each of them some twenty instructions, and an old worker must not be kept
//! alive by it. It is set only while there is something to look at: a worker at rest sleeps.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::Duration,
};

use super::{
    clock,
    event_source::{EventSource, Handler},
    exclusive::OfProcess,
};

/// How often a process looks at something of whose end nobody tells it.
pub(crate) const TICK: Duration = Duration::from_millis(100);

struct Alarm {
    source: EventSource,
    /// When it goes off (ms, monotonic), if it is set.
    at: Option<u64>,
}

/// The one of this process.
// SAFETY: only callbacks of the event loop, and of a process's start and end, come here.
static ALARM: OfProcess<Alarm> = unsafe { OfProcess::new() };

/// Makes the alarm of a process that starts; `handler` is called each time that it goes off.
///
/// # Errors
///
/// Where the operating system has no descriptor left, or nginx no connection.
pub(crate) fn start(handler: Handler) -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    let descriptor = unsafe {
        libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC)
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and is nobody else's.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let alarm = Alarm { source: EventSource::new(descriptor, false, handler)?, at: None };
    ALARM.replace(Some(alarm)).map(drop).unwrap_or_else(|lent| lent.report("the alarm"));
    Ok(())
}

/// Ends it.
pub(crate) fn stop() {
    ALARM.replace(None).map(drop).unwrap_or_else(|lent| lent.report("the alarm"));
}

/// It goes off after this time, counted from `now` (ms), and not before; `None`: not at all.
pub(crate) fn set(time: Option<Duration>, now: u64) {
    ALARM.with(|alarm| alarm.set(time.map(|time| now.saturating_add(milliseconds(time))), now));
}

/// It goes off after this time at the latest.
pub(crate) fn within(time: Duration) {
    ALARM.with(|alarm| {
        let now = clock::now();
        let at = now.saturating_add(milliseconds(time));
        if alarm.at.is_none_or(|before| before > at) {
            alarm.set(Some(at), now);
        }
    });
}

/// It has gone off.
pub(crate) fn note_end() {
    ALARM.with(|alarm| alarm.at = None);
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Alarm {
    fn set(&mut self, at: Option<u64>, now: u64) {
        // A timer of no time at all is one that is off.
        let time = at.map_or(0, |at| at.saturating_sub(now).max(1));
        if at != self.at && set_timer(&self.source, time).is_ok() {
            self.at = at;
        }
    }
}

/// Has the timer end once, after so many milliseconds; 0: never.
fn set_timer(source: &EventSource, time: u64) -> io::Result<()> {
    let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let time = Duration::from_millis(time);
    let value = libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).map_err(io::Error::other)?,
        tv_nsec: time.subsec_nanos().into(),
    };
    let times = libc::itimerspec { it_interval: none, it_value: value };
    let descriptor = source.descriptor().as_raw_fd();
    // SAFETY: the descriptor is a timerfd; the times are a local variable, and the old ones are not
    // asked for.
    let status =
        unsafe { libc::timerfd_settime(descriptor, 0, &raw const times, core::ptr::null_mut()) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
