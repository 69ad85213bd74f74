//! A cluster of etcd's.

use etcd_watch::ClusterConfig;

/// What `etcd_cluster` says.
#[derive(Debug)]
pub(crate) struct ClusterConf {
    /// How it is reached.
    pub(crate) config: ClusterConfig,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: String,
}
