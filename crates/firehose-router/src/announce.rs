//! `announce`: keeps a node's key in etcd.

use std::process::ExitCode;

use clap::Args;

use crate::etcd::EtcdOptions;

/// Flags of `announce`.
#[derive(Args, Debug)]
pub(crate) struct AnnounceOptions {
    #[command(flatten)]
    etcd: EtcdOptions,
}

/// Runs until told to end.
pub(crate) async fn run(options: Box<AnnounceOptions>) -> ExitCode {
    drop(options.etcd.read());
    ExitCode::FAILURE
}
