//! The flags of `nodes`.

use std::time::Duration;

use clap::{Args, Subcommand};
use nginx_syntax::milliseconds;

use super::{edit::ParameterChange, target::TargetOptions};
use crate::routers::RouterOptions;

/// How long `--wait` waits at most where it has no time.
const WAIT: &str = "10m";

/// What is to be done with nodes.
#[derive(Args, Debug)]
pub(crate) struct NodesOptions {
    #[command(subcommand)]
    pub(super) task: NodesTask,
}

#[derive(Debug, Subcommand)]
pub(super) enum NodesTask {
    /// List the nodes' keys, with what the router makes of their values.
    List(Box<ListOptions>),
    /// Add a node, unless its key exists.
    Add(Box<AddOptions>),
    /// Change parameters of a node, in the form that its value has.
    ///
    /// Everything else in the value stays, and so does the lease of the key.
    Set(Box<SetOptions>),
    /// Mark a node "drain", so that it gets no new sessions.
    Drain(Box<DrainOptions>),
    /// Remove the mark "drain" from a node.
    Undrain(Box<KeyOptions>),
    /// Remove a node's key.
    Remove(Box<KeyOptions>),
}

/// Flags of `nodes list`.
#[derive(Args, Debug)]
pub(super) struct ListOptions {
    /// Print JSON: a list with an object for each key
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// Flags of `nodes add`.
#[derive(Args, Debug)]
pub(super) struct AddOptions {
    /// Key of the node, with or without the prefix
    #[arg(value_name = "KEY")]
    pub(super) key: String,

    /// Value in any form that the router reads: 10.0.0.7:80 weight=5
    #[arg(value_name = "VALUE", required = true)]
    pub(super) value: Vec<String>,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// Flags of `nodes set`.
#[derive(Args, Debug)]
pub(super) struct SetOptions {
    /// Key of the node, with or without the prefix
    #[arg(value_name = "KEY")]
    pub(super) key: String,

    /// Parameters as in nginx's "server" directive, or with "-" before their names to remove them:
    /// weight=5 down -drain
    #[arg(
        value_name = "PARAMETER",
        required = true,
        allow_hyphen_values = true,
        value_parser = ParameterChange::parse
    )]
    pub(super) changes: Vec<ParameterChange>,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// Flags of `nodes undrain` and `nodes remove`.
#[derive(Args, Debug)]
pub(super) struct KeyOptions {
    /// Key of the node, with or without the prefix
    #[arg(value_name = "KEY")]
    pub(super) key: String,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// Flags of `nodes drain`.
#[derive(Args, Debug)]
pub(super) struct DrainOptions {
    /// Key of the node, with or without the prefix
    #[arg(value_name = "KEY")]
    pub(super) key: String,

    /// Wait until the routers have no open connection to the node, for 10m or as given
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = WAIT,
        value_parser = parse_time
    )]
    pub(super) wait: Option<Duration>,

    /// Wait for this upstream of the routers only; several if the flag is repeated [default: all
    /// with the prefix]
    #[arg(long, value_name = "NAME")]
    pub(super) upstream: Vec<String>,

    #[command(flatten)]
    pub(super) routers: RouterOptions,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// A time as nginx writes it, of at most 90 days, as long as a drain may take.
fn parse_time(given: &str) -> Result<Duration, String> {
    /// Milliseconds.
    const LONGEST: u64 = 90 * 86_400_000;
    let time = milliseconds(given).filter(|&time| time <= LONGEST);
    time.map(Duration::from_millis)
        .ok_or_else(|| "a time of at most 90d is required, such as 30s or 10m".to_owned())
}
