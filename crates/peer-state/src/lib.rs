//! The file that keeps an upstream's last good list of peers, for a start without etcd.
//!
//! * [`SavedState`] is what such a file holds. [`SavedState::encode`] makes text of it, and
//!   [`SavedState::parse`] takes nothing but such text: a file that is cut short, of another
//!   version, or of which a single bit has changed is refused as a whole.
//! * [`load`] reads a file, whatever is in its place.
//! * [`WriteSchedule`] says when a list is to be written.
//!
//! The file is text, so that a person can see what a router would start with: a line of the format
//! (see [`SavedState::encode`]), one of the upstream, and one for each peer. What it says of a peer
//! is read as a value of etcd's is, within the same limits.

#![forbid(unsafe_code)]

mod error;
mod file;
mod first_line;
pub mod messages;
mod schedule;
mod state;

pub use error::{MAX_LENGTH, StateError};
pub use file::{LoadError, load};
pub use schedule::{ListVersion, WriteSchedule};
pub use state::{OtherUpstream, SavedState};
