//! Idle connections by peer: found, kept and given up in constant time, in memory that never grows.
//!
//! [`IdleCache`] has one order over all items, by when they were kept, and one for each peer, which
//! is found by the peer's number. What is kept last is taken first, since it is the least likely to
//! be closed by its peer meanwhile; what was kept first goes first where there is no room.
//!
//! It neither knows what it keeps nor closes it: whatever leaves is handed back.

#![forbid(unsafe_code)]

mod cache;
mod order;

pub use cache::{IdleCache, Insertion, Peer, Slot};
