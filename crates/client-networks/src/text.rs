//! Networks as one text, that processes share: a line for each key, `KEY NETWORK NETWORK…`, with a tab behind the key.

use std::net::IpAddr;

use thiserror::Error;
use upstream_peers::Allow;

/// The networks take too much room.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the networks take {needed} bytes with their keys, more than {limit}")]
pub struct TooLong {
    /// The bytes that they take.
    pub needed: usize,
    /// Those that there are.
    pub limit: usize,
}

/// What stands between a key and its networks. No key has it: it is a control character.
const BEHIND_KEY: char = '\t';

pub(crate) fn write<'a>(
    named: impl Iterator<Item = (&'a str, &'a str)>,
    limit: usize,
) -> Result<Vec<u8>, TooLong> {
    let text: String = named.map(line).collect();
    if text.len() > limit {
        return Err(TooLong { needed: text.len(), limit });
    }
    Ok(text.into_bytes())
}

pub(crate) fn write_what_fits<'a>(named: impl Iterator<Item = (&'a str, &'a str)>, limit: usize) -> Vec<u8> {
    let mut text = String::new();
    for line in named.map(line) {
        if text.len() + line.len() > limit {
            break;
        }
        text.push_str(&line);
    }
    text.into_bytes()
}

fn line((key, networks): (&str, &str)) -> String {
    format!("{key}{BEHIND_KEY}{networks}\n")
}

pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    str::from_utf8(bytes).unwrap_or_default().lines().filter_map(|line| line.split_once(BEHIND_KEY))
}

/// Says which clients the networks of such a text hold; `None` where there is no key. Keys that name no network hold nobody.
pub fn allowed(bytes: &[u8]) -> Option<impl Fn(IpAddr) -> bool + use<>> {
    let mut allow = Allow::default();
    let mut has_keys = false;
    for (_, networks) in lines(bytes) {
        has_keys = true;
        for network in networks.split(' ').filter(|network| !network.is_empty()) {
            // Nothing else is written.
            let _ = allow.add(network);
        }
    }
    has_keys.then_some(move |address| allow.is_restricted() && allow.permits_ip(address))
}
