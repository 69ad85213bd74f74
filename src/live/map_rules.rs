//! Which keys and values an `etcd_map` takes.

use etcd_watch::Limits;
use live_map::{MAX_NAME, Name, hosts, split, words_for};
use live_value::ValueError;

use crate::{config::MapConf, zones::memory::holding};

/// What a directive says of its keys and values.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    has_hostnames: bool,
    is_split: bool,
    /// See [`MapConf::is_secret`].
    pub(super) is_secret: bool,
    max_length: usize,
    zone_size: usize,
}

impl Rules {
    pub(super) fn of(conf: &MapConf) -> Self {
        Self {
            has_hostnames: conf.has_hostnames,
            is_split: conf.split.is_some(),
            is_secret: conf.is_secret,
            max_length: conf.max_length,
            zone_size: conf.zone_size,
        }
    }

    /// How much of a prefix is taken: more than the zone has room for, so that what does not fit is
    /// known by its key.
    pub(super) fn limits(&self) -> Limits {
        /// The fewest keys that are refused together: as for networks.
        const KEYS: usize = 200_000;
        /// The same in bytes.
        const BYTES: usize = 64 << 20;
        /// Bytes of a zone that a key takes at least.
        const KEY: usize = 32;
        Limits {
            keys: KEYS.max(self.zone_size / KEY),
            bytes: BYTES.max(self.zone_size.saturating_mul(2)),
            remedy: "delete keys that are not needed, or increase \"zone\"",
        }
    }

    /// By which name a key is found.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) fn name<'k>(&self, key: &'k [u8]) -> Result<Name<'k>, String> {
        if self.has_hostnames {
            return hosts::parse(key).map_err(|error| error.to_string());
        }
        Name::exact(key).ok_or_else(|| {
            format!("the name is too long: {} bytes, the maximum is {MAX_NAME}", key.len())
        })
    }

    /// A value as variables have it: a line break at its end, as files have one, is no part of it.
    ///
    /// # Errors
    ///
    /// Why it is none, without the value.
    pub(super) fn value<'v>(&self, value: &'v [u8]) -> Result<&'v [u8], String> {
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        if value.len() > self.max_length {
            let error = ValueError::TooLong { length: value.len(), most: self.max_length };
            return Err(format!("{error}; it can be raised by \"max_length\" up to 1m"));
        }
        let text = str::from_utf8(value).map_err(|_| ValueError::NotUtf8.to_string())?;
        // In a header, or a log, it could be the beginning of another one; a secret is for neither.
        let is_taken = |character: char| {
            !character.is_control() || (self.is_secret && matches!(character, '\n' | '\r' | '\t'))
        };
        if !text.chars().all(is_taken) {
            return Err(ValueError::ControlCharacter.to_string());
        }
        if self.is_split {
            split::check(value).map_err(|error| error.to_string())?;
        }
        Ok(value)
    }

    /// The size of a zone, as it is written, that has room for entries of so many bytes in all.
    pub(super) fn zone_for(&self, bytes: usize) -> String {
        /// Room between entries that none fits into: a sixteenth.
        const GAPS: usize = 16;
        /// nginx keeps 24 bytes for each page of a zone: less than this part of it.
        const LIST_OF_PAGES: usize = 128;
        let words = words_for(bytes + bytes / GAPS) * size_of::<u64>();
        // Where gaps are all that is left, the present size would do by this count.
        let size = holding(words + words / LIST_OF_PAGES).max(self.zone_size + self.zone_size / 8);
        match (size.div_ceil(1 << 10), size.div_ceil(1 << 20)) {
            (kilobytes, ..=1) => format!("{kilobytes}k"),
            (_, megabytes) => format!("{megabytes}m"),
        }
    }
}
