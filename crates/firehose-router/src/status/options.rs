//! The flags of `status`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::{
    number_flag,
    routers::RouterOptions,
    terminal::{ColorWhen, Palette},
};

/// Flags of `status`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StatusOptions {
    #[command(flatten)]
    pub(super) routers: RouterOptions,

    /// Only this upstream; several if the flag is repeated
    #[arg(long, value_name = "NAME")]
    pub(super) upstream: Vec<String>,

    /// Only peers with this key, with or without the prefix; "" are those of "server" lines;
    /// several if the flag is repeated
    #[arg(long, value_name = "KEY")]
    pub(super) peer: Vec<String>,

    /// Peers in the table: "some" are the first 20, those that do not serve before others
    #[arg(long, value_enum, value_name = "WHICH", default_value = "some")]
    pub(super) peers: PeersShown,

    /// Number of changes of each upstream, the last first; 0 to 50
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 5,
        value_parser = number_flag::within(0_u32..=50)
    )]
    pub(super) changes: u32,

    /// Read and show it again and again, every 2 seconds or as given; requests and times are those
    /// of the interval
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = parse_seconds
    )]
    pub(super) watch: Option<Duration>,

    /// Print the document as the router sends it; with several routers, an object with one for each
    /// URL
    #[arg(long, conflicts_with = "watch")]
    pub(super) json: bool,

    /// When to use colors: "auto" if the output is a terminal and NO_COLOR is not set
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorWhen,
}

/// Which peers are in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PeersShown {
    /// The first 20, those that do not serve before others
    Some,
    /// All
    All,
    /// None: for fleets, since the router then does not list them
    None,
}

fn parse_seconds(given: &str) -> Result<Duration, String> {
    number_flag::within(1_u64..=3600)(given).map(Duration::from_secs)
}

/// How it is shown.
pub(super) struct StatusView {
    pub(super) palette: Palette,
    pub(super) peers: PeersShown,
    pub(super) changes: usize,
    /// Whether only peers with certain keys are meant.
    pub(super) is_partial: bool,
}

impl StatusView {
    pub(super) fn new(options: &StatusOptions) -> Self {
        Self {
            palette: Palette::new(options.color),
            peers: options.peers,
            changes: options.changes as usize,
            is_partial: !options.peer.is_empty(),
        }
    }
}
