//! The parameters of a peer.

use crate::slow_start::{Share, ramp};

/// The greatest weight. nginx has no limit of its own; this one keeps the sum of the weights of any
/// number of peers that fits into memory far from an overflow, and is that of weights in DNS (RFC
/// 2782).
pub const MAX_WEIGHT: u32 = 65_535;

/// The parameters of nginx's `server` directive that say how a peer is used, all of them set.
// They lie in shared memory as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Parameters {
    /// Share of the requests, up to [`MAX_WEIGHT`]. A peer with 0 gets none: with 0,
    /// [`drain`](Self::drain) is set as well.
    pub weight: u32,
    /// Connections that may be open at a time; 0: no limit.
    pub max_conns: u32,
    /// Failures within `fail_timeout` that make the peer unavailable; 0: failures are not counted.
    pub max_fails: u32,
    /// Seconds in which failures are counted, and for which the peer is then unavailable.
    pub fail_timeout: u32,
    /// Seconds in which the weight grows from nothing to its value when the peer comes; 0: at once.
    pub slow_start: u32,
    /// The peer is used only where no other is available.
    pub backup: bool,
    /// The peer is never used.
    pub down: bool,
    /// The peer gets no new sessions.
    pub drain: bool,
}

impl Parameters {
    /// Whether new requests may go to the peer: it is neither `down` nor `drain`.
    #[inline]
    pub fn is_in_service(&self) -> bool {
        !self.down && !self.drain
    }

    /// Whether failures keep a peer from being picked at `now` (seconds), by the rule of
    /// `ngx_http_upstream_get_peer`. `checked` is the second of its last failure or check.
    #[inline]
    pub fn is_failed(&self, fails: u32, checked: u32, now: u32) -> bool {
        self.max_fails != 0
            && fails >= self.max_fails
            && now.saturating_sub(checked) <= self.fail_timeout
    }

    /// What `slow_start` leaves of a peer's weight at `now`, where it counts from `ramp_from`; both
    /// in milliseconds.
    #[inline]
    pub fn ramp_share(&self, ramp_from: u64, now: u64) -> Share {
        if self.slow_start == 0 || ramp_from == 0 {
            return Share::MAX;
        }
        ramp(now.saturating_sub(ramp_from), self.slow_start)
    }
}

impl Default for Parameters {
    /// nginx's defaults.
    fn default() -> Self {
        Self {
            weight: 1,
            max_conns: 0,
            max_fails: 1,
            fail_timeout: 10,
            slow_start: 0,
            backup: false,
            down: false,
            drain: false,
        }
    }
}
