//! The keys below a prefix that an `etcd_map` has: which of them are taken, which value each has,
//! and what becomes of the values when a key changes, when all keys are listed again, and when
//! another etcd takes the place of the one before.
//!
//! The values themselves lie in the shared memory of a [`live_map`], and nowhere else: one change
//! costs what it changes, and a secret is not kept beside it.

#![forbid(unsafe_code)]

mod entries;
mod left_out;
mod place;
mod rules;
mod spellings;

pub use entries::{Entries, Rejected, Update, copy};
pub use place::wipe;
pub use rules::{Reason, Rules};
