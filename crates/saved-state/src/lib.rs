//! The files that keep an upstream's last good list of peers, and the last good entries of a map,
//! for a start without etcd.
//!
//! * [`SavedState`] is what a file of peers holds, and [`SavedMap`] what one of a map does. Their
//!   `encode` makes text of it, and their `parse` takes nothing but such text: a file that is cut
//!   short, of another version, or of which a single bit has changed is refused as a whole.
//! * [`load`] and [`load_map`] read a file, whatever is in its place.
//! * [`WriteSchedule`] says when a file is to be written.
//!
//! A file is text, so that a person can see what a router would start with: a line of the format
//! (see [`SavedState::encode`]), one of where it is from, and one for each peer or entry. What it
//! says is read as a value of etcd's is, within the same limits.

#![forbid(unsafe_code)]

mod error;
mod file;
mod first_line;
mod lines;
mod map;
pub mod messages;
mod schedule;
mod state;

pub use error::{MAX_LENGTH, StateError};
pub use file::{LoadError, load, load_map};
pub use lines::OtherPrefix;
pub use map::{SavedEntry, SavedMap};
pub use schedule::{ListVersion, WriteSchedule};
pub use state::{SavedSettings, SavedState};
