//! How the open connections of a peer come to an end.

use core::num::NonZeroU32;

use peer_zone::DrainReasons;

/// What `etcd_drain` says.
#[derive(Debug)]
pub(crate) struct DrainConf {
    /// How long connections have to end by themselves.
    pub(crate) timeout: Time,
    /// How fast the rest is closed.
    pub(crate) pace: PaceConf,
    /// Of which peers connections are closed.
    pub(crate) on: DrainReasons,
}

/// How fast connections are closed.
#[derive(Debug)]
pub(crate) enum PaceConf {
    /// All of a peer's within this time.
    Spread(Time),
    /// So many a second, all workers together.
    Rate(NonZeroU32),
}

/// A time, in milliseconds.
#[derive(Debug)]
pub(crate) enum Time {
    /// The same for ever.
    Fixed(u64),
    /// That of a variable, with the dollar sign, and where that has none.
    Of(String, u64),
}

impl DrainConf {
    /// Whether it acts on nothing but what checks say.
    pub(crate) fn needs_checks(&self) -> bool {
        self.on == DrainReasons { removed: false, drain: false, check: true }
    }
}
