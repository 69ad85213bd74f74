//! A peer: its identity and its counters, which stay where they are for as long as it lives.

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::{drain_times::DrainTime, memory::units};

/// A peer: 128 bytes, then its columns ([`AtomicU64`] each), its socket address, its name, its key,
/// and its server text.
///
/// What each pick touches lies in the first 64 bytes, one cache line, but for what `slow_start` and
/// `least_time` with `inflight` need.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct Peer {
    /// The place of the peer made before this one, in units; 0: none.
    pub(crate) next: AtomicU32,
    /// Size with columns and strings, in units.
    pub(crate) units: u32,
    /// Never used twice in a zone.
    pub(crate) id: u64,
    /// Consecutive failures, as nginx's `fails`.
    pub(crate) fails: AtomicU32,
    /// Seconds of the last failure, as nginx's `accessed`.
    pub(crate) accessed: AtomicU32,
    /// Seconds of the last failure or check, as nginx's `checked`.
    pub(crate) checked: AtomicU32,
    /// The sum of the columns as far as one number can follow them: a worker that is killed between
    /// the two leaves a difference, which the publisher takes out. Methods compare peers by it;
    /// `max_conns` goes by the columns.
    pub(crate) open: AtomicU32,
    /// A [`Health`].
    pub(crate) health: AtomicU32,
    /// The accumulator by which a share of the visits is admitted; see `peer_balance::admits`.
    pub(crate) credit: AtomicU32,
    /// A [`Deficit`](peer_balance::Deficit).
    pub(crate) deficit: AtomicU64,
    /// A [`PeakEwma`](peer_balance::PeakEwma) or [`TimeAverages`](peer_balance::TimeAverages), by
    /// the method that has written it last.
    pub(crate) response_time: AtomicU64,
    /// Requests sent to the peer since it was made.
    pub(crate) requests: AtomicU64,
    /// Failed requests since it was made.
    pub(crate) failures: AtomicU64,
    /// When `slow_start` begins to count, in milliseconds of the monotonic clock; 0: long ago.
    pub(crate) ramp_from: AtomicU64,
    /// When the peer joined, likewise.
    pub(crate) joined: AtomicU64,
    /// An [`InFlight`](peer_balance::InFlight), for `least_time` with `inflight`.
    pub(crate) in_flight: AtomicU64,
    /// etcd's revision at which its key was created; 0 where it has none.
    pub(crate) create_revision: AtomicU64,
    /// 1 while the peer is listed and gets new requests.
    pub(crate) in_service: AtomicU16,
    /// 1 for a peer of an ordinary `server` line, which has no key.
    pub(crate) is_static: u16,
    /// Lengths of the strings behind the columns, in bytes.
    pub(crate) socket_address_length: u16,
    pub(crate) name_length: u16,
    pub(crate) key_length: u16,
    /// 0 if the server text is the name.
    pub(crate) server_length: u16,
    /// Since when its key is gone.
    pub(crate) removed: DrainTime,
    /// Since when it says `drain`.
    pub(crate) drains: DrainTime,
    /// Since when it fails its checks.
    pub(crate) failing: DrainTime,
}

impl Peer {
    /// How many units a peer takes.
    pub(crate) fn size(columns: u32, strings: usize) -> u32 {
        units(Self::strings(columns) + strings)
    }

    /// Where the socket address lies, in bytes from the peer's start.
    pub(crate) fn strings(columns: u32) -> usize {
        size_of::<Self>() + columns as usize * size_of::<AtomicU64>()
    }

    /// Whether it says `drain` for at least `grace` milliseconds.
    pub(crate) fn has_drained_for(&self, grace: u64, now: u64) -> bool {
        self.drains.moment(now).is_some_and(|since| now.saturating_sub(since) >= grace)
    }
}

/// What active checks say of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Health {
    /// Nothing: it is not checked, or has not failed or passed yet.
    #[default]
    Unchecked = 0,
    /// It passes.
    Passing = 1,
    /// It fails, and gets no requests unless all others fail too.
    Failing = 2,
    /// It gets no requests before it has passed its first check.
    Pending = 3,
}

impl Health {
    #[inline]
    pub(crate) fn load(word: &AtomicU32) -> Self {
        match word.load(Ordering::Relaxed) {
            1 => Self::Passing,
            2 => Self::Failing,
            3 => Self::Pending,
            _ => Self::Unchecked,
        }
    }
}
