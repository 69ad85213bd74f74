//! A peer as it is to be published, and what tells it from others.

use core::cmp::Ordering;
use std::sync::Arc;

use crate::layout::Parameters;

/// A peer as the publisher is to write it. Key and address together identify it: a key with another
/// address is another peer.
///
/// If the same peers are published again, the lists should share these strings, so that they need
/// not be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSpec {
    /// The key below the prefix; `None` for a peer of an ordinary `server` line. At most 65 535
    /// bytes.
    pub key: Option<Arc<str>>,
    /// The address as a `sockaddr` of the operating system: at most 65 535 bytes, as for the texts
    /// below.
    pub socket_address: Arc<[u8]>,
    /// The address as nginx writes it: `10.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`.
    pub name: Arc<str>,
    /// The server's text as it was written, by which consistent hashing goes; often the name.
    pub server: Arc<str>,
    /// Weight, limits and flags, as in nginx's `server`.
    pub parameters: Parameters,
    /// The id by which the cookie of `etcd_sticky` names it; 0 if cookies are not used.
    pub sticky: u64,
    /// The name by which nginx's own `sticky` knows it; `None` where that is made of its address.
    pub route: Option<Arc<str>>,
    /// What else is said of it, as a JSON object, for the status and for the publisher that takes
    /// over: at most 65 535 bytes.
    pub labels: Option<Arc<str>>,
    /// Where it comes from, for the publisher that takes over: a text that is not empty, of at most
    /// 65 535 bytes.
    pub source: Option<Arc<str>>,
    /// The group that it is in; `None` if it is in none, or peers are in no groups. A name that is
    /// empty is none.
    pub group: Option<Arc<str>>,
    /// etcd's revision at which the key was created; 0 where that is not known.
    pub create_revision: u64,
    /// When it joined, in milliseconds of the monotonic clock; 0: long ago. `slow_start` counts
    /// from there.
    pub joined: u64,
}

/// The order of a publisher's list: peers of `server` lines as they were given, but those with
/// `backup` last, as in a table, so that a successor that reads the table finds the same order;
/// then the others by key and address.
pub(crate) fn order(one: &PeerSpec, other: &PeerSpec) -> Ordering {
    match (&one.key, &other.key) {
        (None, None) => one.parameters.backup.cmp(&other.parameters.backup),
        _ => identity(one).cmp(&identity(other)),
    }
}

/// Puts them in [`order`]. Of several with the same key and address the first stays: they are one
/// peer.
pub(crate) fn normalize(peers: &mut Vec<Arc<PeerSpec>>) {
    peers.sort_by(|one, other| order(one, other));
    peers.dedup_by(|later, first| first.key.is_some() && is_same(later, first));
}

/// What tells one peer from another.
pub(crate) fn identity(peer: &PeerSpec) -> (Option<&str>, &[u8]) {
    (peer.key.as_deref(), &peer.socket_address)
}

/// Whether two are the same peer. Those of two lists that share their strings need no comparison of
/// bytes.
pub(crate) fn is_same(one: &PeerSpec, other: &PeerSpec) -> bool {
    let is_shared = match (&one.key, &other.key) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    };
    is_shared && Arc::ptr_eq(&one.socket_address, &other.socket_address)
        || identity(one) == identity(other)
}
