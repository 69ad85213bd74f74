//! Keys that are changed by hand: what commands have in common.

mod change;
mod error;
mod exit;
mod input;
mod lease;
mod messages;
mod names;
mod output;
mod prefix;
mod remove;
mod report;
mod store;

pub(crate) use self::{
    change::{CONFLICTS, LOOK, Step, WRITTEN_BACK, change},
    error::KeysError,
    exit::{Failure, exit_code},
    input::read_value,
    lease::lease,
    messages::{added, no_node, removed, service_removed, settings_stay},
    output::say,
    prefix::{Prefix, parse_prefix},
    remove::remove,
    report::report,
    store::{Seen, Shows, Store},
};
