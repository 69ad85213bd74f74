//! A peer.

use std::sync::Arc;

use crate::address::SocketAddress;
use crate::labels::Labels;
use crate::own_parameters::OwnParameters;
use crate::parameters::Parameters;
use crate::source::Source;

/// A peer of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name: the key below the prefix, or a part of it (see [`Source::key`]). A value with
    /// several servers, or a host name with several addresses, makes several peers of one name.
    pub key: Arc<str>,
    /// Where it listens.
    pub address: SocketAddress,
    /// The server as its value has it: see [`Value::server`](crate::Value::server). All addresses
    /// of a host name have the same.
    pub server: Arc<str>,
    /// Its parameters, those that its value does not set taken from the defaults.
    pub parameters: Parameters,
    /// Which of these its value sets.
    pub own: OwnParameters,
    /// Its `route`, if its value sets one.
    pub route: Option<Arc<str>>,
    /// What else its value says of it.
    pub labels: Labels,
    /// The revision at which etcd made the key; 0 where that is not known.
    pub create_revision: i64,
    /// Where it comes from.
    pub source: Source,
}
