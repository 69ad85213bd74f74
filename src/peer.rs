//! nginx's upstream callbacks: a request gets a peer and gives it back.
//!
//! The counterparts in nginx are `ngx_http_upstream_init_round_robin_peer`, `…_get_round_robin_peer` and `…_free_round_robin_peer`.

mod tried;

use core::{
    ffi::c_void,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use ngx::{
    ffi::{
        NGX_BUSY, NGX_LOG_WARN, NGX_PEER_FAILED, ngx_http_request_t, ngx_http_upstream_srv_conf_t, ngx_int_t,
        ngx_palloc, ngx_peer_connection_t, ngx_pnalloc, ngx_pool_t, ngx_str_t, ngx_time, ngx_uint_t,
        sockaddr, socklen_t,
    },
    http::HttpModule,
};
use peer_zone::{Held, Outcome, Pick, Worker};

use self::tried::Tried;
use crate::{
    conf::UpstreamConf,
    log,
    module::{ERROR, Module, OK, guard},
    process,
};

/// What a request keeps of its way through an upstream, in its own pool.
pub(crate) struct RequestPeer {
    /// The upstream; it lives for as long as the cycle, and so longer than the request.
    conf: *mut UpstreamConf,
    upstream_name: *mut ngx_str_t,
    pool: *mut ngx_pool_t,
    held: Option<Held>,
    tried: Tried,
    /// Copies in the request's pool of what logs and variables show after the peer has been given back.
    name: ngx_str_t,
    key: ngx_str_t,
    /// Room for the copies of the first try, so that most requests ask their pool for nothing more.
    copies: [MaybeUninit<u8>; COPIES],
}

/// Bytes of an IPv4 address with its port (21), and of a key of usual length.
const COPIES: usize = 64;

impl RequestPeer {
    /// The upstream.
    pub(crate) fn conf(&self) -> &UpstreamConf {
        // SAFETY: see the field; nginx calls one callback at a time, so no other reference is in use.
        unsafe { &*self.conf }
    }

    /// The key of the peer tried last, below the prefix; `None` for a peer without one, and before the first.
    pub(crate) fn key(&self) -> Option<ngx_str_t> {
        (self.key.len > 0).then_some(self.key)
    }

    /// What the request has gone through in this upstream, or `None`.
    pub(crate) fn of(request: &ngx_http_request_t) -> Option<&Self> {
        // SAFETY: nginx makes room in `ctx` for each module; only `init` writes to this module's place.
        unsafe { (*request.ctx.add(Module::module().ctx_index)).cast::<Self>().as_ref() }
    }

    fn worker(&mut self) -> Option<&mut Worker> {
        // SAFETY: as in `conf`.
        process::worker(unsafe { &mut *self.conf })
    }
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
        // SAFETY: nginx passes a valid request, whose `upstream` it has made, and the upstream's configuration.
        let (request, us, upstream) = unsafe { (&mut *request, &mut *us, &mut *(*request).upstream) };
        let Some(conf) = UpstreamConf::of(us) else { return ERROR };
        // SAFETY: the request's pool is valid for as long as the request.
        let peer = unsafe { ngx_palloc(request.pool, size_of::<RequestPeer>()) }.cast::<RequestPeer>();
        if peer.is_null() {
            return ERROR;
        }
        let value = RequestPeer {
            conf,
            upstream_name: &raw mut us.host,
            pool: request.pool,
            held: None,
            tried: Tried::default(),
            name: ngx_str_t::empty(),
            key: ngx_str_t::empty(),
            copies: [const { MaybeUninit::uninit() }; COPIES],
        };
        // SAFETY: the pool gave out as many bytes, aligned for any type; the module's place in `ctx` is there.
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

        let RequestPeer { conf, tried, .. } = peer;
        // SAFETY: the upstream lives for as long as the cycle; nothing else refers to it now.
        let Some(worker) = process::worker(unsafe { &mut **conf }) else {
            return busy(connection, peer);
        };
        let held = match worker.pick(seconds(), |id| tried.contains(id), !tried.is_empty()) {
            Pick::Peer(held) => held,
            Pick::Busy => return busy(connection, peer),
        };
        let view = worker.peer(&held);
        connection.sockaddr = view.socket_address.as_ptr().cast_mut().cast::<sockaddr>();
        // A socket address is at most as long as a `sockaddr_un`.
        connection.socklen = view.socket_address.len() as socklen_t;
        let room = if tried.is_empty() { &mut peer.copies[..] } else { &mut [] };
        let copies = copy(room, peer.pool, view.name, view.key.unwrap_or_default());
        let noted = tried.push(held.id(), peer.pool);
        let Some((name, key)) = copies.filter(|_| noted.is_some()) else {
            worker.release(held, Outcome::Answered, seconds());
            return ERROR;
        };
        peer.name = name;
        peer.key = key;
        peer.held = Some(held);
        connection.name = &raw mut peer.name;
        OK
    })
}

/// No peer can be had: nginx answers "no live upstreams".
fn busy(connection: &mut ngx_peer_connection_t, peer: &RequestPeer) -> ngx_int_t {
    connection.name = peer.upstream_name;
    NGX_BUSY as ngx_int_t
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
        Some((ngx_str_t { len: name.len(), data: start }, ngx_str_t { len: key.len(), data: behind }))
    }
}

unsafe extern "C" fn free(connection: *mut ngx_peer_connection_t, data: *mut c_void, state: ngx_uint_t) {
    guard((), || {
        // SAFETY: nginx passes what `init` has set, for a request that lives.
        let (connection, peer) = unsafe { (&mut *connection, &mut *data.cast::<RequestPeer>()) };
        let failed = state & NGX_PEER_FAILED as ngx_uint_t != 0;
        let outcome = if failed { Outcome::Failed } else { Outcome::Answered };
        if let Some(held) = peer.held.take()
            && let Some(worker) = peer.worker()
            && worker.release(held, outcome, seconds())
        {
            log::to(NGX_LOG_WARN, connection.log, "upstream server temporarily disabled");
        }
        connection.tries = connection.tries.saturating_sub(1);
    });
}

/// TLS sessions with peers are not kept: each connection makes its own.
#[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
unsafe extern "C" fn set_session(_connection: *mut ngx_peer_connection_t, _data: *mut c_void) -> ngx_int_t {
    OK
}

#[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
unsafe extern "C" fn save_session(_connection: *mut ngx_peer_connection_t, _data: *mut c_void) {}
