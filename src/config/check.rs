//! The active checks of an upstream.

use peer_check::CheckConfig;

/// What `etcd_check` sets.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// Request, intervals and counts of a check.
    pub(crate) config: CheckConfig,
    /// `mandatory`: a new peer gets no requests before its first passed check.
    pub(crate) mandatory: bool,
    /// `panic=`: all peers are used while every one fails its checks.
    pub(crate) panic: bool,
}
