//! `routes`: the keys of an `etcd_map` in etcd, by hand.

mod check;
mod error;
mod list;
mod options;
mod route;
mod set;
mod target;

use std::process::ExitCode;

pub(crate) use self::options::RoutesOptions;
use self::{error::RoutesError, options::RoutesTask};
use crate::keys::{exit_code, remove};

/// Does what is asked for.
pub(crate) async fn run(options: Box<RoutesOptions>) -> ExitCode {
    exit_code(match options.task {
        RoutesTask::List(options) => list::run(*options).await,
        RoutesTask::Set(options) => set::run(*options).await,
        RoutesTask::Remove(options) => remove_key(*options).await,
    })
}

async fn remove_key(options: options::RemoveOptions) -> Result<(), RoutesError> {
    let target = options.target.target()?;
    let key = target.prefix.key(target.prefix.name(&options.name)?);
    Ok(remove(&target.store, &key).await?)
}
