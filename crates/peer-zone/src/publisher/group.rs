//! What the publisher knows of the peers that a request chooses among: of all of them or, if they
//! are in groups, of those of one group.

use std::sync::Arc;

use super::{options::GroupOptions, records::Listed, ring::RingState, roster::Roster};
use crate::{memory::Offset, peer_spec::identity};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Its name; empty for the group of those that have none.
    pub(super) name: Arc<str>,
    /// What it has of its own, as it was published last.
    pub(super) own: GroupOptions,
    /// The index of the word that says how connections to its peers are closed, and that which all
    /// of them name, if it is known; 0: as the upstream says.
    pub(super) closing: u8,
    pub(super) closing_of_peers: Option<u8>,
    pub(super) listed: Roster,
    pub(super) ring: RingState,
    /// The table of these peers; 0 before the first. If they are all, it is published; that of a
    /// group is, with the directory that names it.
    pub(super) table: Offset,
    /// Where its positions lie; 0: in the header of the memory.
    pub(super) positions: Offset,
    /// Peers in service, and those of them that fail their checks or have not passed one yet.
    pub(super) in_service: usize,
    pub(super) failing: usize,
    pub(super) pending: usize,
    /// Whether every peer in service fails its checks, and all are used for that reason.
    pub(super) panics: bool,
    /// Peers whose connections are limited.
    pub(super) limited: usize,
}

impl Group {
    /// A group without peers.
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { name, ..Self::default() }
    }

    /// The peer of this key and address.
    pub(super) fn find(&self, key: Option<&str>, socket_address: &[u8]) -> Option<&Listed> {
        if key.is_none() {
            let mut of_lines = self.listed.iter().take_while(|peer| peer.spec.key.is_none());
            return of_lines.find(|peer| *peer.spec.socket_address == *socket_address);
        }
        let at =
            self.listed.binary_search_by(|peer| identity(&peer.spec).cmp(&(key, socket_address)));
        at.ok().map(|at| &self.listed[at])
    }
}
