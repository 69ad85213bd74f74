//! Reads the sources of a crate for what they import from one another, so that tests can say who
//! may import whom.
//!
//! It reads tokens, not Rust's grammar: `use` declarations and paths that begin with `crate`,
//! `self`, `super` or a module that the file declares. What a module passes on with `use` counts as
//! imported from where it is defined. What only tests have (`cfg(test)`) does not count.
//!
//! It also reads what the names of test functions are.

mod circles;
mod imports;
mod inclusions;
mod sources;
mod test_names;
mod tokens;

pub use circles::circles;
pub use imports::Imports;
pub use inclusions::foreign_inclusions;
pub use sources::Sources;
pub use test_names::test_names;
pub use tokens::{balanced, code_tokens};
