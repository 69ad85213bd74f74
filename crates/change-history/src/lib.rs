//! The last changes of an upstream's peers in memory that processes share: one writes them, any
//! number read them, and nobody waits for anybody.
//!
//! The memory is a ring of slots of equal length, one for each change, and the number of the last
//! change. A slot begins with a word that says which change is in it, and whether it is whole: a
//! sequence lock for each slot, as in Boehm's "Can seqlocks get along with programming language
//! memory models?" (MSPC 2012). The ring has one slot more than there are changes to read: the one
//! that is written is never one of these. So a writer that is killed at any instruction leaves all
//! changes that were there, and its successor writes to the same slot.
//!
//! That there is one writer at a time is for others to see to. Memory of zeroes is an empty ring.

#![forbid(unsafe_code)]

mod change;
mod encoding;
mod ring;
mod sync;

pub use change::{Cause, Change, ChangedKeys, Keys, Record};
pub use ring::{History, Ring};
