//! The file that keeps an upstream's last good list of peers, for a start without etcd.
//!
//! * [`State`] is what such a file holds. [`State::encode`] makes text of it, and [`State::parse`]
//!   takes nothing but such text: a file that is cut short, of another version, or of which a
//!   single bit has changed is refused as a whole.
//! * [`load`] reads a file, whatever is in its place.
//! * [`Schedule`] says when a list is to be written.
//!
//! The file is text, so that a person can see what a router would start with: a line of the format
//! (see [`State::encode`]), one of the upstream, and one for each peer. What it says of a peer is
//! read as a value of etcd's is, within the same limits.

#![forbid(unsafe_code)]

mod file;
mod first_line;
mod schedule;
mod state;

pub use file::{LoadError, load};
pub use schedule::{Mark, Schedule};
pub use state::{Foreign, MAX_LENGTH, State, StateError};
