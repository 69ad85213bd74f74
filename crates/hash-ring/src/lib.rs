//! The ring of consistent hashing, as nginx's `hash KEY consistent` has it, in a form that changes
//! at little cost.
//!
//! A *server* has a *slot*: a number that its user gives it and that it keeps for as long as it
//! lives. It has *points*, each a hash of 32 bits and the slot. A ring is a *base*, which has the
//! points of all servers at one time, and a *delta*, which has the points of servers that were
//! added since, and the slots of those that were removed. Neither changes once it is written: a
//! change writes another delta. From time to time a *merge* makes a base of the base and the delta,
//! in steps.
//!
//! Base and delta are slices of words (`u32`), which their user places where readers find them, as
//! in shared memory. To read them needs neither a lock nor an allocation. Damaged words lead to a wrong
//! slot, never to a panic or an endless loop.

#![forbid(unsafe_code)]

mod base;
mod delta;
mod error;
mod merge;
mod ring;
mod slots;
mod view;
mod words;

pub use base::{Base, EMPTY_BASE, base_words};
pub use delta::{Delta, delta_words};
pub use error::{AddError, Malformed, MergeError, NoServer, TooLarge};
pub use merge::Merge;
pub use ring::{MANY_ADDED, MANY_REMOVED, Ring};
pub use view::{View, Walk};
pub use words::{MOST_POINTS, MOST_SLOTS};
