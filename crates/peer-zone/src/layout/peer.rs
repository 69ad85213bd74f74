//! A peer: its identity and its counters, which stay where they are for as long as it lives.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::{ages::Ages, columns};
use crate::{
    drain_times::DrainTime,
    memory::{Offset, PEER_SHIFT, UNIT, units},
    protocol::WordIndex,
};

/// A peer: before it its columns (the shared ones next to it, then those of a process each), then
/// this, then its socket address, its name, its key, and its server text. So columns and strings
/// are found without a look at how many columns there are.
///
/// A request reads all of it, in a few cache lines one behind the other. What others write there as
/// well (the columns, the counts) comes before the strings, which nobody writes.
///
/// What methods compare peers by is in the first 32 bytes, and all that each pick touches in the
/// first 64, but for what `slow_start` and `least_time` with `inflight` need.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct Peer {
    /// The sum of the columns as far as one number can follow them: a worker that is killed between
    /// the two leaves a difference, which the publisher takes out. Methods compare peers by it;
    /// `max_conns` goes by the columns.
    pub(crate) open: AtomicU32,
    /// Consecutive failures, as nginx's `fails`.
    pub(crate) fails: AtomicU32,
    /// Seconds of the last failure or check, as nginx's `checked`.
    pub(crate) checked: AtomicU32,
    /// A [`Health`].
    pub(crate) health: AtomicU8,
    /// 1 while the peer is listed and gets new requests.
    pub(crate) in_service: AtomicU8,
    /// Lengths of the strings behind it, in bytes.
    pub(crate) socket_address_length: u16,
    /// A [`Deficit`](peer_balance::Deficit).
    pub(crate) deficit: AtomicU64,
    /// A [`PeakEwma`](peer_balance::PeakEwma) or [`TimeAverages`](peer_balance::TimeAverages), by
    /// the method that has written it last.
    pub(crate) response_time: AtomicU64,
    /// Never used twice in a zone.
    pub(crate) id: u64,
    /// Requests sent to the peer since it was made.
    pub(crate) requests: AtomicU64,
    /// The accumulator by which a share of the visits is admitted; see `peer_balance::admits`.
    pub(crate) credit: AtomicU32,
    /// Seconds of the last failure, as nginx's `accessed`.
    pub(crate) accessed: AtomicU32,
    /// The place of the peer made before this one, in units; 0: none.
    pub(crate) next: AtomicU32,
    pub(crate) name_length: u16,
    pub(crate) key_length: u16,
    /// Failed requests since it was made.
    pub(crate) failures: AtomicU64,
    /// An [`InFlight`](peer_balance::InFlight), for `least_time` with `inflight`.
    pub(crate) in_flight: AtomicU64,
    /// When it joined, from when its ramp counts, when its key was made.
    pub(crate) ages: Ages,
    /// Since when its key is gone.
    pub(crate) removed: DrainTime,
    /// Since when it says `drain`.
    pub(crate) drains: DrainTime,
    /// Since when it fails its checks.
    pub(crate) failing: DrainTime,
    /// 0 if the server text is the name.
    pub(crate) server_length: u16,
    /// The word that says how connections to it are closed; without one: as the upstream says.
    pub(crate) closing: WordIndex,
    /// [`KEYED`] and [`USED_FAILING`]. The publisher alone changes them.
    pub(crate) marks: AtomicU8,
}

/// In [`Peer::marks`]: it has a key, as all peers but those of ordinary `server` lines. It does not
/// change.
const KEYED: u8 = 1;

/// In [`Peer::marks`]: it fails its checks and is used all the same, since all of its group fail.
const USED_FAILING: u8 = 1 << 1;

/// Where the block of a peer begins, and how many units it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerBlock {
    pub(crate) start: Offset,
    pub(crate) units: u32,
}

impl PeerBlock {
    /// How many units a peer takes with so many columns and bytes of strings.
    pub(crate) fn size(columns: u32, strings: usize) -> u32 {
        columns::size(columns) + units(size_of::<Peer>() + strings)
    }

    /// Where the peer lies in a block that begins at `start`.
    pub(crate) fn place(start: Offset, columns: u32) -> Offset {
        Offset(start.0 + columns::size(columns))
    }

    /// The block of the peer at `place`.
    pub(crate) fn of(peer: &Peer, place: Offset, columns: u32) -> Self {
        let start = Offset(place.0.saturating_sub(columns::size(columns)));
        let strings = peer.lengths().into_iter().sum();
        Self { start, units: Self::size(columns, strings) }
    }
}

/// Peers are as far from each other as their indexes say, columns or not.
const _: () = assert!(size_of::<Peer>() + UNIT >= UNIT << PEER_SHIFT);

impl Peer {
    /// Where the strings of the peer at `place` begin, in bytes.
    #[inline]
    pub(crate) fn strings(place: Offset) -> usize {
        place.bytes() + size_of::<Self>()
    }

    /// The lengths of the strings: of the socket address, the name, the key and the server text.
    #[inline]
    pub(crate) fn lengths(&self) -> [usize; 4] {
        [self.socket_address_length, self.name_length, self.key_length, self.server_length]
            .map(usize::from)
    }

    /// The marks of a new peer.
    pub(crate) fn marks(has_key: bool) -> AtomicU8 {
        AtomicU8::new(if has_key { KEYED } else { 0 })
    }

    /// Whether it has a key.
    #[inline]
    pub(crate) fn has_key(&self) -> bool {
        self.marks.load(Ordering::Relaxed) & KEYED != 0
    }

    /// Whether it fails its checks and is used all the same.
    #[inline]
    pub(crate) fn is_used_failing(&self) -> bool {
        self.marks.load(Ordering::Relaxed) & USED_FAILING != 0
    }

    /// As [`is_used_failing`](Self::is_used_failing) says from now on. For the publisher.
    pub(crate) fn set_used_failing(&self, is_used: bool) {
        let others = self.marks.load(Ordering::Relaxed) & !USED_FAILING;
        let mark = if is_used { USED_FAILING } else { 0 };
        self.marks.store(others | mark, Ordering::Relaxed);
    }

    /// Whether it says `drain` for at least `grace` milliseconds.
    pub(crate) fn has_drained_for(&self, grace: u64, now: u64) -> bool {
        self.drains.moment(now).is_some_and(|since| now.saturating_sub(since) >= grace)
    }
}

/// What active checks say of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
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
    pub(crate) fn load(word: &AtomicU8) -> Self {
        match word.load(Ordering::Relaxed) {
            1 => Self::Passing,
            2 => Self::Failing,
            3 => Self::Pending,
            _ => Self::Unchecked,
        }
    }
}
