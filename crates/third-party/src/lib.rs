//! The crates of others that this workspace uses, as cargo knows them: their licenses, the texts of
//! these licenses, and crates in several versions.
//!
//! `make licenses` writes the texts of what the module and the program contain. The tests check
//! that each license is in the list of `deny.toml`, and each duplicate too: what `cargo deny`
//! checks, without another program.

#![forbid(unsafe_code)]

mod crates;
mod deny;
mod expression;
mod report;

pub use crates::{Crate, Crates};
pub use deny::Deny;
pub use expression::{UnknownSyntax, is_allowed};
pub use report::report;
