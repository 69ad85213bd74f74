//! What there is to see of peers.

use core::sync::atomic::{AtomicU64, Ordering};

use peer_balance::PeakEwma;

use super::{Connections, claim};
use crate::{
    drain_times::DrainReasons,
    layout::{Health, Parameters, Peer},
    memory::Offset,
    zone::Zone,
};

/// What there is to know of a peer, for whoever may look at it.
#[derive(Clone, Copy, Debug)]
pub struct PeerView<'a> {
    /// Tells the peer from all others that the zone has ever had.
    pub id: u64,
    /// A `sockaddr` of the operating system, as bytes (aligned to 4).
    pub socket_address: &'a [u8],
    /// The address as nginx writes it.
    pub name: &'a [u8],
    /// The key below the prefix; `None` for a peer of an ordinary `server` line.
    pub key: Option<&'a [u8]>,
    /// Consecutive failures.
    pub fails: u32,
    /// Seconds of the last failure or check.
    pub checked: u32,
    /// Requests so far.
    pub requests: u64,
    /// Failures so far.
    pub failures: u64,
    /// What active checks say.
    pub health: Health,
    /// When `slow_start` begins to count, in milliseconds of the monotonic clock; 0: long ago.
    pub ramp_from: u64,
    /// The response time by which `least_time` goes, as it was at the last answer; in microseconds,
    /// 0 before the first.
    pub response_time: PeakEwma,
}

/// What a table says of a peer.
#[derive(Clone, Copy, Debug)]
pub struct PeerRow<'t> {
    /// The peer.
    pub peer: PeerView<'t>,
    /// Its parameters.
    pub parameters: Parameters,
    /// Open connections, over all workers.
    pub connections: Connections,
    pub(super) words: &'t Peer,
    pub(crate) columns: &'t [AtomicU64],
    pub(super) zone: Zone,
    /// The name by which nginx's own `sticky` knows it, where its value or line gives one.
    pub route: Option<&'t [u8]>,
    /// Its key is gone; it is listed for the connections that it still has.
    pub is_removed: bool,
}

impl PeerRow<'_> {
    /// Whether its failures keep it from being picked at `now` (seconds).
    pub fn is_unavailable(&self, now: u32) -> bool {
        claim::has_failed(self.peer.fails, self.peer.checked, &self.parameters, now)
    }

    /// Since when (milliseconds of the monotonic clock) it is being left for one of these reasons;
    /// `None` where it is not.
    pub fn draining_since(&self, reasons: DrainReasons, now: u64) -> Option<u64> {
        self.zone.draining_since(self.words, reasons, now)
    }

    /// What `slow_start` leaves of its weight at `now` (ms): 1 where that is all of it.
    pub fn share(&self, now: u64) -> f64 {
        let share = claim::ramp(self.peer.ramp_from, &self.parameters, now);
        f64::from(share) / f64::from(peer_balance::Share::MAX)
    }
}

impl Zone {
    /// What there is to know of the peer at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn view<'a>(&self, at: Offset) -> PeerView<'a> {
        // SAFETY: the caller's promise.
        let (peer, [socket_address, name, key, _]) =
            unsafe { (self.peer(at), self.peer_strings(at)) };
        PeerView {
            id: peer.id,
            socket_address,
            name,
            key: (peer.is_static == 0).then_some(key),
            fails: peer.fails.load(Ordering::Relaxed),
            checked: peer.checked.load(Ordering::Relaxed),
            requests: peer.requests.load(Ordering::Relaxed),
            failures: peer.failures.load(Ordering::Relaxed),
            health: Health::load(&peer.health),
            ramp_from: peer.ramp_from.load(Ordering::Relaxed),
            response_time: PeakEwma(peer.response_time.load(Ordering::Relaxed)),
        }
    }
}
