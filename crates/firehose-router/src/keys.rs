//! Keys that are changed by hand: what commands have in common.

mod change;
mod error;
mod exit;
mod messages;
mod output;
mod prefix;
mod remove;
mod report;
mod store;

pub(crate) use self::{
    change::{Step, change},
    error::KeysError,
    exit::{Failure, exit_code},
    messages::added,
    output::say,
    prefix::{Prefix, parse_prefix},
    remove::remove,
    report::report,
    store::Store,
};
