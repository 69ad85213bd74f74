//! The peer that a request has, and what is known of it.

use core::sync::atomic::Ordering;

use peer_balance::Ticket;

use super::Worker;
use crate::{
    connections::{CONNECTION, Connections, UPGRADE},
    layout::Health,
    memory::Offset,
    zone::view::PeerView,
};

/// A peer that a request holds: its memory stays, and it counts as one open connection, until
/// [`Worker::release`].
///
/// It cannot be copied, so that it is released once.
#[derive(Debug)]
pub struct PickedPeer {
    pub(super) peer: Offset,
    pub(super) id: u64,
    pub(super) weight: u32,
    pub(super) max_conns: u32,
    pub(super) max_fails: u32,
    pub(super) slow_start: u32,
    pub(super) backup: bool,
    pub(super) sticky: u64,
    /// The only peer there is: its failures are not counted, as in nginx.
    pub(super) is_single: bool,
    pub(super) is_upgraded: bool,
    /// Its header has come, and the time of that is noted.
    pub(super) has_header: bool,
    /// Where it counts as one in flight.
    pub(super) in_flight: Option<Ticket>,
}

impl PickedPeer {
    /// The peer's id, which no other peer of the zone has or had.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What it is in the counts.
    #[inline]
    pub(super) fn counted(&self) -> u64 {
        CONNECTION + if self.is_upgraded { UPGRADE } else { 0 }
    }

    pub(crate) fn place(&self) -> Offset {
        self.peer
    }

    /// The id by which a cookie names the peer; `None` where it has none.
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
    /// [`Worker::peer`]; no key is an empty one. What each request needs, without the rest.
    pub fn address<'h>(&self, held: &'h PickedPeer) -> (&'h [u8], &'h [u8], &'h [u8]) {
        // SAFETY: as in `peer`.
        let [socket_address, name, key, _] = unsafe { self.zone.peer_strings(held.peer) };
        (socket_address, name, key)
    }

    /// Calls `read` with the route of the peer that a request holds, if it has one. Where another
    /// list of peers was published since it was picked, that one's word counts.
    pub fn with_route<T>(&mut self, held: &PickedPeer, read: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let Some(table) = self.table() else { return read(None) };
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
    pub fn is_in_service(&self, held: &PickedPeer) -> bool {
        // SAFETY: as in `peer`.
        let peer = unsafe { self.zone.peer(held.peer) };
        let is_healthy = match Health::load(&peer.health) {
            Health::Unchecked | Health::Passing => true,
            Health::Failing => self.zone.header().panic.load(Ordering::Relaxed) != 0,
            Health::Pending => false,
        };
        let has_failed =
            held.max_fails != 0 && peer.fails.load(Ordering::Relaxed) >= held.max_fails;
        is_healthy && !has_failed && peer.in_service.load(Ordering::Relaxed) != 0
    }
}
