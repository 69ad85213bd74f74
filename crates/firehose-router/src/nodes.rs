//! `nodes`: the nodes' keys in etcd, by hand.

mod add;
mod edit;
mod error;
mod list;
mod options;
mod remove;
mod set;
mod target;
mod wait;

use std::process::ExitCode;

use self::options::NodesTask;
pub(crate) use self::{list::print as print_nodes, options::NodesOptions};
use crate::keys::exit_code;

/// Does what is asked for.
pub(crate) async fn run(options: Box<NodesOptions>) -> ExitCode {
    exit_code(match options.task {
        NodesTask::List(options) => list::run(*options).await,
        NodesTask::Add(options) => add::run(*options).await,
        NodesTask::Set(options) => set::set(*options).await,
        NodesTask::Drain(options) => set::drain(*options).await,
        NodesTask::Undrain(options) => set::undrain(*options).await,
        NodesTask::Remove(options) => remove::run(*options).await,
    })
}
