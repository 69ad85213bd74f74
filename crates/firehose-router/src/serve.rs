//! `serve`: runs nginx.

use std::process::ExitCode;

use clap::Args;

use crate::etcd::EtcdOptions;

/// Flags of `serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    etcd: EtcdOptions,
}

/// Runs until told to end.
pub(crate) async fn run(options: Box<ServeOptions>) -> ExitCode {
    drop(options.etcd.read());
    ExitCode::FAILURE
}
