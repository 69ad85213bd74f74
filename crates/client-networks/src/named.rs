//! Keys, and the networks they name.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::AtomicU64,
};

use ipnet::IpNet;
use thiserror::Error;
use upstream_peers::Excerpt;

use crate::{
    ranges::{Ranges, network},
    table::{self, HEAD, V4, V6, WORD},
    text,
};

/// Bytes that a key has at most, below the prefix: as many as the key of a peer.
pub const MAX_KEY_LENGTH: usize = upstream_peers::MAX_KEY_LENGTH;

/// Bytes that a value has at most: what etcd itself takes in a request where nobody says otherwise
/// is half as much again.
pub const MAX_VALUE_LENGTH: usize = 1 << 20;

/// Why a key with its value is rejected. The text is one line, and what it quotes is an
/// [`Excerpt`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// The key has no name below the prefix.
    #[error("the key has no name below the prefix")]
    KeyEmpty,
    /// See [`MAX_KEY_LENGTH`].
    #[error("the key is too long: {0} bytes below the prefix, the maximum is {MAX_KEY_LENGTH}")]
    KeyTooLong(usize),
    /// The key is not text, or has a character that would disturb a line of a log.
    #[error("the key contains an invalid character")]
    KeyCharacter,
    /// The value has too many bytes.
    #[error("the value is too long: {0} bytes, the maximum is {MAX_VALUE_LENGTH}")]
    ValueTooLong(usize),
    /// A word of it is no network.
    #[error(
        "{0} is not a network: it must be an address (192.0.2.7, 2001:db8::1) or a network \
         (10.0.0.0/8, 2001:db8::/32)"
    )]
    NotANetwork(Excerpt),
    /// There is no room for its networks beside those that are there.
    #[error("no space for its networks: {needed} bytes are needed, {left} are left")]
    NoRoom {
        /// The bytes that they take.
        needed: usize,
        /// Those that are left.
        left: usize,
    },
}

/// A key that was rejected, fit to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The key below the prefix, escaped where it is not fit to be logged.
    pub key: String,
    /// Why it was rejected.
    pub error: NetworkError,
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct NetworksUpdate {
    /// Whether the networks differ from those before.
    pub changed: bool,
    /// The keys that were rejected.
    pub rejected: Vec<Rejected>,
}

/// Text that is no list of keys with their networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("line {line} is not a key with networks")]
pub struct TextError {
    /// The number of the line, from 1.
    pub line: usize,
}

/// How names begin that stand for keys which are not fit to stand in a line: as no such key does.
const STAND_IN: char = '\u{1}';

/// The keys of one prefix that name networks, each with the last good ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedNetworks {
    /// Words that are networks, with a space between them. A key that has never named one is here
    /// as well, with none: that nothing can be made of what somebody has written is not the same as
    /// that there is nothing.
    networks: BTreeMap<String, String>,
    /// Bytes that they take in a table, at most.
    used: usize,
    /// Bytes that they may take; `None` where it is for nobody to say.
    room: Option<usize>,
    /// Whether something was left out for want of room.
    is_short: bool,
}

impl NamedNetworks {
    /// No networks yet, for a table of at most `words` words of 8 bytes.
    pub fn with_room(words: usize) -> Self {
        Self { room: Some(words.saturating_sub(HEAD + 1) * WORD), ..Self::default() }
    }

    /// Goes on with those of a table that has been published.
    pub fn go_on(&mut self, table: &[AtomicU64]) {
        self.go_on_with(&table::text(table));
    }

    /// Goes on with what [`to_bytes`](Self::to_bytes) gave.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut named = Self::default();
        named.go_on_with(bytes);
        named
    }

    /// Goes on with what [`to_bytes`](Self::to_bytes) gave.
    pub fn go_on_with(&mut self, bytes: &[u8]) {
        for (key, networks) in text::lines(bytes) {
            // It was taken before, and for want of room its networks are left out.
            let _ = self.set(key.to_owned(), networks.to_owned());
        }
    }

    /// Those of text that [`to_bytes`](Self::to_bytes) gave, which may have been damaged since:
    /// what cannot be read could have been what keeps others out.
    ///
    /// # Errors
    ///
    /// Where a line is no key with its networks.
    pub fn read(&mut self, text: &str) -> Result<(), TextError> {
        for (index, line) in text.lines().enumerate() {
            let is_one = |(key, networks): (&str, &str)| {
                (is_good(key) || is_stand_in(key))
                    && networks
                        .split(' ')
                        .all(|word| networks.is_empty() || network(word).is_some())
            };
            if !text::split(line).is_some_and(is_one) {
                return Err(TextError { line: index + 1 });
            }
        }
        self.go_on_with(text.as_bytes());
        Ok(())
    }

    /// All of them as text, of any length.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_text().into_bytes()
    }

    fn to_text(&self) -> String {
        text::write(self.networks.iter().map(|(key, networks)| (key.as_str(), networks.as_str())))
    }

    /// All of them as a table, which is no longer than there is room.
    pub fn to_table(&self) -> Vec<u64> {
        table::encode(&self.to_ranges(), self.count(), self.to_text().as_bytes())
    }

    /// Their addresses.
    pub fn to_ranges(&self) -> Ranges {
        Ranges::of(self.words())
    }

    /// How many networks there are.
    pub fn count(&self) -> usize {
        self.words().count()
    }

    /// Whether there is no key, not even one that names no network.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.is_short
    }

    /// Whether keys whose networks were left out for want of room could have them now, or some of
    /// them: a fresh list tells.
    pub fn has_room_again(&self) -> bool {
        /// A part of the room that is worth a list: an eighth.
        const PART: usize = 8;
        self.is_short && self.room.is_some_and(|room| room.saturating_sub(self.used) > room / PART)
    }

    /// The networks, as they are written.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.networks
            .values()
            .flat_map(|networks| networks.split(' '))
            .filter(|word| !word.is_empty())
    }

    /// Takes a fresh list of all keys below the prefix: what it lacks is gone, what it has
    /// malformed keeps its last good networks. Where there is no room for all, keys that are there
    /// come before new ones.
    pub fn replace<'a>(
        &mut self,
        items: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> NetworksUpdate {
        let before = std::mem::replace(self, Self { room: self.room, ..Self::default() });
        let (mut known, mut new) = (Vec::new(), Vec::new());
        for (key, value) in items {
            // What is there has its place, whatever its value is now.
            match before.networks.get_key_value(&name(key)) {
                Some((name, networks)) => {
                    let _ = self.set(name.clone(), networks.clone());
                    known.push((key, value));
                }
                None => new.push((key, value)),
            }
        }
        let items = known.into_iter().chain(new);
        let rejected = items.flat_map(|(key, value)| self.put(key, value).rejected).collect();
        let changed = self.networks != before.networks || self.is_short != before.is_short;
        NetworksUpdate { changed, rejected }
    }

    /// Takes one key's new value.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> NetworksUpdate {
        let before = (self.networks.len(), self.is_short);
        let result = read(key, value).and_then(|(key, networks)| {
            let changed = self.networks.get(key) != Some(&networks);
            self.set(key.to_owned(), networks).map(|()| changed)
        });
        let error = match result {
            Ok(changed) => return NetworksUpdate { changed, rejected: Vec::new() },
            Err(error) => error,
        };
        // It is there, though nobody knows what it says.
        let name = name(key);
        if !self.networks.contains_key(&name) {
            let _ = self.set(name, String::new());
        }
        let changed = before != (self.networks.len(), self.is_short);
        NetworksUpdate { changed, rejected: vec![Rejected { key: shown(key), error }] }
    }

    /// A key is gone. Says whether anything is gone with it.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let name = name(key);
        let Some(networks) = self.networks.remove(&name) else { return false };
        self.used -= cost(&name, &networks);
        true
    }

    /// Sets a key's networks, if there is room: otherwise what it had stays.
    fn set(&mut self, name: String, networks: String) -> Result<(), NetworkError> {
        let before = self.networks.get(&name).map_or(0, |networks| cost(&name, networks));
        let needed = cost(&name, &networks);
        let left = self.room.map(|room| room.saturating_sub(self.used - before));
        if let Some(left) = left.filter(|&left| needed > left) {
            self.is_short = true;
            return Err(NetworkError::NoRoom { needed, left });
        }
        self.used = self.used - before + needed;
        self.networks.insert(name, networks);
        Ok(())
    }
}

/// Bytes that a key takes in a table, at most: as text and, each network, as a range.
fn cost(name: &str, networks: &str) -> usize {
    let ranges = networks.split(' ').filter_map(network).map(|network| match network {
        IpNet::V4(_) => V4 * WORD,
        IpNet::V6(_) => V6 * WORD,
    });
    // A tab and a line's end.
    name.len() + networks.len() + 2 + ranges.sum::<usize>()
}

/// Whether it is a [`name`] of a key that is not fit to stand in a line.
fn is_stand_in(name: &str) -> bool {
    name.strip_prefix(STAND_IN)
        .is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// By which name a key is known: itself, or where it is not fit to stand in a line something that
/// no other key is.
fn name(key: &[u8]) -> String {
    match str::from_utf8(key) {
        Ok(text) if is_good(text) => text.to_owned(),
        _ => {
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            format!("{STAND_IN}{:016x}", hasher.finish())
        }
    }
}

/// Whether a key is fit to stand in a line.
fn is_good(key: &str) -> bool {
    // An excerpt escapes what is not fit for a line, and is cut at its own length. Most keys have
    // nothing that would have to be looked at that way.
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "/.-_:".contains(character);
    !key.is_empty()
        && key.len() <= MAX_KEY_LENGTH
        && !key.chars().filter(|&character| !is_plain(character)).any(|character| {
            Excerpt::new(character.encode_utf8(&mut [0; 4])).to_string().contains('\\')
        })
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
    if !is_good(key) {
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
        if network(word).is_none() {
            return Err(NetworkError::NotANetwork(Excerpt::new(word)));
        }
    }
    Ok((key, words.join(" ")))
}

/// A key from outside as it may stand in a line: [`Rejected::key`].
pub fn shown(key: &[u8]) -> String {
    Excerpt::new(&String::from_utf8_lossy(key)).to_string().trim_matches('"').to_owned()
}
