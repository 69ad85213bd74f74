//! Which keys and values are taken.

use live_map::{Full, MAX_NAME, Name, hosts, split};
use live_value::ValueError;
use thiserror::Error;
use upstream_peers::Excerpt;

/// What the directive says of keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Keys may be names of hosts with a mask.
    pub has_hostnames: bool,
    /// Values are lists of names with weights.
    pub is_split: bool,
    /// Values may have line breaks and tabs, and are overwritten when they are replaced.
    pub is_secret: bool,
    /// The longest value, in bytes.
    pub max_length: usize,
}

/// Why a key with its value is rejected. The text is one line, without the value, which may be
/// secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Reason {
    /// See [`MAX_NAME`].
    #[error("the key is too long: {0} bytes below the prefix, the maximum is {MAX_NAME}")]
    KeyTooLong(usize),
    /// The name is neither that of a host nor a mask.
    #[error(transparent)]
    Host(#[from] hosts::HostError),
    /// A key that differs in case alone comes first.
    #[error("key {0}, which differs in case alone, comes first")]
    Behind(Excerpt),
    /// The value has too many bytes.
    #[error("{0}; it can be raised by \"max_length\" up to 1m")]
    TooLong(ValueError),
    /// The value is none.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The value is no list of names with weights.
    #[error(transparent)]
    List(#[from] split::ListError),
    /// There is no room for it.
    #[error("{full}")]
    NoRoom {
        /// How much it needs.
        full: Full,
        /// How many bytes all entries need, with those that are left out.
        all: usize,
    },
}

impl Reason {
    pub(crate) fn behind(first: &[u8]) -> Self {
        Self::Behind(Excerpt::new(&String::from_utf8_lossy(first)))
    }
}

impl Rules {
    /// By which name a key is found.
    pub(crate) fn name<'k>(&self, key: &'k [u8]) -> Result<Name<'k>, Reason> {
        if self.has_hostnames {
            return Ok(hosts::parse(key)?);
        }
        Name::exact(key).ok_or(Reason::KeyTooLong(key.len()))
    }

    /// A value as variables have it: a line break at its end, as files have one, is no part of it.
    ///
    /// # Errors
    ///
    /// Where the value is rejected, whatever its key is.
    pub fn value<'v>(&self, value: &'v [u8]) -> Result<&'v [u8], Reason> {
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        if value.len() > self.max_length {
            let (length, most) = (value.len(), self.max_length);
            return Err(Reason::TooLong(ValueError::TooLong { length, most }));
        }
        let text = str::from_utf8(value).map_err(|_| ValueError::NotUtf8)?;
        // In a header, or a log, it could be the beginning of another one; a secret is for neither.
        let is_taken = |character: char| {
            !character.is_control() || (self.is_secret && matches!(character, '\n' | '\r' | '\t'))
        };
        if !text.chars().all(is_taken) {
            return Err(ValueError::ControlCharacter.into());
        }
        if self.is_split {
            split::check(value)?;
        }
        Ok(value)
    }
}
