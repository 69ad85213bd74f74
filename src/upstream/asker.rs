//! What asks for a peer, whatever protocol it is of: a request of HTTP's, or a session of stream's.

use core::ptr;

use ngx::ffi::{
    NGX_DECLINED, NGX_LOG_INFO, ngx_int_t, ngx_peer_connection_t, ngx_pool_t, ngx_uint_t,
};
use peer_statistics::Slot;
use peer_zone::{
    Among, GroupName, KeyProgress, Method, Pick, PickContext, PickedGroup, PickedPeer,
    RequestOutcome, Worker,
};

use super::{
    asked_group::AskedGroup, behind::Keyed, copies::Copies, holder::Holder, state::Upstream,
    tried::Tried,
};
use crate::{
    config::{GroupConf, Otherwise},
    nginx::{clock, log},
};

/// What asks for a peer. nginx has it as the data of its callbacks.
pub(crate) trait Asker: Sized {
    /// What nginx has of it.
    type Nginx;
    /// What a peer has answered, as far as that is still to be counted.
    type Answered<'a>
    where
        Self: 'a;

    /// The upstream that it comes to.
    fn upstream(&self) -> &'static Upstream;

    /// The upstream's method.
    fn method(&self) -> Method;

    /// Whether the upstream's figures are counted.
    fn counts(&self) -> bool;

    /// What the method goes by, if it goes by something of its own.
    fn keyed(&self) -> Option<&Keyed>;

    /// The group that it asks for, if the upstream has groups.
    fn group(&self) -> Option<&AskedGroup>;

    /// The peer that it has just now.
    fn open(&self) -> &Holder<Self::Nginx>;

    /// The peers that it has tried.
    fn tried(&self) -> &Tried;

    /// What logs show of them.
    fn copies(&self) -> &Copies;

    /// Its pool.
    fn pool(&self) -> *mut ngx_pool_t;

    /// It has got a peer, whose figures are there.
    fn set_figures(&self, slot: &'static Slot);

    /// Whether nginx says nothing with `state` that is for
    /// [`free_with_care`](Self::free_with_care); `counts`: where figures are counted.
    fn is_plain(state: ngx_uint_t, counts: bool) -> bool;

    /// What its peer has answered; `None` if that takes care to count.
    ///
    /// # Safety
    ///
    /// nginx has called `free` with this connection, and it holds a peer of an upstream whose
    /// figures are counted.
    unsafe fn answered(&self, connection: *mut ngx_peer_connection_t)
    -> Option<Self::Answered<'_>>;

    /// Counts that.
    fn count(answered: Self::Answered<'_>);

    /// Gives it a peer, whatever the upstream and itself are like. `first` is a position of the
    /// method that it has got already.
    ///
    /// # Safety
    ///
    /// As nginx calls `get`, with this as its data.
    unsafe fn get_with_care(
        &self,
        connection: *mut ngx_peer_connection_t,
        first: First,
    ) -> ngx_int_t;

    /// Does what the upstream needs beside a peer, which it has.
    ///
    /// # Safety
    ///
    /// As for [`get_with_care`](Self::get_with_care).
    unsafe fn prepare(&self, connection: *mut ngx_peer_connection_t) -> ngx_int_t;

    /// Takes its peer back, whatever the upstream and itself are like.
    ///
    /// # Safety
    ///
    /// As nginx calls `free`, with this as its data.
    unsafe fn free_with_care(&self, connection: *mut ngx_peer_connection_t, state: ngx_uint_t);
}

/// A position of the method that has been got already, as it is passed between callbacks.
#[repr(C)]
pub(crate) struct First {
    is_there: bool,
    position: u64,
}

impl From<Option<u64>> for First {
    #[inline]
    fn from(position: Option<u64>) -> Self {
        Self { is_there: position.is_some(), position: position.unwrap_or_default() }
    }
}

impl From<First> for Option<u64> {
    #[inline]
    fn from(first: First) -> Self {
        first.is_there.then_some(first.position)
    }
}

/// There is no connection to a peer yet.
///
/// # Safety
///
/// The connection is valid; no reference to it is in use.
#[inline]
pub(crate) unsafe fn reset(connection: *mut ngx_peer_connection_t) {
    // SAFETY: the caller's promise.
    unsafe {
        (*connection).set_cached(0);
        (*connection).connection = ptr::null_mut();
    }
}

/// Why there is no peer to be had.
pub(crate) enum Refused {
    /// None can serve just now.
    Busy,
    /// Its group is unknown or empty, and there is no other for it.
    NoGroup,
    /// Memory is short.
    Failed,
}

/// Picks a peer, which `asker` holds then, and tells nginx where it is. `tell` tells others of it,
/// and says whether there was memory for that.
///
/// # Safety
///
/// `connection` is the one that nginx asks for a peer for; no reference to it is in use.
#[inline]
pub(crate) unsafe fn pick<A: Asker>(
    worker: &mut Worker,
    connection: *mut ngx_peer_connection_t,
    asker: &A,
    context: PickContext<'_>,
    first: Option<u64>,
    tell: impl FnOnce(&mut Worker, &PickedPeer) -> bool,
) -> Result<(), Refused> {
    let (tried, now, keyed) = (asker.tried(), clock::cached(), asker.keyed());
    let key = keyed.map_or(&[][..], |keyed| keyed.hash_key.as_bytes());
    let group = asker.group().zip(asker.upstream().settings().group.as_ref());
    let is_first = tried.is_empty();
    let mut among = match group {
        Some((group, conf)) => {
            if group.is_unresolved() {
                group.resolve(worker, conf, (key, context.sticky));
            }
            group.among(conf).ok_or(Refused::NoGroup)?
        }
        None => Among::Everyone,
    };
    // Behind the peer of a session are those of `else`.
    let others = group.filter(|(group, _)| group.has_session_only());
    let others = others.map_or(0, |(_, conf)| tries_otherwise(worker, conf));
    let context = PickContext { method: asker.method(), key, ..context };
    let mut progress = keyed.map_or_else(KeyProgress::default, |keyed| keyed.progress.get());
    let mut pick_of = |worker: &mut Worker, among, has_others, first| {
        let context = PickContext { among, has_others, ..context };
        let is_tried = |id| tried.contains(id);
        worker.pick_with_care(&context, &mut progress, now, is_tried, (!is_first, first))
    };
    let mut picked = pick_of(worker, among, others > 0, first);
    if let Some((group, conf)) = group
        && matches!(picked, Pick::Busy)
        && !group.is_ok()
    {
        if group.has_session_only() {
            group.leave_session(worker, conf, key);
            among = group.among(conf).ok_or(Refused::NoGroup)?;
            picked = pick_of(worker, among, false, None);
        }
        // The group of `else` is not there, or no group at all.
        if matches!(picked, Pick::Busy) && is_first && worker.tries_among(among) == 0 {
            return Err(Refused::NoGroup);
        }
    }
    if is_first && (group.is_some() || context.sticky.is_some()) {
        let has_session = group.is_some_and(|(group, _)| group.has_session_only());
        let in_service = if has_session { others } else { worker.tries_among(among) };
        // The peer of a session that drains is not among those in service.
        let is_beside = match &picked {
            Pick::Peer(held) => held.is_named() && !worker.gets_new_requests(held),
            Pick::Busy => false,
        };
        // SAFETY: the caller's promise.
        unsafe { limit_tries(connection, in_service + u32::from(is_beside)) };
    }
    if let Some(keyed) = keyed {
        keyed.progress.set(progress);
    }
    let Pick::Peer(held) = picked else { return Err(Refused::Busy) };
    if let Some((group, _)) = group {
        group.set_picked(worker.last_group());
    }
    let address = worker.request_address(&held);
    let text = asker.copies().copy(|| asker.pool(), is_first, address.name_and_key);
    let place = asker.copies().place(|| asker.pool(), is_first);
    let noted = tried.push(held.id(), asker.pool());
    let is_told = tell(worker, &held);
    let (Some(text), Some(place), Some(()), true) = (text, place, noted, is_told) else {
        worker.release_in(picked_group(asker), held, RequestOutcome::Answered, None, now);
        return Err(Refused::Failed);
    };
    // SAFETY: the caller's promise. The place is the asker's own, or was given out just now,
    // aligned for any type.
    unsafe { asker.copies().show(connection, &address, (text, place)) };
    asker.open().hold(held);
    if asker.counts() {
        count_pick(asker, now.milliseconds);
    }
    Ok(())
}

/// The group that it has got its peer from, if the upstream has groups.
pub(crate) fn picked_group<A: Asker>(asker: &A) -> PickedGroup {
    asker.group().map_or(PickedGroup::default(), AskedGroup::picked)
}

/// Says that it gets no peer, since there is no group for it, and that it is not to try again.
///
/// # Safety
///
/// As for [`pick`].
pub(crate) unsafe fn refuse_group<A: Asker>(
    connection: *mut ngx_peer_connection_t,
    asker: &A,
) -> ngx_int_t {
    count_no_peer(asker);
    if let Some(group) = asker.group() {
        let message = group.refuse(asker.upstream());
        // SAFETY: nginx passes a valid connection, with its log.
        log::to(NGX_LOG_INFO, unsafe { (*connection).log }, &message);
    }
    // SAFETY: as above. nginx answers as if no peer could be connected to, without a line of its
    // own: those of "no live upstreams" are errors.
    unsafe { (*connection).tries = 0 };
    NGX_DECLINED as ngx_int_t
}

/// How often a request may be tried among the peers of `else`.
fn tries_otherwise(worker: &mut Worker, conf: &GroupConf) -> u32 {
    match &conf.otherwise {
        Otherwise::Nobody => 0,
        Otherwise::Group(name) => worker.tries_among(Among::Group(GroupName::new(name.as_bytes()))),
        Otherwise::Any => worker.tries_among(Among::Any(0)),
    }
}

/// nginx's count of tries before the first pick of a request or session that asks for a group or
/// comes with a cookie: only with the pick it is known how many there may be, once for each peer in
/// service among those that it chooses from, as nginx's `tries`.
pub(crate) const TRIES_BEFORE_PICK: u32 = u32::MAX;

/// There may be no more tries than this. nginx has lowered its count to that of
/// `proxy_next_upstream_tries` already.
///
/// # Safety
///
/// The connection is valid, and no reference to it is in use.
#[inline(always)]
pub(crate) unsafe fn limit_tries(connection: *mut ngx_peer_connection_t, most: u32) {
    // SAFETY: the caller's promise.
    unsafe { (*connection).tries = (*connection).tries.min(most as ngx_uint_t) };
}

/// Counts that a peer was picked, whatever chose it, at `now` (ms).
fn count_pick<A: Asker>(asker: &A, now: u64) {
    let Some((index, _)) = asker.open().place() else { return };
    let recorder = asker.upstream().recorder();
    recorder.picked(index, now);
    if let Some(slot) = recorder.slots().get(index) {
        asker.set_figures(slot);
    }
    let is_retry = asker.tried().count() > 1;
    recorder.picked_with_care(index, asker.open().choice().reason(), is_retry);
}

/// Counts that there was no peer.
pub(crate) fn count_no_peer<A: Asker>(asker: &A) {
    if asker.counts() {
        asker.upstream().recorder().found_no_peer();
    }
}

/// nginx's count of tries goes on.
///
/// # Safety
///
/// The connection is valid, and no reference to it is in use.
#[inline(always)]
pub(crate) unsafe fn without_this_try(connection: *mut ngx_peer_connection_t) {
    // SAFETY: the caller's promise.
    unsafe { (*connection).tries = (*connection).tries.saturating_sub(1) };
}
