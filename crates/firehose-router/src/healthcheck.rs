//! `healthcheck`: whether the router here answers.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{local, messages, serve};

/// Flags of `healthcheck`.
#[derive(Args, Debug)]
pub(crate) struct HealthcheckOptions {
    /// Directory given to the router with --run-dir
    #[arg(long, env = "FIREHOSE_RUN_DIR", value_name = "DIRECTORY", hide_env_values = true)]
    run_dir: Option<PathBuf>,
}

/// Asks it.
pub(crate) async fn run(options: HealthcheckOptions) -> ExitCode {
    let Some(socket) = serve::status_socket(options.run_dir.as_deref()) else {
        eprintln!("{}", messages::NO_ROUTER);
        return ExitCode::FAILURE;
    };
    match local::get(&socket, "/nginx-healthcheck").await {
        Ok(answer) => {
            println!("{}", answer.trim());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", messages::no_answer(&socket, &error));
            ExitCode::FAILURE
        }
    }
}
