//! The directives: one file for each, what they have in common, and the checks across several.
//!
//! In `http` and `stream` is what needs the structures of these, in this directory what any
//! protocol can have.

mod allow;
mod args;
mod balance;
mod block;
mod check;
mod cluster;
mod cross_checks;
mod defaults;
mod drain;
mod etcd;
mod etcd_options;
mod geo;
mod group;
pub(crate) mod http;
mod keys;
mod live_variables;
mod map;
mod select;
mod servers;
mod settle;
mod state_file;
mod statistics;
#[cfg(stream)]
pub(crate) mod stream;
mod table;
mod variable;

pub(crate) use self::{cross_checks::check as check_all, table::CORE};
