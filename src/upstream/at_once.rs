//! nginx's upstream callbacks where nothing special holds for a request or session and its peer.
//!
//! Each is the code of one protocol and one method, which nothing has to ask for. Those of the most
//! frequent methods call a function in their last step only, so that they save few registers.
//! Everything that is not handled here is a call of the protocol's own callbacks, with the position
//! of the method that has been got already.

use core::{ffi::c_void, marker::PhantomData};

use ngx::ffi::{ngx_int_t, ngx_peer_connection_t, ngx_uint_t};
use peer_zone::{GroupName, KeyProgress, Method, Missed, PickedPeer, RequestAddress, Take, Worker};

use super::asker::{Asker, First, limit_tries, reset, without_this_try};
use crate::nginx::{
    callback::{ERROR, OK, guard},
    clock,
};

/// A method that looks at few peers.
trait AtOnce {
    /// Whether the pick calls other functions in any case.
    const CALLS: bool;

    /// See [`Worker::pick_at_once`].
    fn pick<const IS_WIDE: bool>(
        worker: &mut Worker,
        asker: &impl Asker,
        first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed>;

    /// See [`Worker::pick_in_group_at_once`].
    fn pick_in_group<const IS_WIDE: bool>(
        worker: &mut Worker,
        asker_and_group: (&impl Asker, GroupName<'_>),
        first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed>;
}

/// Declares a method whose order is that of all requests and sessions.
macro_rules! by_order {
    ($method:ident) => {
        struct $method;

        impl AtOnce for $method {
            const CALLS: bool = false;

            #[inline(always)]
            fn pick<const IS_WIDE: bool>(
                worker: &mut Worker,
                _asker: &impl Asker,
                first: Option<u64>,
                take: impl Take,
            ) -> Result<(), Missed> {
                worker.pick_at_once::<IS_WIDE>(Method::$method, first, take)
            }

            #[inline(always)]
            fn pick_in_group<const IS_WIDE: bool>(
                worker: &mut Worker,
                (_, group): (&impl Asker, GroupName<'_>),
                first: Option<u64>,
                take: impl Take,
            ) -> Result<(), Missed> {
                worker.pick_in_group_at_once::<IS_WIDE>(Method::$method, group, first, take)
            }
        }
    };
}

by_order!(RoundRobin);
by_order!(LeastConn);
by_order!(Random);

/// A method that goes by something of the request's or session's.
struct ByKey;

impl AtOnce for ByKey {
    const CALLS: bool = true;

    #[inline(always)]
    fn pick<const IS_WIDE: bool>(
        worker: &mut Worker,
        asker: &impl Asker,
        first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed> {
        let keyed = asker.keyed().ok_or(Missed::Careful(first))?;
        let mut progress = KeyProgress::default();
        let (method, own) = (asker.method(), keyed.hash_key.as_bytes());
        worker.pick_own_at_once(method, own, &mut progress, take)?;
        keyed.progress.set(progress);
        Ok(())
    }

    #[inline(always)]
    fn pick_in_group<const IS_WIDE: bool>(
        worker: &mut Worker,
        (asker, group): (&impl Asker, GroupName<'_>),
        first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed> {
        let keyed = asker.keyed().ok_or(Missed::Careful(first))?;
        let mut progress = KeyProgress::default();
        let (method, own) = (asker.method(), keyed.hash_key.as_bytes());
        worker.pick_own_in_group_at_once((method, group), own, &mut progress, take)?;
        keyed.progress.set(progress);
        Ok(())
    }
}

/// A method that compares two peers.
struct OfTwo;

impl AtOnce for OfTwo {
    const CALLS: bool = true;

    #[inline(always)]
    fn pick<const IS_WIDE: bool>(
        worker: &mut Worker,
        asker: &impl Asker,
        _first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed> {
        worker.pick_of_two_at_once(asker.method(), clock::cached(), take)
    }

    #[inline(always)]
    fn pick_in_group<const IS_WIDE: bool>(
        worker: &mut Worker,
        (asker, group): (&impl Asker, GroupName<'_>),
        _first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed> {
        worker.pick_of_two_in_group_at_once((asker.method(), group), clock::cached(), take)
    }
}

type Free = unsafe extern "C" fn(*mut ngx_peer_connection_t, *mut c_void, ngx_uint_t);
type Get = unsafe extern "C" fn(*mut ngx_peer_connection_t, *mut c_void) -> ngx_int_t;

/// The callback `get` of a method, for an upstream that needs this of it. `None` if the method
/// compares all peers.
pub(crate) fn get_of<A: Asker>(method: Method, get_by: GetBy) -> Option<Get> {
    match method {
        Method::RoundRobin => Some(get_by.method::<A, RoundRobin>()),
        Method::LeastConn => Some(get_by.method::<A, LeastConn>()),
        Method::Random => Some(get_by.method::<A, Random>()),
        Method::Hash | Method::HashConsistent | Method::IpHash => Some(get_by.method::<A, ByKey>()),
        Method::RandomTwo | Method::PeakEwma => Some(get_by.method::<A, OfTwo>()),
        Method::LeastTime(_) => None,
    }
}

/// What an upstream needs of the callback.
#[derive(Clone, Copy)]
pub(crate) struct GetBy {
    /// More than a peer.
    pub(crate) prepares: bool,
    /// Its figures are counted.
    pub(crate) counts: bool,
    /// Its peers are in groups.
    pub(crate) is_grouped: bool,
}

impl GetBy {
    fn method<A: Asker, M: AtOnce>(self) -> Get {
        if self.is_grouped {
            return self.among::<A, M, true>();
        }
        self.among::<A, M, false>()
    }

    fn among<A: Asker, M: AtOnce, const IN_GROUP: bool>(self) -> Get {
        match (self.prepares, self.counts) {
            (false, false) => get::<A, M, IN_GROUP, false, false>,
            (false, true) => get::<A, M, IN_GROUP, false, true>,
            (true, false) => get::<A, M, IN_GROUP, true, false>,
            (true, true) => get::<A, M, IN_GROUP, true, true>,
        }
    }
}

unsafe extern "C" fn get<
    A: Asker,
    M: AtOnce,
    const IN_GROUP: bool,
    const PREPARES: bool,
    const COUNTS: bool,
>(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes what `init` has set, for a request or session that lives, and nobody
        // makes a `&mut` to it.
        let asker = unsafe { &*data.cast::<A>() };
        // SAFETY: nginx passes a valid connection. It stays a pointer: nginx has it too.
        unsafe { reset(connection) };
        let missed = if asker.tried().is_empty() {
            // SAFETY: as above; no peer has been tried.
            match unsafe { pick::<A, M, IN_GROUP, false, COUNTS>(connection, asker, None) } {
                // SAFETY: as above.
                Ok(()) if PREPARES => return unsafe { asker.prepare(connection) },
                Ok(()) => return OK,
                Err(missed) => missed,
            }
        } else {
            Missed::Careful(None)
        };
        // SAFETY: as above.
        unsafe {
            match missed {
                Missed::Narrow(first) => {
                    get_wide::<A, M, IN_GROUP, PREPARES, COUNTS>(connection, asker, first.into())
                }
                Missed::Careful(first) => asker.get_with_care(connection, first.into()),
            }
        }
    })
}

/// As [`get`], for any order of the peers and any text that is copied of one.
///
/// It has a guard itself: its callers end with the call.
///
/// # Safety
///
/// As for [`Asker::get_with_care`]. No peer has been tried.
#[inline(never)]
unsafe extern "C" fn get_wide<
    A: Asker,
    M: AtOnce,
    const IN_GROUP: bool,
    const PREPARES: bool,
    const COUNTS: bool,
>(
    connection: *mut ngx_peer_connection_t,
    asker: &A,
    first: First,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: the caller's promise.
        unsafe {
            match pick::<A, M, IN_GROUP, true, COUNTS>(connection, asker, first.into()) {
                Ok(()) if PREPARES => asker.prepare(connection),
                Ok(()) => OK,
                Err(Missed::Narrow(first) | Missed::Careful(first)) => {
                    asker.get_with_care(connection, first.into())
                }
            }
        }
    })
}

/// What asks for a peer, and has tried none.
struct Asking<'a, A, M, const IS_WIDE: bool, const COUNTS: bool> {
    /// What nginx asks with: it is valid, and no reference to it is in use.
    connection: *mut ngx_peer_connection_t,
    asker: &'a A,
    method: PhantomData<M>,
}

impl<A: Asker, M: AtOnce, const IS_WIDE: bool, const COUNTS: bool> Take
    for Asking<'_, A, M, IS_WIDE, COUNTS>
{
    #[inline(always)]
    fn take(self, held: impl FnOnce() -> PickedPeer, address: &RequestAddress<'_>) -> bool {
        let (asker, copies, text) = (self.asker, self.asker.copies(), address.name_and_key);
        let copied = if IS_WIDE || M::CALLS {
            copies.copy(|| asker.pool(), true, text)
        } else {
            copies.copy_short(text)
        };
        let Some(text) = copied else { return false };
        // SAFETY: the connection is as the field says; the place is the asker's own.
        unsafe { copies.show(self.connection, address, (text, copies.first_name())) };
        let held = held();
        let index = held.index();
        asker.tried().begin(held.id());
        asker.open().begin(held);
        // Last, so that nothing of the peer waits on the stack meanwhile.
        if COUNTS {
            let recorder = asker.upstream().recorder();
            // SAFETY: the process has an entry in the zone, by which it has got the peer, and so
            // `recorder` a slot for each index.
            let slot = unsafe { recorder.slots().get_unchecked(index) };
            recorder.picked_at(slot, clock::milliseconds());
            asker.set_figures(slot);
        }
        true
    }
}

/// Picks a peer, which the asker holds then; nginx is told where it is.
///
/// # Safety
///
/// As for [`Asker::get_with_care`]. No peer has been tried.
#[inline(always)]
unsafe fn pick<
    A: Asker,
    M: AtOnce,
    const IN_GROUP: bool,
    const IS_WIDE: bool,
    const COUNTS: bool,
>(
    connection: *mut ngx_peer_connection_t,
    asker: &A,
    first: Option<u64>,
) -> Result<(), Missed> {
    // SAFETY: a pick and what it calls here change the asker and counts, and ask nginx for memory.
    let picked = unsafe {
        let take = Asking::<A, M, IS_WIDE, COUNTS> { connection, asker, method: PhantomData };
        if IN_GROUP {
            pick_in_group::<A, M, IS_WIDE, COUNTS>(asker, first, take)
        } else {
            asker
                .upstream()
                .with_worker_alone(|worker| M::pick::<IS_WIDE>(worker, asker, first, take))
        }
    };
    picked.unwrap_or(Err(Missed::Careful(first)))
}

/// As [`pick`], among the peers of the group that the asker asks for.
///
/// # Safety
///
/// As for [`pick`].
#[inline(always)]
unsafe fn pick_in_group<A: Asker, M: AtOnce, const IS_WIDE: bool, const COUNTS: bool>(
    asker: &A,
    first: Option<u64>,
    take: Asking<'_, A, M, IS_WIDE, COUNTS>,
) -> Option<Result<(), Missed>> {
    let group = asker.group()?;
    let name = group.asked()?;
    let connection = take.connection;
    // SAFETY: as in `pick`.
    unsafe {
        asker.upstream().with_worker_alone(|worker| {
            M::pick_in_group::<IS_WIDE>(worker, (asker, name), first, take)?;
            group.set_served(worker.last_group());
            limit_tries(connection, worker.last_tries());
            Ok(())
        })
    }
}

/// The callback `free`; `counts`: for an upstream whose figures are counted.
pub(crate) fn free_of<A: Asker>(counts: bool) -> Free {
    if counts { free::<A, true> } else { free::<A, false> }
}

/// Called by nginx when a request or session gives its peer back.
unsafe extern "C" fn free<A: Asker, const COUNTS: bool>(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    guard((), || {
        // SAFETY: as in `get`.
        let asker = unsafe { &*data.cast::<A>() };
        let release = |worker: &mut Worker| {
            // SAFETY: nginx calls this with a valid connection. What is looked at and counted is no
            // part of `open`.
            unsafe {
                if COUNTS {
                    let look = || asker.answered(connection);
                    asker.open().release_at_once_after(worker, look, |answered| {
                        without_this_try(connection);
                        A::count(answered);
                    })
                } else {
                    asker.open().release_at_once(worker)
                }
            }
        };
        let is_released = A::is_plain(state, COUNTS) && {
            // SAFETY: to release a peer changes counts only.
            unsafe { asker.upstream().with_worker_alone(release) == Some(true) }
        };
        if is_released {
            if !COUNTS {
                // SAFETY: nginx passes a valid connection.
                unsafe { without_this_try(connection) };
            }
        } else {
            // SAFETY: as nginx calls this.
            unsafe { asker.free_with_care(connection, state) };
        }
    });
}
