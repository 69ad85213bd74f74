//! Peers in the memory, by the place where they lie.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use peer_balance::InFlight;

use super::Zone;
use crate::{
    connections::Connections,
    layout::{
        Columns, FIRST_OWN_COLUMN, OwnColumn, Peer, PeerBlock, own_column_of, shared_column_of,
    },
    memory::{Offset, units},
    peer_spec::PeerSpec,
    protocol::{ID_BITS, SHARED_COLUMNS},
};

/// What a request needs of its peer.
#[derive(Clone, Copy, Debug)]
pub struct RequestAddress<'a> {
    /// Where the peer is.
    pub socket_address: &'a [u8],
    /// Its name and, behind that, its key; no key is an empty one.
    pub name_and_key: &'a [u8],
    /// How long the name is.
    pub name_length: usize,
}

impl Zone {
    /// The peer at `at`.
    ///
    /// # Safety
    ///
    /// A peer was written there, and its memory is not reused for `'a`: a table that lists it is
    /// pinned, or a request holds it, or the caller is the publisher, who alone frees peers.
    #[inline]
    pub(crate) unsafe fn peer<'a>(&self, at: Offset) -> &'a Peer {
        // SAFETY: the caller's promise.
        unsafe { self.memory.get(at.bytes()) }
    }

    /// The columns of the peer at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    #[inline]
    pub(crate) unsafe fn peer_columns<'a>(&self, at: Offset) -> Columns<'a> {
        let last = self.columns() - 1;
        let own = (last + 1 - FIRST_OWN_COLUMN) as usize;
        let last_shared = SHARED_COLUMNS - 1;
        // SAFETY: the caller's promise; the columns come before the peer, and `format` has made at
        // least the shared ones.
        unsafe {
            Columns {
                shared: self
                    .memory
                    .slice(shared_column_of(at, last_shared), SHARED_COLUMNS as usize),
                own: self.memory.slice(own_column_of(at, last), own),
            }
        }
    }

    /// A shared column of the peer at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`]; `column` is one of the shared ones.
    #[inline]
    pub(crate) unsafe fn shared_column<'a>(&self, at: Offset, column: u32) -> &'a AtomicU64 {
        debug_assert!(column < FIRST_OWN_COLUMN);
        // SAFETY: the caller's promise; the columns come before the peer.
        unsafe { self.memory.get(shared_column_of(at, column)) }
    }

    /// A column that a process has for itself, of the peer at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`]; `column` is one of these, and below the number of columns.
    #[inline]
    pub(crate) unsafe fn own_column<'a>(&self, at: Offset, column: u32) -> &'a OwnColumn {
        debug_assert!((FIRST_OWN_COLUMN..self.columns()).contains(&column));
        // SAFETY: the caller's promise; the columns come before the peer.
        unsafe { self.memory.get(own_column_of(at, column)) }
    }

    /// The block of the peer at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn peer_block(&self, at: Offset) -> PeerBlock {
        // SAFETY: the caller's promise.
        PeerBlock::of(unsafe { self.peer(at) }, at, self.columns())
    }

    /// How many connections to the peer at `at` are open.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    #[inline]
    pub(crate) unsafe fn connections(&self, at: Offset) -> Connections {
        // SAFETY: the caller's promise.
        let columns = unsafe { self.peer_columns(at) };
        // Acquire: the process that frees the peer because there are none comes after all that was
        // done with it (see `Worker::uncount`).
        let counts = columns.counts(Ordering::Acquire);
        Connections(counts.fold(0, |sum, Connections(count)| sum.wrapping_add(count)))
    }

    /// Whether no connection to the peer at `at` is open, for the publisher, who alone makes
    /// another shared column the current one.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn is_idle(&self, at: Offset) -> bool {
        // Twice: a process that moves its counts from a later column to an earlier one is missed by
        // a process that is between the two, and moves them so once at most before the current
        // column is another one. See `SharedColumns`. SAFETY: the caller's promise.
        let mut sums = (0..2).map(|_| unsafe { self.connections(at) });
        sums.all(|sum| sum == Connections::default())
    }

    /// Takes what is in a column of the peer at `at` out of its counts, where nobody counts there.
    /// Says whether there was anything.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn clear_count(&self, at: Offset, column: u32) -> bool {
        // SAFETY: the caller's promise.
        let peer = unsafe { self.peer(at) };
        let is_shared = column < FIRST_OWN_COLUMN;
        // SAFETY: the caller's promise.
        let shared = || unsafe { self.shared_column(at, column) };
        // SAFETY: the caller's promise.
        let own = || unsafe { self.own_column(at, column) };
        let counted = if is_shared {
            Connections(shared().load(Ordering::Relaxed))
        } else {
            own().load(Ordering::Relaxed)
        };
        if counted == Connections::default() {
            return false;
        }
        // Some of these are in flight, nobody knows which. Before the count: whoever comes after a
        // publisher that is killed here does it once more.
        let in_flight = |word| InFlight(word).forgotten().map(|word| word.0);
        let _ = peer.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, in_flight);
        let lost = if is_shared {
            Connections(shared().swap(0, Ordering::Relaxed))
        } else {
            own().clear()
        };
        peer.open.fetch_sub(lost.all(), Ordering::Relaxed);
        lost != Connections::default()
    }

    /// The socket address, the name, the key and the server text of the peer at `at`, as bytes.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    #[inline]
    pub(crate) unsafe fn peer_strings<'a>(&self, at: Offset) -> [&'a [u8]; 4] {
        // SAFETY: the caller's promise.
        let peer = unsafe { self.peer(at) };
        let mut start = Peer::strings(at);
        let strings = peer.lengths().map(|length| {
            // SAFETY: the caller's promise; the strings follow the peer, were written before it was
            // published and are never changed.
            let string = unsafe { self.memory.slice(start, length) };
            start += length;
            string
        });
        let [socket_address, name, key, server] = strings;
        [socket_address, name, key, if server.is_empty() { name } else { server }]
    }

    /// Whether the peer of one entry comes before that of another in the order in which they are
    /// published; `None` if both are of `server` lines, whose order a table has.
    ///
    /// # Safety
    ///
    /// As for [`Zone::entry`].
    pub(crate) unsafe fn precedes(&self, one: Offset, other: Offset) -> Option<bool> {
        // SAFETY: the caller's promise; who keeps an entry keeps its peer.
        let [one, other] = [one, other].map(|at| unsafe {
            let place = self.entry(at).peer;
            let [socket_address, _, key, _] = self.peer_strings(place);
            (self.peer(place).has_key(), key, socket_address)
        });
        (one.0 || other.0).then(|| one < other)
    }

    /// What a request needs of the peer at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    #[inline]
    pub(crate) unsafe fn request_address<'a>(&self, at: Offset) -> RequestAddress<'a> {
        // SAFETY: the caller's promise.
        let peer = unsafe { self.peer(at) };
        let name_length = usize::from(peer.name_length);
        let length = usize::from(peer.socket_address_length);
        let start = Peer::strings(at);
        // SAFETY: as in `peer_strings`; the key follows the name.
        unsafe {
            RequestAddress {
                socket_address: self.memory.slice(start, length),
                name_and_key: self
                    .memory
                    .slice(start + length, name_length + usize::from(peer.key_length)),
                name_length,
            }
        }
    }

    /// The peer of the entry at `at`, as it was published.
    ///
    /// # Safety
    ///
    /// As for [`Zone::entry`].
    pub(crate) unsafe fn spec(&self, at: Offset) -> PeerSpec {
        // SAFETY: the caller's promise.
        let (entry, texts) = unsafe { (self.entry(at), self.texts(at)) };
        // SAFETY: who keeps an entry keeps its peer.
        let (peer, [socket_address, name, key, server]) =
            unsafe { (self.peer(entry.peer), self.peer_strings(entry.peer)) };
        let text = |bytes: &[u8]| Arc::<str>::from(String::from_utf8_lossy(bytes));
        let name_text = text(name);
        PeerSpec {
            key: peer.has_key().then(|| text(key)),
            socket_address: socket_address.into(),
            server: if server == name { Arc::clone(&name_text) } else { text(server) },
            name: name_text,
            parameters: entry.parameters(),
            sticky: entry.sticky,
            route: texts.route.map(text),
            labels: texts.labels.map(text),
            source: texts.source.map(text),
            group: None,
            create_revision: peer.ages.create_revision(),
            joined: peer.ages.joined(),
        }
    }

    /// How many connections to the peer are open, near enough to compare peers by.
    #[inline]
    pub(crate) fn open(peer: &Peer) -> u32 {
        // Below zero for a moment, where a dead worker's share was taken out before it was
        // complete.
        (peer.open.load(Ordering::Relaxed) as i32).max(0) as u32
    }

    /// An id for a peer at `place`, for the publisher. It tells the index, and apart from that
    /// counts the peers that the zone has ever had.
    pub(crate) fn next_id(&self, place: Offset) -> u64 {
        let number = self.header().last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let index = place.index() as u64;
        (number << self.index_bits() | index) & (u64::MAX >> (u64::BITS - ID_BITS))
    }

    /// A number below [`Zone::index_limit`] that no other peer has for as long as this one, of this
    /// id, has memory in the zone.
    pub fn index_of(&self, id: u64) -> usize {
        (id & ((1 << self.index_bits()) - 1)) as usize
    }

    /// How many peers the zone had had when the peer of this id was made, with it.
    pub(crate) fn number_of_id(&self, id: u64) -> u64 {
        id >> self.index_bits()
    }

    /// What [`Zone::index_of`] is always below.
    pub fn index_limit(&self) -> usize {
        Offset(self.memory.units()).index() + 1
    }

    /// No zone in so many bytes of memory has a greater [`index_limit`](Zone::index_limit).
    pub fn most_indexes(bytes: usize) -> usize {
        Offset(units(bytes)).index() + 1
    }

    fn index_bits(&self) -> u32 {
        usize::BITS - self.index_limit().leading_zeros()
    }

    /// A peer that could not be picked may be one that can.
    #[inline]
    pub(crate) fn note_recovery(&self) {
        // Release: who sees the new number sees what made the difference, too.
        self.header().recoveries.fetch_add(1, Ordering::Release);
    }

    /// A peer begins, or goes on with, a ramp of so many seconds that counts from this moment (ms).
    /// To be called before the peer shows it: who picks looks at no peer's ramp unless the zone
    /// says that there may be one.
    pub(crate) fn extend_ramps(&self, from: u64, slow_start: u32) {
        if slow_start != 0 && from != 0 {
            let until = from.saturating_add(u64::from(slow_start) * 1_000);
            self.header().ramps_until.fetch_max(until, Ordering::Relaxed);
        }
    }

    /// Whether any peer may be on a ramp at this moment (ms).
    #[inline]
    pub(crate) fn has_ramps(&self, now: u64) -> bool {
        now < self.header().ramps_until.load(Ordering::Relaxed)
    }
}
