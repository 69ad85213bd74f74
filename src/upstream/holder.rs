//! What has a peer, a request of HTTP's or a session of stream's, as far as the drain of that peer
//! goes.

use core::cell::Cell;

use peer_drain::Slot;
use peer_zone::{PickedPeer, Worker};

use super::choice::Choice;
use crate::nginx::log;

/// A part of what the module keeps for each request or session: it stays where it is, for as long
/// as that. `Q` is what nginx has of it.
///
/// Nobody has a `&mut` to it: what changes is in a `Cell`. The list of a drain has pointers to it
/// that are made of a `&`, and that stay valid whatever the request's callbacks do meanwhile.
pub(crate) struct Holder<Q> {
    pub(crate) request: *mut Q,
    /// The peer that the request has just now.
    held: Cell<Option<PickedPeer>>,
    /// Where it stands among those that a drain would close.
    pub(crate) slot: Cell<Option<Slot>>,
    /// What a drain of its peer has made of it.
    drained: Cell<Drained>,
    /// Why it got the peer that it has or had.
    choice: Cell<Choice>,
}

/// What a drain of its peer has made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drained {
    No,
    /// It was to close the connection, while nginx was to read more of the peer than it could.
    Behind,
    Closed,
}

/// Logs that a request or session could not give its peer back: the zone keeps the peer's memory
/// for as long as it counts that.
#[cold]
#[inline(never)]
pub(crate) fn report_uncounted() {
    log::error(
        "etcd: internal error: a request cannot be uncounted; its peer counts it until this \
         process ends",
    );
}

/// Puts a peer back that was taken out of its place for a while, also where a panic ends that.
struct Loan<'a> {
    place: &'a Cell<Option<PickedPeer>>,
    held: Option<PickedPeer>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.place.set(self.held.take());
    }
}

impl<Q> Holder<Q> {
    /// A request without a peer.
    pub(crate) fn new(request: *mut Q) -> Self {
        Self {
            request,
            held: Cell::new(None),
            slot: Cell::new(None),
            drained: Cell::new(Drained::No),
            choice: Cell::new(Choice::default()),
        }
    }

    /// The request has a peer.
    #[inline]
    pub(crate) fn hold(&self, held: PickedPeer) {
        self.drained.set(Drained::No);
        self.choice.set(Choice::of(&held));
        self.held.set(Some(held));
    }

    /// As [`hold`](Self::hold), for the first peer.
    #[inline]
    pub(crate) fn begin(&self, held: PickedPeer) {
        self.held.set(Some(held));
    }

    /// The request gives its peer back.
    #[inline]
    pub(crate) fn take(&self) -> Option<PickedPeer> {
        self.held.take()
    }

    /// Gives the peer back if that takes no care (see [`Worker::release_at_once`]). Says whether it
    /// has.
    #[inline(always)]
    pub(crate) fn release_at_once(&self, worker: &mut Worker) -> bool {
        // SAFETY: the place is a `Cell`'s, so that there is no other reference to what is in it,
        // and nothing that is called meanwhile comes here.
        worker.release_at_once(unsafe { &mut *self.held.as_ptr() })
    }

    /// As [`release_at_once`](Self::release_at_once); see [`Worker::release_at_once_after`].
    ///
    /// # Safety
    ///
    /// `look` and `count` do not use this.
    #[inline(always)]
    pub(crate) unsafe fn release_at_once_after<T>(
        &self,
        worker: &mut Worker,
        look: impl FnOnce() -> Option<T>,
        count: impl FnOnce(T),
    ) -> bool {
        // SAFETY: as in `release_at_once`, and the caller's promise.
        worker.release_at_once_after(unsafe { &mut *self.held.as_ptr() }, look, count)
    }

    /// As [`release_at_once`](Self::release_at_once); says whether the peer is in service (see
    /// [`Worker::release_at_once_in_service`]).
    ///
    /// # Safety
    ///
    /// As for [`release_at_once_after`](Self::release_at_once_after).
    #[inline(always)]
    pub(crate) unsafe fn release_at_once_in_service<T>(
        &self,
        worker: &mut Worker,
        look: impl FnOnce() -> Option<T>,
        count: impl FnOnce(T),
    ) -> Option<bool> {
        // SAFETY: as in `release_at_once`, and the caller's promise.
        worker.release_at_once_in_service(unsafe { &mut *self.held.as_ptr() }, look, count)
    }

    /// Why the request got its last peer.
    pub(crate) fn choice(&self) -> Choice {
        self.choice.get()
    }

    /// Calls `call` with the peer that the request has; `None` where it has none, or where a caller
    /// further up has it.
    pub(crate) fn with_held<R>(&self, call: impl FnOnce(&mut PickedPeer) -> R) -> Option<R> {
        let mut loan = Loan { place: &self.held, held: self.held.take() };
        loan.held.as_mut().map(call)
    }

    /// The id of the peer that the request has.
    #[inline]
    pub(crate) fn id(&self) -> Option<u64> {
        // SAFETY: as in `release_at_once`.
        unsafe { &*self.held.as_ptr() }.as_ref().map(PickedPeer::id)
    }

    /// The index in the zone and the id of the peer that the request has.
    #[inline]
    pub(crate) fn place(&self) -> Option<(usize, u64)> {
        // SAFETY: as in `release_at_once`.
        unsafe { &*self.held.as_ptr() }.as_ref().map(|held| (held.index(), held.id()))
    }

    /// A drain has closed its connection to the peer.
    pub(crate) fn is_drained(&self) -> bool {
        self.drained.get() == Drained::Closed
    }

    /// A drain has found that nginx is to read more of the peer than it can, or not. Says whether
    /// one has ever.
    pub(crate) fn note_behind(&self, is_behind: bool) -> bool {
        if is_behind {
            self.drained.set(Drained::Behind);
        }
        self.drained.get() == Drained::Behind
    }

    /// A drain closes the connection to the peer, and has taken the request out of its list.
    pub(crate) fn drained(&self) {
        self.slot.set(None);
        self.drained.set(Drained::Closed);
    }
}
