//! The machine's monotonic clock, which all processes share, and nginx's cached ones.

use ngx::ffi::{ngx_cached_time, ngx_current_msec, ngx_time};
use peer_zone::Now;

/// Milliseconds since some moment that is the same for all processes.
pub(crate) fn now() -> u64 {
    microseconds() / 1_000
}

/// As [`now`], in microseconds.
pub(crate) fn microseconds() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local variable; Linux always has this clock, and it never fails
    // there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    // The clock is never negative.
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

/// The moment, by nginx's cached clocks.
pub(crate) fn cached() -> Now {
    Now { seconds: seconds(), milliseconds: milliseconds() }
}

/// Milliseconds, by nginx's cached clock.
#[inline(always)]
pub(crate) fn milliseconds() -> u64 {
    // SAFETY: nginx sets it, from the event loop. It is of the same clock as `now`.
    unsafe { ngx_current_msec as u64 }
}

/// For how many milliseconds the second of [`cached`] has lasted.
pub(crate) fn into_second() -> u32 {
    // SAFETY: nginx sets it before it reads a configuration, and always to one of its own times.
    unsafe { (*ngx_cached_time).msec as u32 }
}

/// Seconds, by nginx's cached clock, as the zone keeps them.
fn seconds() -> u32 {
    // The zone compares differences only, so that the cut in 2106 does no harm but to one of them.
    ngx_time() as u32
}
