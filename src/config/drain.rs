//! How open connections to a peer are closed.

use core::num::NonZeroU32;

use peer_zone::DrainReasons;

/// What `etcd_drain` sets.
#[derive(Debug)]
pub(crate) struct DrainConf {
    /// `timeout=`: the time until the first connection is closed.
    pub(crate) timeout: Time,
    /// `spread=` or `rate=`: how fast connections are closed then.
    pub(crate) pace: PaceConf,
    /// `on=`: which peers are drained.
    pub(crate) on: DrainReasons,
}

/// How fast connections are closed.
#[derive(Debug)]
pub(crate) enum PaceConf {
    /// `spread=`: all of a peer's, evenly over this time.
    Spread(Time),
    /// `rate=`: at most so many a second, over all workers and peers of the upstream.
    Rate(NonZeroU32),
}

/// A time that may change while nginx runs.
#[derive(Debug)]
pub(crate) enum Time {
    /// A constant, in milliseconds.
    Fixed(u64),
    /// The value of the `etcd_variable` of this name, which begins with a dollar sign; and the
    /// milliseconds that hold while it has none.
    Of(String, u64),
}

impl DrainConf {
    /// Whether it closes connections of peers that fail their checks, and of no others.
    pub(crate) fn needs_checks(&self) -> bool {
        self.on == DrainReasons { removed: false, drain: false, check: true }
    }
}
