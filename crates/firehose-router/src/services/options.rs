//! The flags of `services`.

use clap::{Args, Subcommand};

use super::target::TargetOptions;
use crate::keys::parse_prefix;

/// What is to be done with services.
#[derive(Args, Debug)]
pub(crate) struct ServicesOptions {
    #[command(subcommand)]
    pub(super) task: ServicesTask,
}

#[derive(Debug, Subcommand)]
pub(super) enum ServicesTask {
    /// List the services with the numbers of their nodes.
    List(Box<ListOptions>),
    /// List the keys of a service's nodes, as "nodes list" does.
    Show(Box<ShowOptions>),
    /// Remove a service: all keys of its nodes, in one transaction.
    Remove(Box<RemoveOptions>),
}

/// Flags of `services list`.
#[derive(Args, Debug)]
pub(super) struct ListOptions {
    /// Print JSON: a list with an object for each service
    #[arg(long)]
    pub(super) json: bool,

    /// Prefix of the keys of an etcd_map: show which of them lead to each service
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    pub(super) routes: Option<String>,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// Flags of `services show`.
#[derive(Args, Debug)]
pub(super) struct ShowOptions {
    /// Name of the service, with or without the prefix
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// Print JSON: a list with an object for each key
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// Flags of `services remove`.
#[derive(Args, Debug)]
pub(super) struct RemoveOptions {
    /// Name of the service, with or without the prefix
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// Prefix of the keys of an etcd_map: change nothing if one of them leads to the service
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    pub(super) routes: Option<String>,

    /// Remove the service although keys of --routes lead to it
    #[arg(long, requires = "routes")]
    pub(super) force: bool,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}
