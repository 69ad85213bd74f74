//! The directives of the module, described in one table: where each stands, what it takes, what
//! holds where a parameter is not given.
//!
//! What is made of it: nginx's array of commands ([`Directive::arity`], [`Directive::contexts`]),
//! the reading of arguments ([`Directive::parse`]), each message about a wrong one ([`ConfError`]),
//! the tables of the
//! reference ([`reference`]) and the manual page ([`manual`]).
//!
//! To add a directive: a file in `src/directives` with its handler, a row in `table.rs`. A test
//! then asks for its section in the reference.

#![forbid(unsafe_code)]

mod args;
mod directive;
mod error;
pub mod manual;
mod parameter;
pub mod reference;
mod table;

pub use args::Args;
pub use directive::{Argument, Arity, Context, Directive, argument};
pub use error::ConfError;
pub use parameter::{Parameter, flag, value};
pub use table::{CLUSTER_DIRECTIVES, DIRECTIVES, cluster_directive, directive};
