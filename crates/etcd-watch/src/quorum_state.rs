//! What is known of the quorum of the member in use.

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::trouble::Trouble;

/// The state of a connection's quorum, shared by all who use the connection.
pub(crate) type SharedQuorumState = Mutex<QuorumState>;

/// What was found out by means of a connection.
#[derive(Debug, Default)]
pub(crate) struct QuorumState {
    /// When the last read that was answered began.
    pub(crate) verified_at: Option<Instant>,
    /// Where the store was found to be.
    pub(crate) store: Store,
    /// The end of the connection, for all who use it.
    pub(crate) failure: Option<Trouble>,
}

/// Where the store was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Store {
    /// The id by which etcd names the cluster.
    pub(crate) cluster_id: u64,
    /// The highest revision that reads have named.
    pub(crate) revision: i64,
}
