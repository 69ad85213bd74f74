//! How much is measured.

use std::time::Duration;

/// The amounts; time of a whole run is minutes, and mostly valgrind's.
pub struct Plan {
    /// Numbers of peers to compare at, lowest first.
    pub peers: &'static [usize],
    /// Requests over which instructions are counted; callgrind repeats itself to the instruction, so that few are enough.
    pub counted_requests: usize,
    /// How often, each time with a new nginx: how the C library's heap happens to lie after the start makes a difference of some
    /// 280 instructions per request (in `_int_malloc`), for as long as the worker lives.
    pub counted_starts: usize,
    /// Pairs of measurements of throughput, static and etcd by turns.
    pub throughput_rounds: usize,
    /// How long each takes.
    pub throughput_time: Duration,
    /// Changes of each kind whose way to the workers is timed.
    pub changes: usize,
    /// Changes whose effect on the event loop is timed.
    pub disturbing_changes: usize,
}

/// The whole.
const FULL: Plan = Plan {
    peers: &[2, 100, 1_000, 10_000],
    counted_requests: 500,
    counted_starts: 3,
    throughput_rounds: 7,
    throughput_time: Duration::from_millis(1_000),
    changes: 100,
    disturbing_changes: 50,
};

/// A look, for while something is being changed.
const QUICK: Plan = Plan {
    peers: &[2, 10_000],
    counted_requests: 200,
    counted_starts: 1,
    throughput_rounds: 3,
    throughput_time: Duration::from_millis(500),
    changes: 30,
    disturbing_changes: 20,
};

impl Plan {
    /// The quick one with `QUICK=1` in the environment.
    pub fn from_environment() -> &'static Self {
        let is_quick = std::env::var_os("QUICK").is_some_and(|value| !value.is_empty() && value != "0");
        if is_quick { &QUICK } else { &FULL }
    }
}
