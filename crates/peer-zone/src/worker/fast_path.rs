//! Picks and releases at which nothing special holds, as of nearly all requests.
//!
//! A pick asks one question of the table ([`PLAIN`]) and one of the peer that has the turn (no
//! failures, checks passed or none, the whole weight). If either answer is no, it hands the
//! position that it has taken to the pick with care (`pick.rs`), which asks everything. So both are
//! the same sequence, over all workers, and the same counts.

mod table;

use core::{num::NonZeroU64, sync::atomic::Ordering};

use peer_balance::Method;

use super::{Now, Worker, keyed::KeyProgress, picked_peer::PickedPeer, table::Table};
use crate::{
    connections::CONNECTION,
    group_name::GroupName,
    layout::{PLAIN, Peer},
    zone::peers::RequestAddress,
};

/// Why a request gets no peer at once. It may have got a position of the method already, with which
/// the next pick goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The order of the peers is computed, or what is copied of the peer has an unusual length: for
    /// [`Worker::pick_at_once`] with `IS_WIDE`.
    Narrow(Option<u64>),
    /// For [`Worker::pick_with_care`].
    Careful(Option<u64>),
}

/// What a request does with the peer that it gets at once.
pub trait Take {
    /// Says whether the request takes the peer, which `held` gives it.
    fn take(self, held: impl FnOnce() -> PickedPeer, address: &RequestAddress<'_>) -> bool;
}

impl<F: FnOnce(PickedPeer, &RequestAddress<'_>) -> bool> Take for F {
    #[inline]
    fn take(self, held: impl FnOnce() -> PickedPeer, address: &RequestAddress<'_>) -> bool {
        self(held(), address)
    }
}

impl Worker {
    /// Picks a peer for a request that has tried none and has no cookie, by `round_robin`,
    /// `least_conn` or `random`, if nothing special holds for the peer that the method looks at
    /// first. `first` is a position that the request has got already.
    ///
    /// `take` gets the peer and says whether the request takes it: it is called before the request
    /// counts, and while the table is pinned, so that no value waits on the stack for the end of
    /// the pick.
    ///
    /// Without `IS_WIDE` a pick calls no function, so that it need not save registers; what it
    /// cannot do is for a pick with it.
    ///
    /// # Errors
    ///
    /// Which pick must find a peer.
    // There is one caller that matters: what is returned need not go through memory there.
    #[inline(always)]
    pub fn pick_at_once<const IS_WIDE: bool>(
        &mut self,
        method: Method,
        first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed> {
        match self.plain_table() {
            Some((table, cycle)) => {
                let next = &table.zone.positions().primary;
                table.take_at_once::<IS_WIDE>((method, cycle), next, first, take)
            }
            None => Err(Missed::Careful(first)),
        }
    }

    /// As [`Worker::pick_at_once`], among the peers of a group.
    ///
    /// # Errors
    ///
    /// Which pick must find a peer.
    #[inline(always)]
    pub fn pick_in_group_at_once<const IS_WIDE: bool>(
        &mut self,
        method: Method,
        group: GroupName<'_>,
        first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed> {
        match self.plain_group(group) {
            Some((table, cycle)) => {
                let next = &table.positions().primary;
                table.take_at_once::<IS_WIDE>((method, cycle), next, first, take)
            }
            None => Err(Missed::Careful(first)),
        }
    }

    /// As [`Worker::pick_at_once`], by a method that goes by something of the request's: `own`.
    ///
    /// # Errors
    ///
    /// If the pick with care must find a peer.
    #[inline(always)]
    pub fn pick_own_at_once(
        &mut self,
        method: Method,
        own: &[u8],
        progress: &mut KeyProgress,
        take: impl Take,
    ) -> Result<(), Missed> {
        let (table, _) = self.plain_table().ok_or(Missed::Careful(None))?;
        table.take_own_at_once(method, own, progress, take)
    }

    /// As [`Worker::pick_own_at_once`], among the peers of a group.
    ///
    /// # Errors
    ///
    /// If the pick with care must find a peer.
    #[inline(always)]
    pub fn pick_own_in_group_at_once(
        &mut self,
        (method, group): (Method, GroupName<'_>),
        own: &[u8],
        progress: &mut KeyProgress,
        take: impl Take,
    ) -> Result<(), Missed> {
        let (table, _) = self.plain_group(group).ok_or(Missed::Careful(None))?;
        table.take_own_at_once(method, own, progress, take)
    }

    /// As [`Worker::pick_at_once`], by `random two` or `peak_ewma`.
    ///
    /// # Errors
    ///
    /// If the pick with care must find a peer. It draws the same random numbers.
    #[inline(always)]
    pub fn pick_of_two_at_once(
        &mut self,
        method: Method,
        now: Now,
        take: impl Take,
    ) -> Result<(), Missed> {
        let (table, _) = self.plain_table().ok_or(Missed::Careful(None))?;
        table.take_of_two_at_once(method, now, take)
    }

    /// As [`Worker::pick_of_two_at_once`], among the peers of a group.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline(always)]
    pub fn pick_of_two_in_group_at_once(
        &mut self,
        (method, group): (Method, GroupName<'_>),
        now: Now,
        take: impl Take,
    ) -> Result<(), Missed> {
        let (table, _) = self.plain_group(group).ok_or(Missed::Careful(None))?;
        table.take_of_two_at_once(method, now, take)
    }

    /// As [`plain_table`](Self::plain_table), of a group that has nothing of its own.
    #[inline(always)]
    fn plain_group(&mut self, name: GroupName<'_>) -> Option<(Table<'_>, NonZeroU64)> {
        if self.exhausted.is_some() {
            return None;
        }
        let table = self.table()?.into_group(name)?;
        table.note_group();
        let cycle = NonZeroU64::new(table.header.primary.cycle)?;
        let is_plain = table.header.traits & PLAIN != 0 && table.header.own.is_none();
        is_plain.then_some((table, cycle))
    }

    /// The current table and the cycle of its plan, if nothing special holds for all of it.
    #[inline(always)]
    fn plain_table(&mut self) -> Option<(Table<'_>, NonZeroU64)> {
        if self.exhausted.is_some() {
            return None;
        }
        let table = self.table()?;
        let cycle = NonZeroU64::new(table.header.primary.cycle)?;
        (table.header.traits & PLAIN != 0).then_some((table, cycle))
    }

    /// Ends a request's hold on its peer, which has answered, if nothing else than the counts has
    /// to change. Nothing is held then.
    #[inline(always)]
    pub fn release_at_once(&mut self, place: &mut Option<PickedPeer>) -> bool {
        self.release_plain(place, |_, _| Some(()), |()| ()).is_some()
    }

    /// As [`Worker::release_at_once`]; `look` is called before the request gives its peer back, and
    /// says whether it may: otherwise the release takes care. `count` is called with what it has
    /// seen, while the peer still counts the request.
    #[inline(always)]
    pub fn release_at_once_after<T>(
        &mut self,
        place: &mut Option<PickedPeer>,
        look: impl FnOnce() -> Option<T>,
        count: impl FnOnce(T),
    ) -> bool {
        self.release_plain(place, |_, _| look(), count).is_some()
    }

    /// As [`Worker::release_at_once_after`]; says whether the peer is there for others as well, as
    /// [`Worker::is_in_service`] does. `None`, and nothing has changed, if the release takes care.
    #[inline(always)]
    pub fn release_at_once_in_service<T>(
        &mut self,
        place: &mut Option<PickedPeer>,
        look: impl FnOnce() -> Option<T>,
        count: impl FnOnce(T),
    ) -> Option<bool> {
        let look = |worker: &Self, peer: &Peer| Some((worker.is_listed(peer), look()?));
        self.release_plain(place, look, |(is_listed, seen)| {
            count(seen);
            is_listed
        })
    }

    /// `look` is called before the request gives the peer back, which has no failures; `count`
    /// with what it has seen, while the peer still counts the request.
    #[inline(always)]
    fn release_plain<S, T>(
        &self,
        place: &mut Option<PickedPeer>,
        look: impl FnOnce(&Self, &Peer) -> Option<S>,
        count: impl FnOnce(S) -> T,
    ) -> Option<T> {
        let at = match place {
            Some(held) if held.traits.is_plain() => held.peer,
            _ => return None,
        };
        let zone = self.zone;
        // SAFETY: the count that keeps the peer is given back below, last.
        let peer = unsafe { zone.peer(at) };
        if peer.fails.load(Ordering::Relaxed) != 0
            || zone.header().limited.load(Ordering::Relaxed) != 0
        {
            return None;
        }
        match look(self, peer) {
            Some(seen) => {
                // Before `count`, so that the place is not needed behind it.
                *place = None;
                let counted = count(seen);
                self.uncount(at, CONNECTION);
                Some(counted)
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests;
