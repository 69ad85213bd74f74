//! The directives: one file for each, the table of all of them, and the checks across several.

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
mod init_upstream;
mod keepalive;
mod keys;
mod others;
mod servers;
mod state_file;
mod status;
mod sticky;
mod table;
mod variable;
mod variable_names;

pub(crate) use self::{
    cross_checks::check as check_all,
    table::{CORE, HTTP},
};
