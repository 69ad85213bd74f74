//! Drains: which connections are open to which peer, and how many of them are to be closed when.
//!
//! * [`OpenConnections`]: the connections of one worker by peer, in memory that never grows; a
//!   drain walks those of its own peer and no others.
//! * [`Drain`] and [`due`]: a peer's connections are left alone for a time and then closed evenly
//!   over another.
//! * [`RateLimiter`]: or never more than so many in any second, over all workers.
//!
//! It neither knows what a connection is nor closes one.

#![forbid(unsafe_code)]

mod limiter;
mod open;
mod pace;

pub use limiter::{DRAIN_TICK, RateLimiter};
pub use open::{OpenConnections, Slot};
pub use pace::{Drain, Pace, due};
