//! What the publisher knows of each peer, table and report in the memory.

use std::sync::Arc;

use super::placed::HasPlace;
use crate::{layout::ProcessEntry, memory::Offset, peer_spec::PeerSpec};

/// A peer that the current table gives requests to.
///
/// All of them are walked for each table that is written: what a table has of each is here, beside
/// the peer, and not behind a pointer.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) spec: Arc<PeerSpec>,
    pub(super) place: Offset,
    /// Its entry's place.
    pub(super) entry: Offset,
    pub(super) weight: u32,
    pub(super) is_backup: bool,
    pub(super) is_in_service: bool,
    /// It has neither `max_conns` nor `slow_start`.
    pub(super) is_plain: bool,
}

impl Listed {
    pub(super) fn new(spec: Arc<PeerSpec>, place: Offset, entry: Offset) -> Self {
        let parameters = &spec.parameters;
        let (weight, is_backup) = (parameters.weight, parameters.backup);
        let is_in_service = parameters.is_in_service();
        let is_plain = parameters.max_conns == 0 && parameters.slow_start == 0;
        Self { spec, place, entry, weight, is_backup, is_in_service, is_plain }
    }

    /// The weight by which round robin goes: none if it is out of service.
    pub(super) fn weight_in_turn(&self) -> u32 {
        if self.is_in_service { self.weight } else { 0 }
    }

    /// Whether its connections are limited.
    pub(super) fn is_limited(&self) -> bool {
        self.spec.parameters.max_conns != 0
    }

    /// Whether it has points in the ring of consistent hashing.
    pub(super) fn has_points(&self) -> bool {
        !self.is_backup && self.weight > 0
    }
}

impl HasPlace for Listed {
    fn spec(&self) -> &PeerSpec {
        &self.spec
    }

    fn place(&self) -> Offset {
        self.place
    }
}

/// A peer that it does not, but lists for the connections that are still open.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) spec: Arc<PeerSpec>,
    pub(super) place: Offset,
    /// Its entry's place.
    pub(super) entry: Offset,
    /// The first publication that did not give it requests.
    pub(super) since: u64,
}

impl Removed {
    pub(super) fn new(listed: Listed, since: u64) -> Self {
        let Listed { spec, place, entry, .. } = listed;
        Self { spec, place, entry, since }
    }
}

impl HasPlace for Removed {
    fn spec(&self) -> &PeerSpec {
        &self.spec
    }

    fn place(&self) -> Offset {
        self.place
    }
}

/// A table or a report that was published once and may still be read.
#[derive(Debug)]
pub(super) struct Outdated {
    pub(super) place: Offset,
    pub(super) units: u32,
    /// The publication that took its place.
    pub(super) until: u64,
    /// Whether its memory comes back with it; that of tables which a publisher has found is among
    /// the [`Unused`].
    pub(super) is_owned: bool,
}

impl Outdated {
    /// Whether this worker may be reading it. Any place within counts: see
    /// `Publisher::find_pinned`.
    pub(super) fn is_under(&self, process_entry: &ProcessEntry) -> bool {
        let extent = self.place.0..self.place.0 + self.units;
        extent.contains(&process_entry.table.place())
            || extent.contains(&process_entry.report.place())
    }
}

/// Memory that no table names but perhaps a pinned one: of an entry in whose place there is
/// another, or of what was found pinned.
#[derive(Debug)]
pub(super) struct Unused {
    pub(super) place: Offset,
    pub(super) units: u32,
    /// The first publication without it.
    pub(super) since: u64,
}
