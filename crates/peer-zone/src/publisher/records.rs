//! What the publisher knows of each peer, table and report in the memory.

use crate::{
    layout::{Entry, ProcessEntry},
    memory::Offset,
    peer_spec::{PeerSpec, identity},
};

/// A peer that the current table gives requests to.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) spec: PeerSpec,
    pub(super) place: Offset,
}

impl Listed {
    pub(super) fn entry(&self) -> Entry {
        entry(self.place, &self.spec)
    }

    pub(super) fn is_in_service(&self) -> bool {
        self.spec.parameters.is_in_service()
    }

    /// Whether it has the same points in the ring of consistent hashing as the other.
    pub(super) fn has_points_of(&self, other: &Self) -> bool {
        let (one, other) = (&self.spec, &other.spec);
        identity(one) == identity(other)
            && one.server == other.server
            && one.parameters.weight == other.parameters.weight
    }
}

/// A peer that it does not, but lists for the connections that are still open.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) spec: PeerSpec,
    pub(super) place: Offset,
    /// The first publication that did not give it requests.
    pub(super) since: u64,
}

impl Removed {
    pub(super) fn entry(&self) -> Entry {
        entry(self.place, &self.spec)
    }
}

fn entry(peer: Offset, spec: &PeerSpec) -> Entry {
    // The two halves.
    let sticky = [spec.sticky as u32, (spec.sticky >> 32) as u32];
    Entry { peer, parameters: spec.parameters, sticky }
}

/// What was published once and may still be read.
#[derive(Debug)]
pub(super) struct Outdated {
    pub(super) place: Offset,
    pub(super) units: u32,
    /// The publication that took its place.
    pub(super) until: u64,
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
