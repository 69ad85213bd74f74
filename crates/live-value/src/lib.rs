//! A value in memory that processes share: one writes it, any number read it, and nobody waits for
//! anybody. A small one is in a [`Cell`], a large one on a [`Shelf`].
//!
//! A [`Cell`] has two buffers and a number that says which of them is current. A writer fills the
//! other one and then counts the number up: killed at any instruction it leaves the old value or
//! the new one. A reader copies the current buffer and looks at the number again: only a writer who
//! has published once more meanwhile can have begun to fill that buffer, and then the reader begins
//! anew. That is a sequence lock (Boehm, "Can seqlocks get along with programming language memory
//! models?", MSPC 2012) whose readers never find a writer in the middle.
//!
//! That there is one writer at a time is for others to see to. Memory of zeroes is a cell without a
//! value.

#![forbid(unsafe_code)]

mod cell;
#[cfg(not(loom))]
mod shelf;

pub use cell::{Cell, Origin, Reading, Torn};
#[cfg(not(loom))]
pub use shelf::{Found, Shelf};

/// The atomics in use: loom's while loom checks the protocol, the machine's otherwise.
mod sync {
    #[cfg(not(loom))]
    pub(crate) use core::sync::atomic::{AtomicU64, Ordering, fence};
    #[cfg(loom)]
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}
