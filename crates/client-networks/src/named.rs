//! Keys, and the networks they name.

use std::collections::BTreeMap;

use thiserror::Error;
use upstream_peers::{Allow, Excerpt};

use crate::text;

/// Bytes that a key has at most, below the prefix: as many as the key of a peer.
pub const MAX_KEY_LENGTH: usize = upstream_peers::MAX_KEY_LENGTH;

/// Bytes that a value has at most: some 200 networks.
const MAX_VALUE_LENGTH: usize = upstream_peers::MAX_VALUE_LENGTH;

/// Why a key with its value is rejected. The text is one line, and what it quotes is an [`Excerpt`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// The key has no name below the prefix.
    #[error("the key has no name below the prefix")]
    KeyEmpty,
    /// See [`MAX_KEY_LENGTH`].
    #[error("the key has {0} bytes below the prefix, more than {MAX_KEY_LENGTH}")]
    KeyTooLong(usize),
    /// The key is not text, or has a character that would disturb a line of a log.
    #[error("the key has a character that no key may have")]
    KeyCharacter,
    /// The value has too many bytes.
    #[error("the value has {0} bytes, more than {MAX_VALUE_LENGTH}")]
    ValueTooLong(usize),
    /// A word of it is no network.
    #[error(
        "{0} is no network: an address (192.0.2.7, 2001:db8::1) or a network (10.0.0.0/8, 2001:db8::/32) is needed"
    )]
    NotANetwork(Excerpt),
}

/// A key that was rejected, fit to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The key below the prefix, escaped where it is not fit to be logged.
    pub key: String,
    /// Why.
    pub error: NetworkError,
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// Whether the networks are others than before.
    pub changed: bool,
    /// What it brought that is malformed.
    pub rejected: Vec<Rejected>,
}

/// The keys of one prefix that name networks, each with the last good ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedNetworks {
    /// Words that are networks, with a space between them. A key that has never named one is here as well, as it is shown, with none: that nothing can be
    /// made of what somebody has written is not the same as that there is nothing.
    networks: BTreeMap<String, String>,
}

impl NamedNetworks {
    /// Goes on with what [`to_bytes`](Self::to_bytes) gave.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let named = text::lines(bytes).map(|(key, networks)| (key.to_owned(), networks.to_owned()));
        Self { networks: named.collect() }
    }

    /// All of them, as other processes read them.
    ///
    /// # Errors
    ///
    /// Where they take more than `limit` bytes.
    pub fn to_bytes(&self, limit: usize) -> Result<Vec<u8>, text::TooLong> {
        text::write(self.networks.iter().map(|(key, networks)| (key.as_str(), networks.as_str())), limit)
    }

    /// Those of them, in the order of their keys, that take no more than `limit` bytes.
    pub fn to_bytes_that_fit(&self, limit: usize) -> Vec<u8> {
        text::write_what_fits(
            self.networks.iter().map(|(key, networks)| (key.as_str(), networks.as_str())),
            limit,
        )
    }

    /// How many networks there are.
    pub fn count(&self) -> usize {
        self.words().count()
    }

    /// Whether there is no key, not even one that names no network.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// The networks, as they are written.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.networks.values().flat_map(|networks| networks.split(' ')).filter(|network| !network.is_empty())
    }

    /// Takes a fresh list of all keys below the prefix: what it lacks is gone, what it has malformed keeps its last good networks.
    pub fn replace<'a>(&mut self, items: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Outcome {
        let before = std::mem::take(&mut self.networks);
        let mut rejected = Vec::new();
        for (key, value) in items.into_iter().filter(|(key, value)| !is_marker(key, value)) {
            match read(key, value) {
                Ok((key, networks)) => {
                    self.networks.insert(key.to_owned(), networks);
                }
                Err(error) => {
                    let last = str::from_utf8(key).ok().and_then(|key| before.get_key_value(key));
                    let (key, networks) = last.map_or_else(
                        || (shown(key), String::new()),
                        |(key, last)| (key.clone(), last.clone()),
                    );
                    self.networks.entry(key.clone()).or_insert(networks);
                    rejected.push(Rejected { key, error });
                }
            }
        }
        Outcome { changed: self.networks != before, rejected }
    }

    /// Takes one key's new value.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Outcome {
        if is_marker(key, value) {
            return Outcome { changed: self.delete(key), rejected: Vec::new() };
        }
        match read(key, value) {
            Ok((key, networks)) => {
                let changed = self.networks.get(key) != Some(&networks);
                self.networks.insert(key.to_owned(), networks);
                Outcome { changed, rejected: Vec::new() }
            }
            Err(error) => {
                let key = shown(key);
                let changed = !self.networks.contains_key(&key);
                self.networks.entry(key.clone()).or_default();
                Outcome { changed, rejected: vec![Rejected { key, error }] }
            }
        }
    }

    /// A key is gone. Says whether anything is gone with it.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let is_read = str::from_utf8(key).is_ok_and(|key| self.networks.remove(key).is_some());
        // As one that never named a network it is here by what is shown of it.
        let shown = shown(key);
        is_read
            || self.networks.get(&shown).is_some_and(String::is_empty)
                && self.networks.remove(&shown).is_some()
    }
}

/// Others write an empty key at the prefix itself, as a sign that it exists.
fn is_marker(key: &[u8], value: &[u8]) -> bool {
    key.is_empty() && value.is_empty()
}

/// The key, and the networks that it names.
fn read<'a>(key: &'a [u8], value: &[u8]) -> Result<(&'a str, String), NetworkError> {
    if key.is_empty() {
        return Err(NetworkError::KeyEmpty);
    }
    if key.len() > MAX_KEY_LENGTH {
        return Err(NetworkError::KeyTooLong(key.len()));
    }
    let key = str::from_utf8(key).map_err(|_| NetworkError::KeyCharacter)?;
    // An excerpt escapes what is not fit for a line, and is cut at its own length.
    if key
        .chars()
        .any(|character| Excerpt::new(character.encode_utf8(&mut [0; 4])).to_string().contains('\\'))
    {
        return Err(NetworkError::KeyCharacter);
    }
    if value.len() > MAX_VALUE_LENGTH {
        return Err(NetworkError::ValueTooLong(value.len()));
    }
    let value = String::from_utf8_lossy(value);
    let mut words: Vec<&str> =
        value.split([' ', '\t', '\r', '\n', ',']).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        words.push(key);
    }
    for word in &words {
        // Clients have addresses: a unix socket's word is none of theirs.
        if *word == "unix:" || Allow::default().add(word).is_err() {
            return Err(NetworkError::NotANetwork(Excerpt::new(word)));
        }
    }
    Ok((key, words.join(" ")))
}

/// A key from outside as it may stand in a line: [`Rejected::key`].
pub fn shown(key: &[u8]) -> String {
    Excerpt::new(&String::from_utf8_lossy(key)).to_string().trim_matches('"').to_owned()
}
