//! A value in memory that processes share: one writes it, any number read it, and nobody waits for
//! anybody. A small one is in a [`ValueCell`], a large one in [`SharedWords`].
//!
//! A [`ValueCell`] has two buffers and a number that says which of them is current. A writer fills
//! the other one and then counts the number up: killed at any instruction it leaves the old value
//! or the new one. A reader copies the current buffer and looks at the number again: only a writer
//! who has published once more meanwhile can have begun to fill that buffer, and then the reader
//! begins again. That is a sequence lock (Boehm, "Can seqlocks get along with programming language
//! memory models?", MSPC 2012) whose readers never find a writer in the middle.
//!
//! That there is one writer at a time is for others to see to. Memory of zeroes is a cell without a
//! value.

#![forbid(unsafe_code)]

mod cell;
pub mod messages;
mod shared_words;
mod sync;
mod value_error;

pub use cell::{Reading, Tag, TornRead, ValueCell};
pub use shared_words::{SharedWords, WordsReading};
pub use value_error::ValueError;
