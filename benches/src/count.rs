//! What is counted under callgrind, as it is handed to the process that counts.

use harness::Result;
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
    /// The same, in the watcher's thread.
    WatchedWeights,
    /// Peers that are drained and called off again, while so many WebSockets are open to others.
    Drains(usize),
}

/// What a step takes of an event loop.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Cost {
    /// Instructions, without those of nginx's clock and of the C library's allocator.
    pub instructions: f64,
    /// Of these, those of the module's own code.
    pub module: f64,
    /// Calls of the allocator.
    pub allocations: f64,
}

/// The cost of a step, in each kind of worker there is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Counted {
    /// The one with the watcher.
    pub watcher: Option<Cost>,
    /// One without.
    pub other: Option<Cost>,
    /// Instructions of the watcher's thread.
    pub thread: Option<f64>,
}

impl Counted {
    /// The one without the watcher.
    ///
    /// # Errors
    ///
    /// Where there was none.
    pub fn worker(&self) -> Result<Cost> {
        Ok(self.other.ok_or("no worker without the watcher was found")?)
    }

    /// The watcher's thread.
    ///
    /// # Errors
    ///
    /// Where it was not counted.
    pub fn of_thread(&self) -> Result<f64> {
        Ok(self.thread.ok_or("the watcher's thread was not counted")?)
    }
}
