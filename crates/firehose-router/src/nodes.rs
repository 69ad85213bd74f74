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

pub(crate) use self::options::NodesOptions;
use self::options::NodesTask;
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
