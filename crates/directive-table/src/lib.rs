//! The directives of the module, described in one table: where each stands, what it takes, what
//! holds where a parameter is not given.
//!
//! What is made of it: nginx's array of commands ([`Directive::contexts`]), the reading of
//! arguments ([`Directive::parse`]), the check for duplicates ([`Seen`]), each message about a
//! mistake ([`ConfError`]), the tables of the reference ([`reference`]) and the manual page
//! ([`manual`]).
//!
//! How to add a directive is in `CONTRIBUTING.md`.

#![forbid(unsafe_code)]

mod args;
mod check_parameters;
mod directive;
mod error;
pub mod manual;
mod parameter;
pub mod reference;
mod seen;
mod table;
mod table_parameters;

pub use args::Args;
pub use directive::{Argument, Context, Directive, argument};
pub use error::ConfError;
pub use parameter::{FIRST_VERSION, Parameter, flag, value};
pub use seen::Seen;
pub use table::{CLUSTER_DIRECTIVES, DIRECTIVES, cluster_directive, directive};
