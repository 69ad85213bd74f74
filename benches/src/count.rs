//! What is counted under callgrind, as it is handed to the process that counts.

use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;

/// The most instructions that a request may take with [`FEW`] peers, as a multiple of what it takes
/// with static ones.
pub const AIM: f64 = 1.02;

/// The fewest peers that are measured.
pub const FEW: usize = 2;

/// What one nginx under valgrind is to count.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Count {
    /// Peers.
    pub fleet: Fleet,
    /// Whether they are in etcd.
    pub live: bool,
    /// And drained when they are left.
    pub drains: bool,
    /// What is counted over.
    pub steps: Steps,
}

/// What an instruction count is divided by.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Steps {
    /// So many proxied requests.
    Requests(usize),
    /// Changes of peers' weights.
    Weights,
    /// Peers that are drained and called off again, while so many WebSockets are open to others.
    Drains(usize),
}

/// The instructions of a step, in each kind of worker there is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Counted {
    /// The one with the watcher.
    pub watcher: Option<f64>,
    /// One without.
    pub other: Option<f64>,
}
