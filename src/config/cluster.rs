//! A cluster of etcd.

use etcd_watch::ClusterConfig;

/// What an `etcd_cluster` block sets.
#[derive(Debug)]
pub(crate) struct ClusterConf {
    /// Name, endpoints, TLS and login.
    pub(crate) config: ClusterConfig,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: String,
}
