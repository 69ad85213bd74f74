//! What the answers of one node share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::behavior::Behavior;
use crate::channels::Channels;
use crate::counters::Counters;
use crate::sessions::Sessions;

/// What the answers of one node share.
pub(crate) struct NodeState {
    pub(crate) name: String,
    pub(crate) counters: Arc<Counters>,
    pub(crate) behavior: Arc<Behavior>,
    pub(crate) channels: Channels,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) stopping: CancellationToken,
}
