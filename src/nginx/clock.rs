//! The machine's monotonic clock, which all processes share.

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
