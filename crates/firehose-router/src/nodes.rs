//! `nodes`: the nodes' keys in etcd, by hand.

mod add;
mod change;
mod edit;
mod error;
mod list;
mod messages;
mod options;
mod output;
mod remove;
mod set;
mod store;
mod target;
mod wait;

use std::{io, process::ExitCode};

pub(crate) use self::options::NodesOptions;
use self::{error::NodesError, options::NodesTask};

/// What a wrong flag makes the program exit with, as clap has it.
const USAGE: u8 = 2;

/// Does what is asked for.
pub(crate) async fn run(options: Box<NodesOptions>) -> ExitCode {
    let done = match options.task {
        NodesTask::List(options) => list::run(*options).await,
        NodesTask::Add(options) => add::run(*options).await,
        NodesTask::Set(options) => set::set(*options).await,
        NodesTask::Drain(options) => set::drain(*options).await,
        NodesTask::Undrain(options) => set::undrain(*options).await,
        NodesTask::Remove(options) => remove::run(*options).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever has read enough is not to be told so.
        Err(NodesError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is_usage() { USAGE } else { 1 })
        }
    }
}
