//! nginx's upstream callbacks: a request gets a peer and gives it back.
//!
//! The counterparts in nginx are `ngx_http_upstream_init_round_robin_peer`,
//! `…_get_round_robin_peer` and `…_free_round_robin_peer`.

mod tried;

use core::{
    ffi::c_void,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use ngx::{
    ffi::{
        NGX_BUSY, NGX_DONE, NGX_LOG_WARN, NGX_PEER_FAILED, ngx_current_msec, ngx_http_request_t,
        ngx_http_upstream_srv_conf_t, ngx_http_upstream_t, ngx_int_t, ngx_msec_t, ngx_palloc,
        ngx_peer_connection_t, ngx_pnalloc, ngx_pool_t, ngx_str_t, ngx_time, ngx_uint_t, sockaddr,
        socklen_t,
    },
    http::HttpModule,
};
use peer_drain::Slot;
use peer_zone::{
    Connections, KeyProgress, Method, Now, Pick, PickContext, PickedPeer, RequestOutcome, Worker,
};
#[cfg(nginx1_29_6)]
use upstream_peers::{sid, sid_id};

use self::tried::Tried;
#[cfg(ngx_feature = "http_ssl")]
use crate::tls_sessions;
use crate::{
    conf::UpstreamConf,
    connection_kind::Kind,
    departures, drain, hash_key, keepalive, log,
    module::{ERROR, Module, OK, guard},
    process, sticky,
};

/// What a request keeps of its way through an upstream, in its own pool.
///
/// No larger than it must be: what does not fit into the pool's first block takes another one,
/// which costs more instructions than a pick.
pub(crate) struct RequestPeer {
    /// The upstream; it lives for as long as the cycle, and so longer than the request.
    conf: *mut UpstreamConf,
    upstream_name: *mut ngx_str_t,
    /// What the method goes by, in the request's pool or the connection's; empty where it goes by
    /// nothing of the request's.
    hash_key: ngx_str_t,
    progress: KeyProgress,
    request: *mut ngx_http_request_t,
    /// The peer that the client's cookie names.
    sticky: Option<u64>,
    held: Option<PickedPeer>,
    /// Where it stands among those that a drain would close.
    slot: Option<Slot>,
    /// The kind of its connection to the peer; `None` where none is kept.
    kind: Option<Kind>,
    /// A drain has closed its connection to the peer.
    is_drained: bool,
    /// Connections to the last peer when it was given back, where a variable shows them.
    left: Option<Connections>,
    /// When the peer was picked, in milliseconds of nginx's clock.
    picked: ngx_msec_t,
    tried: Tried,
    /// Copies in the request's pool of what logs and variables show after the peer has been given
    /// back: the key of the last try, and the name of the first, to which nginx keeps a pointer for
    /// each try.
    name: ngx_str_t,
    key: ngx_str_t,
    /// Room for the copies of the first try, so that most requests ask their pool for nothing more.
    copies: [MaybeUninit<u8>; COPIES],
}

/// What a failure counts as, in milliseconds, where it came sooner: a peer that refuses at once
/// must not pass for one that answers at once. Far above the answers of most services, and
/// forgotten within a minute.
const FAILED: ngx_msec_t = 1_000;

/// What nginx has in the place of a time that is not known (`ngx_http_upstream_connect`).
const NO_TIME: ngx_msec_t = ngx_msec_t::MAX;

/// Bytes of an IPv4 address with its port (21), and of a key of usual length.
const COPIES: usize = 48;

impl RequestPeer {
    /// The upstream.
    pub(crate) fn conf(&self) -> &UpstreamConf {
        // SAFETY: see the field; nginx calls one callback at a time, so no other reference is in
        // use.
        unsafe { &*self.conf }
    }

    /// The key of the peer tried last, below the prefix; `None` for a peer without one, and before
    /// the first.
    pub(crate) fn key(&self) -> Option<ngx_str_t> {
        (self.key.len > 0).then_some(self.key)
    }

    /// What the request has gone through in this upstream, or `None`.
    pub(crate) fn of(request: &ngx_http_request_t) -> Option<&Self> {
        // SAFETY: nginx makes room in `ctx` for each module; only `init` writes to this module's
        // place.
        unsafe { (*request.ctx.add(Module::module().ctx_index)).cast::<Self>().as_ref() }
    }

    /// As [`of`](Self::of), to change it.
    pub(crate) fn of_mut(request: &mut ngx_http_request_t) -> Option<&mut Self> {
        // SAFETY: as above.
        unsafe { (*request.ctx.add(Module::module().ctx_index)).cast::<Self>().as_mut() }
    }

    /// The peer that the request has just now.
    pub(crate) fn held(&self) -> Option<&PickedPeer> {
        self.held.as_ref()
    }

    /// A drain closes the connection to the peer, and has taken the request out of its list.
    pub(crate) fn drained(&mut self) {
        self.slot = None;
        self.is_drained = true;
    }

    /// The connection is no longer one of HTTP.
    pub(crate) fn upgraded(&mut self) {
        // SAFETY: as in `conf`.
        let conf = unsafe { &mut *self.conf };
        if let Some(held) = &mut self.held
            && let Some(worker) = process::worker(conf)
        {
            worker.upgrade(held);
        }
    }

    /// Open connections to the peer: of now, while the request has it, and of the moment at which
    /// it gave it back afterwards.
    pub(crate) fn connections(&self) -> Option<Connections> {
        // SAFETY: as in `conf`.
        let worker = process::worker(unsafe { &mut *self.conf });
        self.held.as_ref().zip(worker).map(|(held, worker)| worker.connections(held)).or(self.left)
    }

    /// What the peer took to answer, in microseconds, where the method goes by it: until its header
    /// came or, where that did not come, until now, since it takes longer than that. A peer that
    /// has failed took [`FAILED`] at least.
    fn response_time(&self, outcome: RequestOutcome, now: Now) -> Option<u32> {
        if self.conf().balance().method != Method::LeastTime || self.is_drained {
            return None;
        }
        // SAFETY: nginx makes a state for each try, in the request's pool.
        let state = unsafe { self.upstream().state.as_ref() };
        let until_header = state.map(|state| state.header_time).filter(|&time| time != NO_TIME);
        let milliseconds =
            until_header.unwrap_or((now.milliseconds as ngx_msec_t).wrapping_sub(self.picked));
        let milliseconds =
            if outcome == RequestOutcome::Failed { milliseconds.max(FAILED) } else { milliseconds };
        // nginx's clock goes by milliseconds; what takes less is told from others by the
        // connections that are open.
        Some(u32::try_from(milliseconds).unwrap_or(u32::MAX).saturating_mul(1_000))
    }

    /// The request's; nginx makes it before it calls `init`, and it lives as long as the request.
    pub(crate) fn upstream(&self) -> &ngx_http_upstream_t {
        // SAFETY: the request lives, since what it keeps here does.
        unsafe { &*(*self.request).upstream }
    }

    /// Whether one more try is within `proxy_next_upstream_tries`. nginx's own count begins with
    /// the peers that there were then, of which a request that has waited for hours knows nothing
    /// any more.
    fn may_try_again(&self) -> bool {
        // SAFETY: nginx sets it before it calls `init`, and it lives as long as the cycle.
        let most = unsafe { (*self.upstream().conf).next_upstream_tries };
        most == 0 || self.tried.count() < most
    }

    fn pool(&self) -> *mut ngx_pool_t {
        // SAFETY: as in `upstream`.
        unsafe { (*self.request).pool }
    }

    fn worker(&mut self) -> Option<&mut Worker> {
        // SAFETY: as in `conf`.
        process::worker(unsafe { &mut *self.conf })
    }
}

/// The moment, by nginx's cached clocks.
pub(crate) fn now() -> Now {
    // SAFETY: nginx sets it, from the event loop. It is of the clock that `monotonic` reads.
    Now { seconds: seconds(), milliseconds: unsafe { ngx_current_msec } as u64 }
}

/// Seconds, by nginx's cached clock, as the zone keeps them.
pub(crate) fn seconds() -> u32 {
    // The zone compares differences only, so that the cut in 2106 does no harm but to one of them.
    ngx_time() as u32
}

/// Called by nginx when a request comes to the upstream.
pub(crate) unsafe extern "C" fn init(
    request: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request, whose `upstream` it has made, and the upstream's
        // configuration.
        let (request, us, upstream) =
            unsafe { (&mut *request, &mut *us, &mut *(*request).upstream) };
        let Some(conf) = UpstreamConf::of(us) else { return ERROR };
        let balance = conf.balance();
        let hash_key = if balance.goes_by_request() {
            // SAFETY: nginx passes a valid request, to an upstream of its own cycle.
            match unsafe { hash_key::key_of(&balance, request) } {
                Some(key) => key,
                None => return ERROR,
            }
        } else {
            ngx_str_t::empty()
        };
        // SAFETY: the request's pool is valid for as long as the request.
        let peer =
            unsafe { ngx_palloc(request.pool, size_of::<RequestPeer>()) }.cast::<RequestPeer>();
        if peer.is_null() {
            return ERROR;
        }
        let value = RequestPeer {
            conf,
            upstream_name: &raw mut us.host,
            hash_key,
            progress: KeyProgress::default(),
            request,
            // SAFETY: nginx passes a valid request, to an upstream of its own cycle.
            sticky: conf
                .sticky
                .as_ref()
                .and_then(|sticky| unsafe { sticky::cookie_of(request, sticky) }),
            held: None,
            slot: None,
            kind: None,
            is_drained: false,
            left: None,
            picked: 0,
            tried: Tried::default(),
            name: ngx_str_t::empty(),
            key: ngx_str_t::empty(),
            copies: [const { MaybeUninit::uninit() }; COPIES],
        };
        // SAFETY: the pool gave out as many bytes, aligned for any type; the module's place in
        // `ctx` is there.
        unsafe {
            peer.write(value);
            *request.ctx.add(Module::module().ctx_index) = peer.cast();
        }
        let tries = conf.zone.map_or(0, |zone| zone.tries());
        upstream.peer.data = peer.cast();
        upstream.peer.get = Some(get);
        upstream.peer.free = Some(free);
        upstream.peer.tries = tries as ngx_uint_t;
        #[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
        {
            upstream.peer.set_session = Some(set_session);
            upstream.peer.save_session = Some(save_session);
        }
        OK
    })
}

unsafe extern "C" fn get(connection: *mut ngx_peer_connection_t, data: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes what `init` has set, for a request that lives.
        let (connection, peer) = unsafe { (&mut *connection, &mut *data.cast::<RequestPeer>()) };
        connection.set_cached(0);
        connection.connection = ptr::null_mut();

        let takes_hints = peer.conf().takes_hints;
        #[cfg(nginx1_29_6)]
        if takes_hints {
            // SAFETY: whoever called this has set it for this call, or nobody has.
            peer.sticky = unsafe { connection.hint.as_ref() }.map(|hint| sid_id(hint.as_bytes()));
        }
        let now = now();
        let (balance, pool, grace) = (peer.conf().balance(), peer.pool(), peer.conf().grace());
        let RequestPeer { conf, tried, hash_key, progress, sticky, .. } = peer;
        // SAFETY: the upstream lives for as long as the cycle; nothing else refers to it now.
        let Some(worker) = process::worker(unsafe { &mut **conf }) else {
            return busy(connection, peer);
        };
        let wish = PickContext {
            method: balance.method,
            key: hash_key.as_bytes(),
            sticky: *sticky,
            grace,
            leaves_backups: takes_hints,
        };
        let held =
            match worker.pick(&wish, progress, now, |id| tried.contains(id), !tried.is_empty()) {
                Pick::Peer(held) => held,
                Pick::Busy => return busy(connection, peer),
            };
        let (socket_address, name, key) = worker.address(&held);
        connection.sockaddr = socket_address.as_ptr().cast_mut().cast::<sockaddr>();
        // A socket address is at most as long as a `sockaddr_un`.
        connection.socklen = socket_address.len() as socklen_t;
        let is_first = tried.is_empty();
        let room = if is_first { &mut peer.copies[..] } else { &mut [] };
        let place = if is_first { Some(NonNull::from(&mut peer.name)) } else { further_name(pool) };
        let copies = copy(room, pool, name, key);
        let noted = tried.push(held.id(), pool);
        let named = match (&peer.conf().sticky, held.sticky()) {
            // SAFETY: the request asks for a peer, so that it has no answer yet.
            (Some(sticky), Some(id)) => unsafe { sticky::set_cookie(peer.request, sticky, id) },
            _ => Some(()),
        };
        #[cfg(nginx1_29_6)]
        let named = match named {
            Some(()) if takes_hints => name_to_others(connection, worker, &held, name, pool),
            named => named,
        };
        let (Some((name, key)), Some(place), Some(()), Some(())) = (copies, place, noted, named)
        else {
            worker.release(held, RequestOutcome::Answered, None, now);
            return ERROR;
        };
        let id = held.id();
        // SAFETY: it is the request's own, or was given out just now, aligned for any type; nothing
        // refers to it yet.
        unsafe { place.write(name) };
        peer.key = key;
        let own = NonNull::from(&mut *peer);
        // SAFETY: the upstream lives for as long as the cycle; nothing else refers to it now.
        peer.slot = drain::enter(unsafe { &mut *peer.conf }, own, &held, peer.sticky.is_some());
        peer.is_drained = false;
        peer.held = Some(held);
        peer.picked = now.milliseconds as ngx_msec_t;
        connection.name = place.as_ptr();
        let Some(keepalive) = peer.conf().keepalive else { return OK };
        // SAFETY: the upstream lives for as long as the cycle; nothing else refers to it now.
        departures::read(unsafe { &mut *peer.conf }, now.milliseconds);
        // SAFETY: the request lives, and nginx initialises an upstream before it asks for a peer.
        peer.kind = unsafe { Kind::of_connection(peer.request, keepalive.is_local) };
        let Some(kind) = peer.kind else { return ERROR };
        let Some(idle) = keepalive::take(peer.conf(), id, kind, connection.log) else { return OK };
        connection.connection = idle.as_ptr();
        connection.set_cached(1);
        NGX_DONE as ngx_int_t
    })
}

/// Tells the modules before this one the name of the peer that the request has got, as nginx's own
/// methods do: its route, or what is made of its address.
///
/// `None` where the request's pool has no memory.
#[cfg(nginx1_29_6)]
fn name_to_others(
    connection: &mut ngx_peer_connection_t,
    worker: &mut Worker,
    held: &PickedPeer,
    address: &[u8],
    pool: *mut ngx_pool_t,
) -> Option<()> {
    // SAFETY: the pool is the request's, and gives out memory that is aligned for any type.
    let copied = |name: &[u8]| unsafe {
        let place = NonNull::new(ngx_palloc(pool, size_of::<ngx_str_t>()).cast::<ngx_str_t>())?;
        place.write(ngx_str_t::from_bytes(pool, name)?);
        Some(place)
    };
    let name = worker.with_route(held, |route| match route {
        Some(route) => copied(route),
        None => copied(&sid(address)),
    });
    connection.sid = name?.as_ptr();
    Some(())
}

/// No peer can be had: nginx answers "no live upstreams".
fn busy(connection: &mut ngx_peer_connection_t, peer: &RequestPeer) -> ngx_int_t {
    connection.name = peer.upstream_name;
    NGX_BUSY as ngx_int_t
}

/// A place for the name of a further try: `$upstream_addr` shows those before, each by the pointer
/// that nginx got.
fn further_name(pool: *mut ngx_pool_t) -> Option<NonNull<ngx_str_t>> {
    // SAFETY: the pool is the request's.
    NonNull::new(unsafe { ngx_palloc(pool, size_of::<ngx_str_t>()) }.cast())
}

/// Copies both, one behind the other, into the room where it is enough, else into the pool.
fn copy(
    room: &mut [MaybeUninit<u8>],
    pool: *mut ngx_pool_t,
    name: &[u8],
    key: &[u8],
) -> Option<(ngx_str_t, ngx_str_t)> {
    let length = name.len() + key.len();
    let start = if length <= room.len() {
        room.as_mut_ptr().cast::<u8>()
    } else {
        // SAFETY: the pool is the request's.
        NonNull::new(unsafe { ngx_pnalloc(pool, length) }.cast::<u8>())?.as_ptr()
    };
    // SAFETY: there is room for as many bytes as are written.
    unsafe {
        ptr::copy_nonoverlapping(name.as_ptr(), start, name.len());
        let behind = start.add(name.len());
        ptr::copy_nonoverlapping(key.as_ptr(), behind, key.len());
        Some((
            ngx_str_t { len: name.len(), data: start },
            ngx_str_t { len: key.len(), data: behind },
        ))
    }
}

unsafe extern "C" fn free(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    guard((), || {
        // SAFETY: nginx passes what `init` has set, for a request that lives.
        let (connection, peer) = unsafe { (&mut *connection, &mut *data.cast::<RequestPeer>()) };
        if peer.is_drained {
            // SAFETY: the request lives, and so does its client's connection.
            unsafe { drain::linger((*peer.request).connection) };
        }
        // What a drain closes is no fault of the peer's.
        let failed = state & NGX_PEER_FAILED as ngx_uint_t != 0 && !peer.is_drained;
        let outcome = if failed { RequestOutcome::Failed } else { RequestOutcome::Answered };
        if let Some(held) = peer.held.take() {
            let id = held.id();
            if let Some(slot) = peer.slot.take() {
                // SAFETY: the upstream lives for as long as the cycle; nothing else refers to it
                // now.
                drain::leave(unsafe { &mut *peer.conf }, &held, slot);
            }
            // A peer that has left meanwhile is to have no idle connections.
            if let Some(kind) = peer.kind
                && !failed
                && !peer.is_drained
                && peer.worker().is_some_and(|worker| worker.is_in_service(&held))
            {
                keepalive::keep(peer.conf(), id, kind, connection, peer.upstream());
            }
            let now = now();
            let response_time = peer.response_time(outcome, now);
            if peer.conf().shows_connections {
                peer.left = peer.worker().map(|worker| worker.connections_without(&held));
            }
            if let Some(worker) = peer.worker()
                && worker.release(held, outcome, response_time, now)
            {
                log::to(NGX_LOG_WARN, connection.log, "upstream server temporarily disabled");
                keepalive::close_peer(peer.conf(), id);
            }
        }
        connection.tries = connection.tries.saturating_sub(1);
        if peer.is_drained && connection.tries == 0 && peer.may_try_again() {
            connection.tries = 1;
        }
    });
}

/// Called by nginx before a connection to the peer shakes hands, where `proxy_ssl_session_reuse` is
/// on.
#[cfg(ngx_feature = "http_ssl")]
unsafe extern "C" fn set_session(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes what `init` has set, for a request that lives, and a connection with
        // TLS.
        unsafe {
            let (connection, peer) = ((*connection).connection, &*data.cast::<RequestPeer>());
            let Some(held) = &peer.held else { return OK };
            let Some(kind) = Kind::of_session(peer.request) else { return ERROR };
            tls_sessions::offer(peer.conf(), held.id(), kind, connection)
        }
    })
}

/// Called by nginx when a connection to the peer has agreed on a session; with TLS 1.3 that is
/// after the handshake, and may be several times.
#[cfg(ngx_feature = "http_ssl")]
unsafe extern "C" fn save_session(connection: *mut ngx_peer_connection_t, data: *mut c_void) {
    guard((), || {
        // SAFETY: as in `set_session`.
        unsafe {
            let (connection, peer) = ((*connection).connection, &*data.cast::<RequestPeer>());
            let Some(held) = &peer.held else { return };
            let Some(kind) = Kind::of_session(peer.request) else { return };
            tls_sessions::save(peer.conf(), held.id(), kind, connection);
        }
    });
}

/// An nginx without TLS has places for both, and never calls them.
#[cfg(all(ngx_feature = "compat", not(ngx_feature = "http_ssl")))]
unsafe extern "C" fn set_session(
    _connection: *mut ngx_peer_connection_t,
    _data: *mut c_void,
) -> ngx_int_t {
    OK
}

#[cfg(all(ngx_feature = "compat", not(ngx_feature = "http_ssl")))]
unsafe extern "C" fn save_session(_connection: *mut ngx_peer_connection_t, _data: *mut c_void) {}
