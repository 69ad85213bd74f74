//! The first line, which says what the file is, and by which damage is found.

use crate::error::StateError;

/// What a file is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// What the line begins with.
    magic: &'static str,
    /// Counted up where a reader of the version before could not read what follows.
    version: u32,
    /// What it is of, for messages.
    of: &'static str,
}

/// A file of an upstream's peers.
pub(crate) const PEERS: Form = Form { magic: "etcd-upstream-peers", version: 2, of: "peers" };

/// A file of a map's entries.
pub(crate) const MAP: Form = Form { magic: "etcd-map", version: 1, of: "a map" };

/// No such line, of whatever version, is longer, in bytes.
const MAX_LENGTH: usize = 128;

impl Form {
    /// Builds the line for `rest`, with the line feed at its end.
    ///
    /// The checksum is a CRC-32, since what it is there for is damage, not malice: who may write
    /// the file may write a checksum as well. It finds every change of up to 32 bits in a row, and
    /// so every single one, at the speed of the memory.
    pub(crate) fn build(self, rest: &[u8]) -> String {
        let Self { magic, version, .. } = self;
        let mut hasher = crc32fast::Hasher::new();
        // So that no version is taken for another one.
        hasher.update(version.to_string().as_bytes());
        hasher.update(rest);
        format!("{magic} {version} crc32={:08x} bytes={}\n", hasher.finalize(), rest.len())
    }

    /// Checks the first line against what follows it, which it returns.
    pub(crate) fn check(self, bytes: &[u8]) -> Result<&[u8], StateError> {
        if bytes.is_empty() {
            return Err(StateError::Empty);
        }
        let end = bytes.iter().take(MAX_LENGTH).position(|&byte| byte == b'\n');
        let (line, rest) = match end {
            Some(end) => bytes.split_at(end + 1),
            // Cut within the line, or none of ours.
            None => (bytes, &[][..]),
        };
        let words = str::from_utf8(line).ok().map(|line| line.trim_end_matches('\n').split(' '));
        let mut words = words.ok_or(StateError::NotState(self.of))?;
        let magic = words.next().unwrap_or_default();
        if magic != self.magic {
            // A part of the word is what is left of a file that was cut there.
            let is_cut = end.is_none() && self.magic.starts_with(magic);
            return Err(if is_cut { StateError::Truncated } else { StateError::NotState(self.of) });
        }
        if end.is_none() {
            return Err(StateError::Truncated);
        }
        let version: u32 =
            words.next().and_then(|word| word.parse().ok()).ok_or(StateError::FirstLine)?;
        if version != self.version {
            return Err(StateError::Version(version));
        }
        // The line as a whole is compared, so that no other way to write the same numbers passes
        // for it.
        if line == self.build(rest).as_bytes() {
            return Ok(rest);
        }
        let length = words.find_map(|word| word.strip_prefix("bytes=")?.parse::<usize>().ok());
        Err(match length {
            Some(length) if length > rest.len() => StateError::Truncated,
            Some(length) if length < rest.len() => StateError::TooMuch,
            Some(_) => StateError::Checksum,
            None => StateError::FirstLine,
        })
    }
}
