//! `services`: the nodes' keys of an upstream with `etcd_group`, by service, and settings of
//! services.

mod error;
mod keys_of;
mod list;
mod options;
mod remove;
mod routed;
mod set;
mod settings;
mod show;
mod target;

use std::process::ExitCode;

pub(crate) use self::options::ServicesOptions;
use self::options::ServicesTask;
use crate::keys::exit_code;

/// Does what is asked for.
pub(crate) async fn run(options: Box<ServicesOptions>) -> ExitCode {
    exit_code(match options.task {
        ServicesTask::List(options) => list::run(*options).await,
        ServicesTask::Show(options) => show::run(*options).await,
        ServicesTask::Remove(options) => remove::run(*options).await,
        ServicesTask::Set(options) => set::run(*options).await,
        ServicesTask::Unset(options) => set::unset(*options).await,
    })
}
