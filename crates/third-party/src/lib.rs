//! The crates of others that this workspace uses, as cargo knows them: their licenses, the texts of
//! these licenses, and crates in several versions.
//!
//! `make licenses` writes the texts of what the module and the program contain, and `make sbom` a
//! list of the crates that are linked into them. The tests check that each license is in the list
//! of `deny.toml`, and each duplicate too: what `cargo deny` checks, without another program.

#![forbid(unsafe_code)]

mod cargo;
mod checksums;
mod crates;
mod deny;
mod expression;
mod report;
mod sbom;
mod tree;

pub use checksums::checksums;
pub use crates::{Crate, Crates};
pub use deny::Deny;
pub use expression::{UnknownSyntax, is_allowed};
pub use report::report;
pub use sbom::sbom;
pub use tree::{Name, Tree};

/// The crates that are shipped: the module and the program.
pub const SHIPPED: [&str; 2] = ["ngx-http-upstream-etcd-module", "firehose-router"];
