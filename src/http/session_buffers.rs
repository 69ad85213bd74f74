//! Buffers of upgraded connections: each is given back to the request's pool while it is empty.
//!
//! nginx joins the two connections of an upgraded request by two buffers of `proxy_buffer_size`
//! (`ngx_http_upstream_process_upgraded`): `buffer`, in which the header of the response was, has
//! what comes from the peer, and `from_client` what comes from the client. nginx keeps both for as
//! long as the connections are open, which are silent most of the time.
//!
//! nginx fills and empties the buffers in four handlers of the request. Once it has set them, they
//! are replaced by those of this file, which call nginx's:
//!
//! * If nginx is about to read from the peer and `buffer` was given back, it is allocated first, in
//!   its full size. nginx itself allocates `from_client` if it is missing.
//! * Then nginx's handler reads and writes as it always does.
//! * Then each buffer without data is given back. If a reader is slow, its buffer stays.
//!
//! Only what the pool has from `malloc` is given back, which is anything larger than its
//! blocks (`ngx_pfree` leaves the rest alone). nginx's code for upgraded connections is the same in
//! all versions from 1.22 to 1.31.

use core::{
    mem,
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, Ordering::Relaxed},
};
use std::sync::OnceLock;

use ngx::ffi::{
    ngx_buf_t, ngx_delete_posted_event, ngx_event_t, ngx_http_finalize_request, ngx_http_request_t,
    ngx_http_upstream_t, ngx_palloc, ngx_pfree, ngx_pool_cleanup_add, ngx_pool_t, ngx_post_event,
    ngx_posted_events,
};

use super::accessors;
use crate::nginx::callback::{ERROR, OK, guard};

/// A handler of a request's, for the client's connection.
type ClientHandler = unsafe extern "C" fn(*mut ngx_http_request_t);
/// A handler of an upstream's, for the peer's connection.
type PeerHandler = unsafe extern "C" fn(*mut ngx_http_request_t, *mut ngx_http_upstream_t);

/// nginx's own handlers of an upgraded connection.
#[derive(Clone, Copy, Debug)]
struct Handlers {
    client_read: ClientHandler,
    client_write: ClientHandler,
    peer_read: PeerHandler,
    peer_write: PeerHandler,
}

/// nginx's own handlers, the same for all requests. They are known since the first upgrade.
static NGINX: OnceLock<Handlers> = OnceLock::new();

/// The request whose handler is running; null if none is. The end of this request sets it to null.
/// Only the thread of the event loop uses it.
static RUNNING: AtomicPtr<ngx_http_request_t> = AtomicPtr::new(ptr::null_mut());

/// What is in the request's pool from the upgrade on.
struct Upgrade {
    /// Posted at the upgrade, for the moment when nginx has joined the connections.
    event: ngx_event_t,
    request: *mut ngx_http_request_t,
}

impl Handlers {
    /// Those of a request.
    ///
    /// # Safety
    ///
    /// Both are valid.
    unsafe fn of(
        request: *const ngx_http_request_t,
        upstream: NonNull<ngx_http_upstream_t>,
    ) -> Option<Self> {
        // SAFETY: the caller's promise.
        unsafe {
            let upstream = upstream.as_ptr();
            Some(Self {
                client_read: (*request).read_event_handler?,
                client_write: (*request).write_event_handler?,
                peer_read: (*upstream).read_event_handler?,
                peer_write: (*upstream).write_event_handler?,
            })
        }
    }

    fn is(&self, other: &Self) -> bool {
        ptr::fn_addr_eq(self.client_read, other.client_read)
            && ptr::fn_addr_eq(self.client_write, other.client_write)
            && ptr::fn_addr_eq(self.peer_read, other.peer_read)
            && ptr::fn_addr_eq(self.peer_write, other.peer_write)
    }
}

/// The peer has agreed to an upgrade, and nginx is about to send the header of the response. Once
/// it has joined the connections, their buffers are looked after.
///
/// # Safety
///
/// nginx calls with this request.
pub(super) unsafe fn expect_upgrade(request: *mut ngx_http_request_t) {
    // SAFETY: the caller's promise; a request has its pool and its connection. What the pool gives
    // out is aligned for any type, and stays where it is for as long as the request: `forget` takes
    // the event out of nginx's list before.
    unsafe {
        let cleanup = ngx_pool_cleanup_add((*request).pool, size_of::<Upgrade>());
        // Without memory for it, the buffers stay.
        let Some(cleanup) = cleanup.as_mut() else { return };
        let upgrade = cleanup.data.cast::<Upgrade>();
        upgrade.write(Upgrade { event: mem::zeroed(), request });
        cleanup.handler = Some(forget);
        let event = &raw mut (*upgrade).event;
        (*event).data = upgrade.cast();
        (*event).handler = Some(upgraded);
        (*event).log = (*(*request).connection).log;
        ngx_post_event(event, &raw mut ngx_posted_events);
    }
}

/// Called by nginx when the pool of an upgraded request is destroyed.
unsafe extern "C" fn forget(upgrade: *mut core::ffi::c_void) {
    let upgrade = upgrade.cast::<Upgrade>();
    // SAFETY: nginx passes what `expect_upgrade` has made, for the last time.
    unsafe {
        let _ = RUNNING.compare_exchange((*upgrade).request, ptr::null_mut(), Relaxed, Relaxed);
        if (*upgrade).event.posted() != 0 {
            ngx_delete_posted_event(&raw mut (*upgrade).event);
        }
    }
}

/// Called by nginx's event loop after the event in which the header was sent.
unsafe extern "C" fn upgraded(event: *mut ngx_event_t) {
    guard((), || {
        // SAFETY: `expect_upgrade` has posted the event, and its request lives, since `forget`
        // takes the event back. No handler of the request is running.
        unsafe {
            let request = (*(*event).data.cast::<Upgrade>()).request;
            let Some(upstream) = accessors::upgraded_upstream(request) else { return };
            let Some(present) = Handlers::of(request, upstream) else { return };
            // Another module's handlers, which may be only this request's, stay.
            if !NGINX.get_or_init(|| present).is(&present) {
                return;
            }
            (*request).read_event_handler = Some(client_read);
            (*request).write_event_handler = Some(client_write);
            (*upstream.as_ptr()).read_event_handler = Some(peer_read);
            (*upstream.as_ptr()).write_event_handler = Some(peer_write);
            release(request, upstream);
            accessors::free_tls_buffer((*request).connection);
        }
    });
}

unsafe extern "C" fn client_read(request: *mut ngx_http_request_t) {
    // SAFETY: nginx calls with a valid request. Its handler writes to the peer, and reads from the
    // client only.
    unsafe { run(request, false, |nginx| (nginx.client_read)(request)) }
}

unsafe extern "C" fn client_write(request: *mut ngx_http_request_t) {
    // SAFETY: nginx calls with a valid request.
    unsafe { run(request, true, |nginx| (nginx.client_write)(request)) }
}

unsafe extern "C" fn peer_read(
    request: *mut ngx_http_request_t,
    upstream: *mut ngx_http_upstream_t,
) {
    // SAFETY: nginx calls with a valid request, and its upstream.
    unsafe { run(request, true, |nginx| (nginx.peer_read)(request, upstream)) }
}

unsafe extern "C" fn peer_write(
    request: *mut ngx_http_request_t,
    upstream: *mut ngx_http_upstream_t,
) {
    // SAFETY: nginx calls with a valid request, and its upstream. Its handler reads from the client
    // only.
    unsafe { run(request, false, |nginx| (nginx.peer_write)(request, upstream)) }
}

/// Runs one of nginx's handlers with the buffers that it needs, and gives back those that it has
/// left empty. `reads_peer`: the handler reads from the peer.
///
/// # Safety
///
/// nginx calls one of the handlers above with this request.
unsafe fn run(request: *mut ngx_http_request_t, reads_peer: bool, call: impl FnOnce(&Handlers)) {
    guard((), || {
        // It was set before any of the handlers above.
        let Some(nginx) = NGINX.get() else { return };
        // SAFETY: the caller's promise. nginx's handler may end the request, which is not touched
        // after that: `forget` says so.
        unsafe {
            if reads_peer
                && let Some(upstream) = accessors::upgraded_upstream(request)
                && !provide(request, upstream)
            {
                ngx_http_finalize_request(request, ERROR);
                return;
            }
            // A handler of another request is running, which called for this one: that one is to be
            // told of its end. The buffers of this one are given back next time.
            if RUNNING.compare_exchange(ptr::null_mut(), request, Relaxed, Relaxed).is_err() {
                call(nginx);
                return;
            }
            call(nginx);
            if RUNNING.swap(ptr::null_mut(), Relaxed) == request
                && let Some(upstream) = accessors::upgraded_upstream(request)
            {
                release(request, upstream);
            }
        }
    });
}

/// Allocates the buffer for what comes from the peer, if it was given back. Returns whether it is
/// there.
///
/// # Safety
///
/// Both are valid, and the request is upgraded.
unsafe fn provide(
    request: *mut ngx_http_request_t,
    upstream: NonNull<ngx_http_upstream_t>,
) -> bool {
    // SAFETY: the caller's promise; the pool is the request's, and gives out as much as it is asked
    // for. nginx has set the rest of the buffer when it first allocated it.
    unsafe {
        let upstream = upstream.as_ptr();
        let buffer = &mut (*upstream).buffer;
        if !buffer.start.is_null() {
            return true;
        }
        let size = (*(*upstream).conf).buffer_size;
        let start = ngx_palloc((*request).pool, size).cast::<u8>();
        if start.is_null() {
            return false;
        }
        *buffer = ngx_buf_t { start, pos: start, last: start, end: start.add(size), ..*buffer };
        true
    }
}

/// Gives back the buffers without data.
///
/// # Safety
///
/// Both are valid, the request is upgraded, and no handler of it is running.
unsafe fn release(request: *mut ngx_http_request_t, upstream: NonNull<ngx_http_upstream_t>) {
    // SAFETY: the caller's promise. Only nginx's handlers use the buffers of an upgraded request:
    // nginx has copied what it knows of the header, and the cache has no part in it.
    unsafe {
        let upstream = upstream.as_ptr();
        release_empty((*request).pool, &mut (*upstream).buffer);
        release_empty((*request).pool, &mut (*upstream).from_client);
    }
}

/// Gives a buffer back that has no data, if it is one that the pool has from `malloc`.
///
/// # Safety
///
/// The pool is valid. Nobody uses the buffer's memory.
unsafe fn release_empty(pool: *mut ngx_pool_t, buffer: &mut ngx_buf_t) {
    if buffer.start.is_null() || buffer.pos != buffer.last {
        return;
    }
    // SAFETY: the caller's promise; nginx leaves memory alone that it has not from `malloc`.
    if unsafe { ngx_pfree(pool, buffer.start.cast()) } == OK {
        let none = ptr::null_mut();
        *buffer = ngx_buf_t { start: none, pos: none, last: none, end: none, ..*buffer };
    }
}
