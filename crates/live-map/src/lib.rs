//! A map from names to values in memory that processes share: one writes it, any number read it,
//! and nobody waits for anybody. A change costs what it changes, and a lookup the same whatever the
//! number of entries.
//!
//! An entry is never changed. A new one, or another value, is written to memory that no reader
//! finds, and then one word is stored that leads to it: a bucket of a hash table, or the link of
//! the entry before it in its chain. So a writer may be killed at any instruction: an entry is
//! there or not, and has the old value or the new one. What memory is free only the writer knows;
//! its successor finds out by what is reachable. Memory is given out in cells of one size, so that
//! it cannot be free and of no use, and none is lost.
//!
//! Memory that an entry had waits before it is written again. A number is counted up before: a
//! reader that finds it as it was when it began has read nothing of what was written since, and
//! begins again otherwise, as with the sequence locks of [`live_value`]. Another number is counted
//! up before an entry comes or goes: who looks for a host by one name after the other thereby has
//! an answer that was right at some moment.
//!
//! That there is one writer at a time is for others to see to. Memory of zeroes is an empty map,
//! and whatever the words are, a lookup ends.
//!
//! [`hosts`] reads names and masks of hosts, and [`split`] chooses from values that are lists with
//! weights.

#![forbid(unsafe_code)]

mod bits;
mod entry;
mod hash;
pub mod hosts;
mod labels;
mod layout;
mod lookup;
mod name;
mod room;
mod shared;
pub mod split;
mod sync;
mod take_over;
mod text;
mod writer;

pub use bits::MAX_VALUE;
pub use live_value::{Tag, TornRead};
pub use name::{Kind, MAX_NAME, Name};
pub use shared::{Entry, Found, SharedMap};
pub use writer::{Full, MapWriter, bytes_for, words_for};
