//! The router for Firehose's servers: `serve` runs nginx with the nodes that etcd names, `announce`
//! names a node there.

#![forbid(unsafe_code)]

mod announce;
mod bound;
mod check_value;
mod child;
mod cli;
mod etcd;
mod healthcheck;
mod keys;
mod local;
mod log;
mod messages;
mod migrate;
mod nodes;
mod number_flag;
mod path_flag;
mod routers;
mod routes;
mod routing;
mod scheme_flag;
mod serve;
mod services;
mod signals;
mod status;
mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::{
    cli::{Cli, Task, flags_first},
    signals::until_end_requested,
};

fn main() -> ExitCode {
    let arguments = flags_first(Cli::command(), std::env::args_os().collect());
    match Cli::parse_from(arguments).task {
        Task::Serve(options) => on_runtime(serve::run(options)),
        Task::Announce(options) => on_runtime(announce::run(options)),
        Task::Migrate(options) => on_runtime(until_end_requested(migrate::run(options))),
        Task::Healthcheck(options) => on_runtime(until_end_requested(healthcheck::run(options))),
        Task::Status(options) => on_runtime(status::run(options)),
        Task::Nodes(options) => on_runtime(until_end_requested(nodes::run(options))),
        Task::Routes(options) => on_runtime(until_end_requested(routes::run(options))),
        Task::Services(options) => on_runtime(until_end_requested(services::run(options))),
        Task::CheckValue(options) => check_value::run(options),
        Task::RunBound(options) => bound::run(&options),
    }
}

/// Runs what waits for others.
fn on_runtime(task: impl Future<Output = ExitCode>) -> ExitCode {
    log::start();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("{}", messages::no_runtime(error));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(task);
    // What still blocks (a name that is being resolved) is not waited for.
    runtime.shutdown_background();
    result
}
