//! The flags of `routes`.

use clap::{Args, Subcommand};
use map_keys::Rules;
use nginx_syntax::size;

use super::target::TargetOptions;
use crate::keys::parse_prefix;

/// The greatest `max_length` of the directive, in bytes.
pub(super) const MAX_LENGTH: u64 = 1 << 20;

/// What is to be done with the keys.
#[derive(Args, Debug)]
pub(crate) struct RoutesOptions {
    #[command(subcommand)]
    pub(super) task: RoutesTask,
}

#[derive(Debug, Subcommand)]
pub(super) enum RoutesTask {
    /// List the keys, with what the router makes of their values.
    List(Box<ListOptions>),
    /// Write a key: a new one, or another value of one that exists.
    ///
    /// A key that exists keeps its lease.
    Set(Box<SetOptions>),
    /// Remove a key.
    Remove(Box<RemoveOptions>),
}

/// Flags that say what the directive takes.
#[derive(Args, Debug)]
pub(super) struct MapOptions {
    /// Names are those of hosts, or masks of them: the directive has "hostnames"
    #[arg(long)]
    hostnames: bool,

    /// Values are lists of names with weights: the directive has "split"
    #[arg(long)]
    split: bool,

    /// Length of the longest value, as in the directive
    #[arg(long, value_name = "SIZE", default_value = "4k", value_parser = parse_length)]
    max_length: usize,
}

/// Flags of `routes list`.
#[derive(Args, Debug)]
pub(super) struct ListOptions {
    /// Print JSON: a list with an object for each key
    #[arg(long)]
    pub(super) json: bool,

    /// Prefix of the keys of nodes, by services: show how many nodes each service has
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix, conflicts_with = "secret")]
    pub(super) services: Option<String>,

    #[command(flatten)]
    pub(super) map: MapOptions,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// Flags of `routes set`.
#[derive(Args, Debug)]
pub(super) struct SetOptions {
    /// Name of the key, with or without the prefix: shop.example.com
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// Value: web, or 'web-v1 90, web-v2 10'; "-" reads it from standard input
    #[arg(value_name = "VALUE", required = true)]
    pub(super) value: Vec<String>,

    /// Change nothing if the key exists with another value
    #[arg(long)]
    pub(super) if_absent: bool,

    /// Prefix of the keys of nodes, by services: say which services of the value have no node
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix, conflicts_with = "secret")]
    pub(super) services: Option<String>,

    #[command(flatten)]
    pub(super) map: MapOptions,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

/// Flags of `routes remove`.
#[derive(Args, Debug)]
pub(super) struct RemoveOptions {
    /// Name of the key, with or without the prefix
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    #[command(flatten)]
    pub(super) target: TargetOptions,
}

impl MapOptions {
    /// What the directive says of keys and values.
    pub(super) fn rules(&self, is_secret: bool) -> Rules {
        Rules {
            has_hostnames: self.hostnames,
            is_split: self.split,
            is_secret,
            max_length: self.max_length,
        }
    }
}

/// A size as nginx writes it.
fn parse_length(given: &str) -> Result<usize, String> {
    let size = size(given).filter(|size| (1..=MAX_LENGTH).contains(size));
    size.and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| "a size from 1 to 1m is required, such as 512 or 16k".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse_length;

    #[test]
    fn lengths_are_sizes_up_to_a_mebibyte() {
        assert_eq!((parse_length("16k"), parse_length("1m")), (Ok(16_384), Ok(1_048_576)));
        assert!(["", "0", "2m", "-1", "4kb"].iter().all(|given| parse_length(given).is_err()));
    }
}
