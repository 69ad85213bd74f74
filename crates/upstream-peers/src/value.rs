//! One key's value, in any of the forms that are written into etcd for a server.

use std::fmt;
use std::sync::Arc;

use nginx_syntax::disturbs_a_line;
use serde_json::{Map, Value as Json};
use thiserror::Error;

use crate::address::{AddressError, SocketAddress, Target};
use crate::excerpt::Excerpt;
use crate::key_name::name_of_url;
use crate::labels::Labels;
use crate::parameters::{Overrides, ParameterError};

/// Bytes that a key has at most, below the prefix. It identifies the peer wherever that is named:
/// in logs, in variables, in shared memory. The longest host name with a port fits.
pub const MAX_KEY_LENGTH: usize = 255;

/// Bytes that a key has at most whose end is a URL, below the prefix: what stands before the query
/// is the peer's name, and has at most [`MAX_KEY_LENGTH`].
pub const MAX_URL_KEY_LENGTH: usize = 4096;

/// Bytes that a value has at most: many times what all parameters and some fields of others take.
pub const MAX_VALUE_LENGTH: usize = 4096;

/// Bytes that a value has at most whose form has several addresses or metadata.
pub const MAX_LONG_VALUE_LENGTH: usize = 65_536;

/// Addresses and host names of one key at most.
pub const MAX_SERVERS_OF_KEY: usize = 64;

/// What a key says together with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyContent<'k> {
    /// Servers, at least one and at most [`MAX_SERVERS_OF_KEY`].
    Servers {
        /// The name of their peers: the key, or a part of it.
        name: &'k str,
        /// The servers.
        values: Vec<Value>,
    },
    /// Something about the peer that the key beside it names.
    Setting {
        /// The peer's name.
        of: &'k str,
        /// Its weight, if that is what is set; all else is of no use here.
        weight: Option<u32>,
    },
}

impl KeyContent<'_> {
    /// The servers, if it says any.
    pub fn into_values(self) -> Vec<Value> {
        match self {
            Self::Servers { values, .. } => values,
            Self::Setting { .. } => Vec::new(),
        }
    }
}

/// One server of a key's value. It is printed as one would write it after `server` in nginx's
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
    /// What else is said of it.
    pub labels: Labels,
    /// Of the servers of a prefix those with a greater one than others are `backup`; 0 if nothing
    /// is said of it.
    pub priority: i64,
    /// The scheme of the endpoint, if that was chosen by it among those of a value.
    pub scheme: Option<Arc<str>>,
}

impl Value {
    /// A server of which nothing else is said.
    pub fn new(server: impl Into<String>, target: Target, overrides: Overrides) -> Self {
        let (labels, priority, scheme) = (Labels::default(), 0, None);
        Self { server: server.into(), target, overrides, labels, priority, scheme }
    }

    /// The value as the JSON object that [`parse_value`](crate::parse_value) takes, without the
    /// priority and the scheme.
    pub fn to_json(&self) -> String {
        let address = ("addr", Json::from(self.server.as_str()));
        let labels: Map<_, _> =
            self.labels.pairs().into_iter().map(|(n, v)| (n, v.into())).collect();
        let labels = (!labels.is_empty()).then_some(("labels", Json::Object(labels)));
        let fields = std::iter::once(address).chain(self.overrides.to_json()).chain(labels);
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
    #[error(
        "the key contains a control character, or one that ends a line or changes the direction of \
         text"
    )]
    KeyControlCharacter,
    /// See [`MAX_VALUE_LENGTH`] and [`MAX_LONG_VALUE_LENGTH`].
    #[error("the value is too long: {length} bytes, the maximum is {most}")]
    ValueTooLong {
        /// Its length.
        length: usize,
        /// The most for a value of its form.
        most: usize,
    },
    /// See [`MAX_SERVERS_OF_KEY`].
    #[error("the key has too many addresses: {0}, the maximum is 64")]
    TooManyServers(usize),
    /// The value is not text.
    #[error("the value is not valid UTF-8")]
    ValueNotUtf8,
    /// An empty value stands for the address in its key, and there is none.
    #[error("the value is empty, and the key does not end in HOST:PORT")]
    Empty,
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
        "the object has no \"addr\", \"Addr\" or \"host\" and is of no other known form, and the \
         key does not end in HOST:PORT"
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
    /// None of the endpoints of a value is of the kind that is wanted.
    #[error("no endpoint with scheme {wanted}: there is {found} (see \"scheme\" of \"etcd\")")]
    NoEndpoint {
        /// What is wanted.
        wanted: Excerpt,
        /// What is there.
        found: Excerpt,
    },
    /// A URL as a key of dubbo's that is not a provider's.
    #[error("{0} in the key is not the URL of a provider")]
    NotAProvider(Excerpt),
    /// gRPC's naming says that the address is not to be used.
    #[error("\"Op\" is 1: the address is marked as deleted")]
    Deleted,
}

/// Checks the number of servers of a key, before what each of them has is read.
pub(crate) fn check_count(servers: usize) -> Result<(), ValueError> {
    match servers {
        0..=MAX_SERVERS_OF_KEY => Ok(()),
        count => Err(ValueError::TooManyServers(count)),
    }
}

/// That a key can name a peer.
///
/// # Errors
///
/// [`ValueError`] says why it cannot.
pub fn check_key(key: &str) -> Result<(), ValueError> {
    if key.is_empty() {
        return Err(ValueError::KeyEmpty);
    }
    let is_long_url = || {
        key.len() <= MAX_URL_KEY_LENGTH
            && name_of_url(key).is_some_and(|name| name.len() <= MAX_KEY_LENGTH)
    };
    if key.len() > MAX_KEY_LENGTH && !is_long_url() {
        return Err(ValueError::KeyTooLong(key.len()));
    }
    // Nearly all keys are of letters that disturb nothing, which shows without decoding them.
    let is_plain = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_plain && key.contains(disturbs_a_line) {
        return Err(ValueError::KeyControlCharacter);
    }
    Ok(())
}
