//! What is drained.

/// The node that is to become empty.
pub(in crate::nodes) struct Drained<'d> {
    /// The key below the prefix.
    pub(in crate::nodes) name: &'d str,
    /// The name of its peers.
    pub(in crate::nodes) peers: &'d str,
    /// The prefix of the upstream.
    pub(in crate::nodes) prefix: &'d str,
    /// The upstreams that are meant, by their names; none: all with the prefix.
    pub(in crate::nodes) upstreams: &'d [String],
    /// The revision from which on its value says that it drains.
    pub(in crate::nodes) revision: i64,
}
