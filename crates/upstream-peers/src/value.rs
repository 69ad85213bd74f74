//! One key's value, in any of the forms that are written into etcd for a server.

use std::fmt;

use serde_json::Value as Json;
use thiserror::Error;

use crate::address::{AddressError, SocketAddress, Target};
use crate::excerpt::{Excerpt, disturbs_a_line};
use crate::parameters::{Overrides, ParameterError};

/// Bytes that a key has at most, below the prefix. It identifies the peer wherever that is named:
/// in logs, in variables, in shared memory. The longest host name with a port fits.
pub const MAX_KEY_LENGTH: usize = 255;

/// Bytes that a value has at most: many times what all parameters and some fields of others take.
pub const MAX_VALUE_LENGTH: usize = 4096;

/// What a key's value says. It is printed as one would write it after `server` in nginx's
/// configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The server as it is written: what nginx hashes, so that `10.0.0.7` and `10.0.0.7:80` are not
    /// the same to it. Where host and port are fields of their own, it is what one would write for
    /// them.
    pub server: String,
    /// Where the peer listens, as [`server`](Self::server) says.
    pub target: Target,
    /// The parameters that are set.
    pub overrides: Overrides,
}

impl Value {
    /// The value as the JSON object that [`parse_value`](crate::parse_value) takes.
    pub fn to_json(&self) -> String {
        let address = ("addr", Json::from(self.server.as_str()));
        let fields = std::iter::once(address).chain(self.overrides.to_json());
        Json::Object(fields.map(|(name, value)| (name.to_owned(), value)).collect()).to_string()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.server, self.overrides)
    }
}

/// Why a key with its value is rejected. The text is one line, and what it quotes is an
/// [`Excerpt`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    /// The key is the prefix itself.
    #[error("the key has no name below the prefix")]
    KeyEmpty,
    /// See [`MAX_KEY_LENGTH`].
    #[error("the key is too long: {0} bytes below the prefix, the maximum is 255")]
    KeyTooLong(usize),
    /// The key is not text.
    #[error("the key is not valid UTF-8")]
    KeyNotUtf8,
    /// The key could not be put into a log or a header as it is: it has a control character, one
    /// that ends a line, or one that turns the direction of writing.
    #[error("the key contains a control character")]
    KeyControlCharacter,
    /// See [`MAX_VALUE_LENGTH`].
    #[error("the value is too long: {0} bytes, the maximum is 4096")]
    ValueTooLong(usize),
    /// The value is not text.
    #[error("the value is not valid UTF-8")]
    ValueNotUtf8,
    /// An empty value stands for the address in its key, and there is none.
    #[error("the value is empty, and the key does not end in HOST:PORT")]
    Empty,
    /// Words that are no server: the first could only be a host's name, and another one is no
    /// parameter.
    #[error("no address: {first} has no port, and {word} is not a parameter")]
    NoServer {
        /// The first word.
        first: Excerpt,
        /// The word that is no parameter.
        word: Excerpt,
    },
    /// The address is malformed.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A parameter is malformed.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// It begins as a JSON object does, and is none. The text is the JSON parser's, which says
    /// where.
    #[error("invalid JSON: {0}")]
    Json(String),
    /// No known form has these fields.
    #[error(
        "the object has no \"addr\", \"Addr\" or \"host\", and the key does not end in HOST:PORT"
    )]
    NoAddress,
    /// A field that should not be there, in the form that has `addr`.
    #[error("unknown field {0}")]
    UnknownField(Excerpt),
    /// A field of a wrong type, or outside of its range.
    #[error("invalid \"{field}\" {value}: it must be {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value.
        value: Excerpt,
        /// What it may be.
        expected: &'static str,
    },
    /// The peer would be where none may be: see [`Allow`](crate::Allow).
    #[error("the address {0} is outside of \"etcd_allow\"")]
    NotAllowed(SocketAddress),
    /// gRPC's naming says that the address is not to be used.
    #[error("\"Op\" is 1: the address is marked as deleted")]
    Deleted,
}

pub(crate) fn check_key(key: &str) -> Result<(), ValueError> {
    if key.is_empty() {
        return Err(ValueError::KeyEmpty);
    }
    if key.len() > MAX_KEY_LENGTH {
        return Err(ValueError::KeyTooLong(key.len()));
    }
    if key.contains(disturbs_a_line) {
        return Err(ValueError::KeyControlCharacter);
    }
    Ok(())
}

/// The address in the key's last path segment, as written and as read. It must have its port:
/// otherwise nearly any key could be taken for a host name.
pub(crate) fn address_in_key(key: &str) -> Option<(&str, Target)> {
    let server = key.rsplit('/').next()?;
    Some((server, Target::parse_with_port(server)?))
}
