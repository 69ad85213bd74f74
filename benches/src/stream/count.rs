//! What is counted of sessions.

use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;

/// What one nginx under valgrind is to count.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct SessionCount {
    /// Peers.
    pub fleet: Fleet,
    /// Who has them.
    pub servers: Servers,
    /// Sessions of each worker.
    pub sessions: usize,
}

/// Who has the peers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub enum Servers {
    /// nginx.
    Fixed,
    /// nginx, in shared memory (`zone`).
    InZone,
    /// etcd.
    Live,
    /// etcd, with `etcd_statistics off`.
    Uncounted,
}

impl Servers {
    /// Whether etcd has them.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::Uncounted)
    }
}
