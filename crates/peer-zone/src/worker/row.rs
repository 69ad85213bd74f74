//! What a table says of each peer, to be shown.

use peer_balance::Share;

use super::{Now, table::Table};
use crate::{
    closing::Closing,
    connections::Connections,
    drain_policy::DrainReasons,
    layout::{Columns, Health, Parameters, Peer},
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

    /// Since when (milliseconds of the monotonic clock) it is in its state at `now`. `noted` is
    /// what its figures say. Nobody notes that `fail_timeout` has passed: since then it is
    /// available again, though no request has been answered yet. It passes as a second ends:
    /// `into_second` says how many milliseconds ago `now.seconds` began.
    pub fn state_since(&self, noted: Option<u64>, now: Now, into_second: u32) -> Option<u64> {
        let Parameters { max_fails, fail_timeout, .. } = self.parameters;
        let has_failed = max_fails != 0 && self.peer.fails >= max_fails;
        let is_up = !self.is_removed
            && self.parameters.is_in_service()
            && !matches!(self.peer.health, Health::Failing | Health::Pending)
            && !self.is_unavailable(now.seconds);
        if !(has_failed && is_up) {
            return noted;
        }
        let first = u64::from(self.peer.checked) + u64::from(fail_timeout) + 1;
        let seconds = u64::from(now.seconds).saturating_sub(first);
        let since = now.milliseconds.saturating_sub(seconds * 1_000 + u64::from(into_second));
        noted.max(Some(since))
    }

    /// Since when (milliseconds of the monotonic clock) it is drained for one of these reasons;
    /// `None` where it is not.
    pub fn draining_since(&self, reasons: DrainReasons, now: u64) -> Option<u64> {
        self.zone.draining_since(self.words, reasons, now)
    }

    /// How connections to it are closed; the outer `None`: as the upstream says, the inner one:
    /// none is.
    pub fn closing(&self) -> Option<Option<Closing>> {
        self.zone.closing_of(self.words)
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
        (0..self.places.len()).filter_map(|position| self.row(position))
    }

    /// The peer at a position among them.
    pub fn row(&self, position: usize) -> Option<PeerRow<'_>> {
        let &place = self.places.get(position)?;
        let (entry, texts) = (self.entry(place), self.texts(place));
        Some(PeerRow {
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
            is_removed: position >= self.listed(),
        })
    }
}
