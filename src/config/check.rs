//! How peers are checked.

use peer_check::CheckConfig;

/// What `etcd_check` says.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// How a peer is checked.
    pub(crate) config: CheckConfig,
    /// A new peer is not used before its first passed check.
    pub(crate) mandatory: bool,
    /// All peers are used when every one fails its checks.
    pub(crate) panic: bool,
}
