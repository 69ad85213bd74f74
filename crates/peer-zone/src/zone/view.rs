//! What there is to see of a peer.

use core::sync::atomic::Ordering;

use peer_balance::{InFlight, PeakEwma, TimeAverages};

use super::Zone;
use crate::{layout::Health, memory::Offset};

/// What there is to know of a peer.
#[derive(Clone, Copy, Debug)]
pub struct PeerView<'a> {
    /// A number that no other peer of the zone has or had; see [`Zone::index_of`].
    pub id: u64,
    /// A `sockaddr` of the operating system, as bytes (aligned to 4).
    pub socket_address: &'a [u8],
    /// The address as nginx writes it, such as `10.0.0.1:80`.
    pub name: &'a [u8],
    /// The key below the prefix; `None` for a peer of an ordinary `server` line.
    pub key: Option<&'a [u8]>,
    /// Failures in a row, as nginx's `fails`.
    pub fails: u32,
    /// When the last failure was, or the last try after `fail_timeout`, in seconds of the clock of
    /// [`Now::seconds`](crate::Now::seconds).
    pub checked: u32,
    /// Requests sent to the peer since it was made.
    pub requests: u64,
    /// Failed requests since it was made.
    pub failures: u64,
    /// The state of its active checks.
    pub health: Health,
    /// When `slow_start` begins to count, in milliseconds of the monotonic clock; 0: long ago.
    pub ramp_from: u64,
    /// The response time by which `peak_ewma` goes, as it was at the last answer; in microseconds,
    /// 0 before the first and with other methods.
    pub peak: PeakEwma,
    /// The response times by which `least_time` goes; none with other methods.
    pub averages: TimeAverages,
    /// The requests that have no answer yet, with `least_time` and `inflight`.
    pub in_flight: u32,
}

impl Zone {
    /// What there is to know of the peer at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    #[inline]
    pub(crate) unsafe fn view<'a>(&self, at: Offset) -> PeerView<'a> {
        // SAFETY: the caller's promise.
        let (peer, [socket_address, name, key, _]) =
            unsafe { (self.peer(at), self.peer_strings(at)) };
        let response_time = peer.response_time.load(Ordering::Relaxed);
        PeerView {
            id: peer.id,
            socket_address,
            name,
            key: peer.has_key().then_some(key),
            fails: peer.fails.load(Ordering::Relaxed),
            checked: peer.checked.load(Ordering::Relaxed),
            requests: peer.requests.load(Ordering::Relaxed),
            failures: peer.failures.load(Ordering::Relaxed),
            health: Health::load(&peer.health),
            ramp_from: peer.ages.ramp_from(),
            peak: PeakEwma::of_word(response_time),
            averages: TimeAverages::of_word(response_time),
            in_flight: InFlight(peer.in_flight.load(Ordering::Relaxed)).count(),
        }
    }
}
