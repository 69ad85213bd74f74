//! Reads the sources of a crate for what they import from one another, so that tests can say who
//! may import whom.
//!
//! It reads words and punctuation, not Rust's grammar: `use` declarations and paths that begin with
//! `crate`, `self`, `super` or a module that the file declares. What a module passes on with `use`
//! counts as imported from where it is defined. Tests inside of a file (`cfg(test)`) do not count.

mod circles;
mod imports;
mod sources;
mod words;

pub use circles::circles;
pub use imports::Imports;
pub use sources::Sources;
pub use words::{balanced, words};
