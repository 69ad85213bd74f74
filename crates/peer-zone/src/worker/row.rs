//! What a table says of each peer, to be shown.

use peer_balance::Share;

use super::table::Table;
use crate::{
    connections::Connections,
    drain_policy::DrainReasons,
    layout::{Columns, Parameters, Peer},
    zone::{Zone, view::PeerView},
};

/// What a table says of a peer.
#[derive(Clone, Copy, Debug)]
pub struct PeerRow<'t> {
    /// What is known of the peer.
    pub peer: PeerView<'t>,
    /// Weight, limits and flags, as in nginx's `server`.
    pub parameters: Parameters,
    /// Open connections, over all workers.
    pub connections: Connections,
    words: &'t Peer,
    pub(super) columns: Columns<'t>,
    zone: Zone,
    /// The name by which nginx's own `sticky` knows it, where its value or line gives one.
    pub route: Option<&'t [u8]>,
    /// What else is said of it, as a JSON object, if anything is.
    pub labels: Option<&'t [u8]>,
    /// Its key is gone; it is listed for the connections that it still has.
    pub is_removed: bool,
}

impl PeerRow<'_> {
    /// Whether its failures keep it from being picked at `now` (seconds).
    pub fn is_unavailable(&self, now: u32) -> bool {
        self.parameters.is_failed(self.peer.fails, self.peer.checked, now)
    }

    /// Since when (milliseconds of the monotonic clock) it is drained for one of these reasons;
    /// `None` where it is not.
    pub fn draining_since(&self, reasons: DrainReasons, now: u64) -> Option<u64> {
        self.zone.draining_since(self.words, reasons, now)
    }

    /// What `slow_start` leaves of its weight at `now` (ms): 1 where that is all of it.
    pub fn share(&self, now: u64) -> f64 {
        let share = self.parameters.ramp_share(self.peer.ramp_from, now);
        f64::from(share) / f64::from(Share::MAX)
    }
}

impl Table<'_> {
    /// All peers: those without `backup`, those with it, those that are gone but have open
    /// connections.
    pub fn rows(&self) -> impl Iterator<Item = PeerRow<'_>> {
        let listed = (self.header.primaries + self.header.backups) as usize;
        self.places.iter().zip(0..).map(move |(&place, index)| {
            let (entry, texts) = (self.entry(place), self.texts(place));
            PeerRow {
                // SAFETY: the table is pinned, and no peer that it lists is freed.
                peer: unsafe { self.worker.zone.view(entry.peer) },
                parameters: entry.parameters(),
                // SAFETY: as above.
                connections: unsafe { self.worker.zone.connections(entry.peer) },
                // SAFETY: as above.
                words: unsafe { self.worker.zone.peer(entry.peer) },
                // SAFETY: as above.
                columns: unsafe { self.worker.zone.peer_columns(entry.peer) },
                zone: self.worker.zone,
                route: texts.route,
                labels: texts.labels,
                is_removed: index >= listed,
            }
        })
    }
}
