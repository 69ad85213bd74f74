//! How much of a group's settings is taken, and what they are called.

/// The longest value, in bytes: as that of a peer.
pub const MAX_LENGTH: usize = 4096;

/// The longest name of a group, in bytes: that of a DNS name.
pub const MAX_GROUP: usize = 255;

/// The names of all settings.
pub(crate) const NAMES: [&str; 8] =
    ["balance", "max_conns", "max_fails", "fail_timeout", "slow_start", "check", "drain", "sticky"];
