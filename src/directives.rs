//! The directives: one file for each, the table of all of them, and the checks over several.

mod allow;
mod args;
mod balance;
mod check;
mod cluster;
mod cross_checks;
mod drain;
mod etcd;
mod etcd_options;
mod geo;
mod keepalive;
mod others;
mod servers;
mod state_file;
mod sticky;
mod table;
mod variable;

pub(crate) use self::{
    balance::Balance,
    check::Check,
    cross_checks::check as check_all,
    drain::DrainConf,
    etcd_options::EtcdOptions,
    geo::GeoConf,
    sticky::{Expires, MAX_EXPIRES, Naming, Sticky},
    table::COMMANDS,
    variable::{Kind, LONGEST_TIME, VariableConf},
};
use crate::config::{Etcd, MainConf, UpstreamConf};
