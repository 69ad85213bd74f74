//! The peer that a request has, and what is known of it.

use core::{num::NonZeroU16, sync::atomic::Ordering};

use peer_balance::{MAX_WEIGHT, Ticket};

use super::{Worker, among::PickedGroup};
use crate::{
    connections::{CONNECTION, Connections, UPGRADE},
    layout::{Entry, Health, OwnTraits, Peer},
    memory::Offset,
    zone::{peers::RequestAddress, view::PeerView},
};

/// A peer that a request holds: its memory stays, and it counts as one open connection, until
/// [`Worker::release`].
///
/// It cannot be copied, so that it is released once.
///
/// Each request makes one and has it in its memory for as long as a session lasts: so it is small.
#[derive(Debug)]
pub struct PickedPeer {
    pub(super) id: u64,
    pub(super) sticky: u64,
    /// Where it counts as one in flight.
    pub(super) in_flight: Option<Ticket>,
    pub(super) peer: Offset,
    pub(super) max_fails: u32,
    pub(super) slow_start: u32,
    /// No weight is greater: see [`peer_balance::MAX_WEIGHT`].
    pub(super) weight: u16,
    pub(super) traits: Traits,
}

/// What is so of a [`PickedPeer`]; bits. One of them is always set, so that an
/// `Option<PickedPeer>` is no larger than a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traits(NonZeroU16);

impl Traits {
    pub(super) const NONE: Self = Self(NonZeroU16::MIN);
    /// The only peer there is: its failures are not counted, as in nginx.
    pub(super) const SINGLE: Self = Self::of_bits(1 << 1);
    pub(super) const BACKUP: Self = Self::of_bits(1 << 2);
    /// It has `max_conns`.
    pub(super) const LIMITED: Self = Self::of_bits(1 << 3);
    pub(super) const UPGRADED: Self = Self::of_bits(1 << 4);
    /// Its header has come, and the time of that is noted.
    pub(super) const HEADER: Self = Self::of_bits(1 << 5);
    /// It began as one in flight.
    pub(super) const IN_FLIGHT: Self = Self::of_bits(1 << 6);
    /// The request's session named it.
    pub(super) const NAMED: Self = Self::of_bits(1 << 7);
    /// It fails its checks, as all others do.
    pub(super) const FAILING: Self = Self::of_bits(1 << 8);
    /// Those with which more than the counts changes in the end.
    const SPECIAL: Self = Self::of_bits(1 << 3 | 1 << 4 | 1 << 6);

    /// What is kept of the group lies in the bits from this one on; see
    /// [`OwnTraits::kept`](crate::layout::OwnTraits::kept).
    const GROUP: u32 = 9;

    /// Those of a group of which this is kept.
    #[inline]
    pub(super) fn with_group(self, kept: u16) -> Self {
        Self(self.0 | kept << Self::GROUP)
    }

    /// What is kept of the group.
    #[inline]
    pub(super) fn of_group(self) -> u16 {
        self.0.get() >> Self::GROUP
    }

    const fn of_bits(bits: u16) -> Self {
        Self(NonZeroU16::MIN.saturating_add(bits))
    }

    /// Whether only the counts change in the end.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        self.0.get() & (Self::SPECIAL.0.get() | Self::NONE.0.get()) == Self::NONE.0.get()
    }

    /// These, if `is_so`.
    #[inline]
    pub(super) fn only_if(self, is_so: bool) -> Self {
        if is_so { self } else { Self::NONE }
    }

    #[inline]
    pub(super) fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether any of these is so.
    #[inline]
    pub(super) fn has(self, any: Self) -> bool {
        self.0.get() & any.0.get() & !Self::NONE.0.get() != 0
    }
}

const _: () = assert!(size_of::<Option<PickedPeer>>() == 40 && MAX_WEIGHT <= u16::MAX as u32);
const _: () = assert!(Traits::GROUP + OwnTraits::KEPT_BITS <= u16::BITS);

impl PickedPeer {
    /// The peer of an entry, which counts the request already; without any trait.
    #[inline]
    pub(super) fn new(entry: &Entry, peer: &Peer) -> Self {
        Self {
            id: peer.id,
            sticky: entry.sticky,
            in_flight: None,
            peer: entry.peer,
            max_fails: entry.max_fails,
            slow_start: entry.slow_start,
            weight: entry.weight,
            traits: Traits::NONE,
        }
    }

    #[inline]
    pub(super) fn is_single(&self) -> bool {
        self.traits.has(Traits::SINGLE)
    }

    #[inline]
    pub(super) fn is_upgraded(&self) -> bool {
        self.traits.has(Traits::UPGRADED)
    }

    /// The peer's id, which no other peer of the zone has or had.
    #[inline]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What [`Zone::index_of`](crate::Zone::index_of) says of its id.
    #[inline]
    pub fn index(&self) -> usize {
        self.peer.index()
    }

    /// Whether the request's session chose it, and not the balancing method.
    #[inline]
    pub fn is_named(&self) -> bool {
        self.traits.has(Traits::NAMED)
    }

    /// Whether it failed its checks when it was picked, as all others did.
    #[inline]
    pub fn is_failing(&self) -> bool {
        self.traits.has(Traits::FAILING)
    }

    /// Whether it says `backup`.
    #[inline]
    pub fn is_backup(&self) -> bool {
        self.traits.has(Traits::BACKUP)
    }

    /// What it is in the counts.
    #[inline]
    pub(super) fn counted(&self) -> u64 {
        CONNECTION + if self.is_upgraded() { UPGRADE } else { 0 }
    }

    pub(crate) fn place(&self) -> Offset {
        self.peer
    }

    /// The id by which a cookie names the peer; `None` where it has none.
    #[inline]
    pub fn sticky(&self) -> Option<u64> {
        (self.sticky != 0).then_some(self.sticky)
    }

    /// Consecutive failures at which the peer is left alone for a while; 0 where they are not
    /// counted.
    pub fn max_fails(&self) -> u32 {
        self.max_fails
    }
}

impl Worker {
    /// What is known of the peer that a request holds.
    #[inline]
    pub fn peer<'h>(&self, held: &'h PickedPeer) -> PeerView<'h> {
        // SAFETY: `held` counts as an open connection, and the publisher frees no peer that has
        // one.
        unsafe { self.zone.view(held.peer) }
    }

    /// The socket address, the name and the key of the peer that a request holds, as in
    /// [`Worker::peer`]; no key is an empty one.
    pub fn address<'h>(&self, held: &'h PickedPeer) -> (&'h [u8], &'h [u8], &'h [u8]) {
        // SAFETY: as in `peer`.
        let [socket_address, name, key, _] = unsafe { self.zone.peer_strings(held.peer) };
        (socket_address, name, key)
    }

    /// What each request needs of the peer that it holds.
    #[inline]
    pub fn request_address<'h>(&self, held: &'h PickedPeer) -> RequestAddress<'h> {
        // SAFETY: as in `peer`.
        unsafe { self.zone.request_address(held.peer) }
    }

    /// Calls `read` with the route of the peer that a request holds, which it has got from this
    /// group, if it has one. Where another
    /// list of peers was published since it was picked, that one's word counts.
    pub fn with_route<T>(
        &mut self,
        group: PickedGroup,
        held: &PickedPeer,
        read: impl FnOnce(Option<&[u8]>) -> T,
    ) -> T {
        let Some(table) = self.table_of(group) else { return read(None) };
        let place = table.sticky_place(held.sticky);
        read(place.and_then(|place| table.texts(place).route))
    }

    /// Open connections to the peer that a request holds, over all workers.
    pub fn connections(&self, held: &PickedPeer) -> Connections {
        // SAFETY: as in `peer`.
        unsafe { self.zone.connections(held.peer) }
    }

    /// As [`Worker::connections`], without the request's own.
    pub fn connections_without(&self, held: &PickedPeer) -> Connections {
        Connections(self.connections(held).0.wrapping_sub(held.counted()))
    }

    /// Whether the peer that a request holds is there for others as well: it has neither left the
    /// service nor failed since it was picked.
    #[inline]
    pub fn is_in_service(&self, held: &PickedPeer) -> bool {
        // SAFETY: as in `peer`.
        let peer = unsafe { self.zone.peer(held.peer) };
        let has_failed =
            held.max_fails != 0 && peer.fails.load(Ordering::Relaxed) >= held.max_fails;
        !has_failed && self.is_listed(peer)
    }

    /// Whether the peer that a request holds is there for others as well, but for its failures: not
    /// if it drains, and the request has come back to it.
    pub fn gets_new_requests(&self, held: &PickedPeer) -> bool {
        // SAFETY: as in `peer`.
        self.is_listed(unsafe { self.zone.peer(held.peer) })
    }

    /// Whether a peer is in service, but for its failures.
    #[inline]
    pub(super) fn is_listed(&self, peer: &Peer) -> bool {
        let is_healthy = match Health::load(&peer.health) {
            Health::Unchecked | Health::Passing => true,
            Health::Failing => peer.is_used_failing(),
            Health::Pending => false,
        };
        is_healthy && peer.in_service.load(Ordering::Relaxed) != 0
    }
}
