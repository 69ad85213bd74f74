//! The flags of `services`.

use clap::{Args, Subcommand};

use super::target::TargetOptions;
use crate::{etcd::ConnectionOptions, keys::parse_prefix};

/// The prefix of settings, where nobody names another one.
const SETTINGS: &str = "/services-settings/";

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
    /// Write the settings of a service, which the router takes without a reload.
    ///
    /// They take the place of those before. A key that exists keeps its lease.
    Set(Box<SetOptions>),
    /// Remove the settings of a service: it is then as the directives of the upstream say.
    Unset(Box<UnsetOptions>),
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

    /// Prefix of the keys with settings, as the directive "etcd_group" has it: show what each
    /// service has of its own
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    pub(super) settings: Option<String>,

    /// The upstream of --settings is one of "stream"
    #[arg(long, requires = "settings")]
    pub(super) stream: bool,

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

    /// Prefix of the keys with settings, as the directive "etcd_group" has it: say whether settings
    /// of the service stay
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    pub(super) settings: Option<String>,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// Flags of `services set`.
#[derive(Args, Debug)]
pub(super) struct SetOptions {
    /// Name of the service, with or without the prefix of --settings
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// Settings as a JSON object: '{"balance":"least_conn"}'; "-" reads them from standard input
    #[arg(value_name = "SETTINGS", required = true)]
    pub(super) value: Vec<String>,

    /// Prefix of the keys with settings, as the directive "etcd_group" has it
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = SETTINGS,
        value_parser = parse_prefix
    )]
    pub(super) settings: String,

    /// The upstream is one of "stream"
    #[arg(long)]
    pub(super) stream: bool,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// Flags of `services unset`.
#[derive(Args, Debug)]
pub(super) struct UnsetOptions {
    /// Name of the service, with or without the prefix of --settings
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// Prefix of the keys with settings, as the directive "etcd_group" has it
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = SETTINGS,
        value_parser = parse_prefix
    )]
    pub(super) settings: String,

    #[command(flatten)]
    pub(super) connection: ConnectionOptions,
}
