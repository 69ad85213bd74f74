//! The router for Firehose's servers: `serve` runs nginx with the nodes that etcd names, `announce`
//! names a node there.

#![forbid(unsafe_code)]

mod announce;
mod bound;
mod child;
mod cli;
mod etcd;
mod healthcheck;
mod local;
mod log;
mod messages;
mod migrate;
mod number_flag;
mod serve;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Task};

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Task::RunBound(options) = &cli.task {
        return bound::run(options);
    }
    log::start();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("{}", messages::no_runtime(error));
            return ExitCode::FAILURE;
        }
    };
    let result = match cli.task {
        Task::Serve(options) => runtime.block_on(serve::run(options)),
        Task::Announce(options) => runtime.block_on(announce::run(options)),
        Task::Migrate(options) => runtime.block_on(until_end_requested(migrate::run(options))),
        Task::Healthcheck(options) => {
            runtime.block_on(until_end_requested(healthcheck::run(options)))
        }
        Task::RunBound(options) => bound::run(&options),
    };
    // What still blocks (a name that is being resolved) is not waited for.
    runtime.shutdown_background();
    result
}

/// Runs what has nothing to put in order when a signal ends it, also as the first process of a
/// container, which the signal itself does not end.
async fn until_end_requested(task: impl Future<Output = ExitCode>) -> ExitCode {
    let Ok(mut signals) = signals::Listener::new() else { return task.await };
    tokio::select! {
        // Cancel safe: what it has written is written, and it can be run again.
        signal = signals.end_requested() => child::signalled(signal),
        code = task => code,
    }
}
