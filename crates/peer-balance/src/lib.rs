//! Which peer comes next: balancing methods as data, without nginx and without shared memory.
//!
//! Round robin is worked out ahead, when the peers change, so that a pick needs nothing but a position: a number that all workers
//! count up together. There are two forms of it, both exact, in that each peer is picked as often as its weight says in every cycle:
//!
//! * [`smooth_sequence`]: nginx's own order, written down for one whole cycle;
//! * [`stride`], [`cumulative`] and [`pick`]: an even order that is computed at each pick, for cycles too long to be written down.

#![forbid(unsafe_code)]

mod smooth;
mod strided;

pub use smooth::{MAX_STEPS, smooth_sequence};
pub use strided::{Stride, cumulative, pick, stride};
