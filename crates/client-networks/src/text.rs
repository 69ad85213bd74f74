//! Keys with their networks as text: a line for each key, `KEY NETWORK NETWORK…`, with a tab behind
//! the key.

/// What stands between a key and its networks. No key has it: it is a control character.
const BEHIND_KEY: char = '\t';

pub(crate) fn write<'a>(named: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (key, networks) in named {
        text.push_str(key);
        text.push(BEHIND_KEY);
        text.push_str(networks);
        text.push('\n');
    }
    text
}

pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    str::from_utf8(bytes).unwrap_or_default().lines().filter_map(split)
}

/// A line's key and its networks.
pub(crate) fn split(line: &str) -> Option<(&str, &str)> {
    line.split_once(BEHIND_KEY)
}
