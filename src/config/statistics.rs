//! What `etcd_statistics` sets.

/// Whether the figures of requests are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Counting {
    /// They are, and the status shows them.
    #[default]
    On,
    /// They are not, and requests take no time for them.
    Off,
}
