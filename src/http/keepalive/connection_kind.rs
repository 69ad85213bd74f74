//! Which connections to a peer are alike: an idle one goes only to a request that would have made
//! the same, and a TLS session only to a connection of the settings under which it was agreed.
//!
//! nginx tells idle connections apart by location where they are kept by default (1.29.7 on), else
//! by nothing. A location is neither needed nor enough: many speak to a peer in the same way, and
//! one may speak to it in many ways, as with `proxy_ssl_name $host`.

use core::{hash::BuildHasher as _, num::NonZeroU64, slice};
use std::{
    hash::{DefaultHasher, Hash, Hasher as _, RandomState},
    sync::LazyLock,
};

use ngx::ffi::{ngx_addr_t, ngx_http_request_t, ngx_http_upstream_t, ngx_str_t};

#[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
use crate::nginx::callback::OK;

/// A kind of connections to a peer. Two kinds have the same number with a probability of 2^-64,
/// which no client can raise: the hash has a key that is drawn at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionKind(NonZeroU64);

/// Keyed, since names that clients choose may go into it.
static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Set in the kinds that are no address, which a plain connection's is: those of processes end far
/// below.
const HASHED: u64 = 1 << 63;

impl ConnectionKind {
    /// As a number, which nothing but another kind's is compared with.
    pub(crate) fn to_number(self) -> u64 {
        self.0.get()
    }

    /// The kind of the connection that the request would make to any peer. `is_local`: locations do
    /// not share connections.
    ///
    /// `None` where the request's pool has no memory, or a variable cannot be evaluated.
    ///
    /// # Safety
    ///
    /// The request lives, and its upstream is initialised.
    pub(crate) unsafe fn of_connection(
        request: *mut ngx_http_request_t,
        is_local: bool,
    ) -> Option<Self> {
        // SAFETY: the caller's promise; nginx sets `conf` before it initialises an upstream.
        let upstream = unsafe { &*(*request).upstream };
        let speaker = if is_local { upstream.conf.addr() } else { protocol(upstream) };
        if is_plain(upstream) {
            // An address is not 0.
            return NonZeroU64::new(speaker as u64).map(Self);
        }
        // SAFETY: the caller's promise.
        unsafe { Self::hashed(request, upstream, speaker) }
    }

    /// As [`of_connection`](Self::of_connection), where more than the speaker tells it from others.
    ///
    /// Apart, so that the plain ones, which are most, do not save registers for it.
    ///
    /// # Safety
    ///
    /// As above; `upstream` is the request's.
    #[inline(never)]
    unsafe fn hashed(
        request: *mut ngx_http_request_t,
        upstream: &ngx_http_upstream_t,
        speaker: usize,
    ) -> Option<Self> {
        let mut hasher = STATE.build_hasher();
        speaker.hash(&mut hasher);
        hash_socket(upstream, &mut hasher);
        #[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
        // SAFETY: the caller's promise.
        unsafe {
            hash_tls(request, upstream, &mut hasher)?;
        }
        NonZeroU64::new(hasher.finish() | HASHED).map(Self)
    }

    /// The kind of the TLS session that the request's connection agrees on.
    ///
    /// `None` as above.
    ///
    /// # Safety
    ///
    /// As above.
    #[cfg(ngx_feature = "http_ssl")]
    pub(crate) unsafe fn of_session(request: *mut ngx_http_request_t) -> Option<Self> {
        // SAFETY: as above.
        let upstream = unsafe { &*(*request).upstream };
        let mut hasher = STATE.build_hasher();
        protocol(upstream).hash(&mut hasher);
        // SAFETY: the caller's promise.
        unsafe { hash_tls(request, upstream, &mut hasher)? };
        NonZeroU64::new(hasher.finish() | HASHED).map(Self)
    }
}

/// What the request speaks to its peer: nginx has a function of its own for each protocol (HTTP/1,
/// HTTP/2, gRPC, FastCGI, …) that writes requests.
fn protocol(upstream: &ngx_http_upstream_t) -> usize {
    upstream.create_request.map_or(0, |create| create as usize)
}

/// Whether nothing but the protocol tells the connection from others, as of most.
fn is_plain(upstream: &ngx_http_upstream_t) -> bool {
    let peer = &upstream.peer;
    let is_usual = peer.local.is_null()
        && peer.so_keepalive() == 0
        && peer.rcvbuf == 0
        && sndbuf(upstream) == 0;
    #[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
    let is_usual = is_usual && upstream.ssl() == 0;
    is_usual
}

/// What is set of the socket before it is connected (`proxy_bind`, `proxy_socket_…`).
fn hash_socket(upstream: &ngx_http_upstream_t, hasher: &mut DefaultHasher) {
    let peer = &upstream.peer;
    (peer.so_keepalive(), peer.transparent(), peer.rcvbuf, sndbuf(upstream)).hash(hasher);
    // SAFETY: nginx makes it for the request, or has it for as long as the cycle.
    if let Some(&ngx_addr_t { sockaddr, socklen, .. }) = unsafe { peer.local.as_ref() } {
        // SAFETY: it has as many bytes as it says.
        unsafe { slice::from_raw_parts(sockaddr.cast::<u8>(), socklen as usize) }.hash(hasher);
    }
}

#[cfg(nginx1_31_3)]
fn sndbuf(upstream: &ngx_http_upstream_t) -> core::ffi::c_int {
    upstream.peer.sndbuf
}

#[cfg(not(nginx1_31_3))]
fn sndbuf(_upstream: &ngx_http_upstream_t) -> core::ffi::c_int {
    0
}

/// What is set of TLS (`proxy_ssl_…`), if it is spoken. What is the same for all requests of a
/// location is told by the context that nginx made of it, which locations without such directives
/// of their own share; names and certificates may differ by request.
///
/// # Safety
///
/// As for [`ConnectionKind::of_connection`]; `upstream` is the request's.
#[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
unsafe fn hash_tls(
    request: *mut ngx_http_request_t,
    upstream: &ngx_http_upstream_t,
    hasher: &mut DefaultHasher,
) -> Option<()> {
    upstream.ssl().hash(hasher);
    if upstream.ssl() == 0 {
        return Some(());
    }
    // SAFETY: as in `of_connection`.
    let conf = unsafe { &*upstream.conf };
    (conf.ssl.addr(), conf.ssl_server_name, conf.ssl_verify).hash(hasher);
    if conf.ssl_server_name != 0 || conf.ssl_verify != 0 {
        // SAFETY: the caller's promise.
        match unsafe { value(request, conf.ssl_name)? } {
            Some(name) => name.as_bytes().hash(hasher),
            None => upstream.ssl_name.as_bytes().hash(hasher),
        }
    }
    for file in [conf.ssl_certificate, conf.ssl_certificate_key] {
        // SAFETY: as above.
        let file = unsafe { value(request, file)? }.unwrap_or(ngx_str_t::empty());
        file.as_bytes().hash(hasher);
    }
    Some(())
}

/// What a value with variables is for a request; `Some(None)` where the directive is not there.
///
/// # Safety
///
/// The request lives, and the value is of its cycle, or null.
#[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
unsafe fn value(
    request: *mut ngx_http_request_t,
    value: *mut ngx::ffi::ngx_http_complex_value_t,
) -> Option<Option<ngx_str_t>> {
    if value.is_null() {
        return Some(None);
    }
    let mut text = ngx_str_t::empty();
    // SAFETY: the caller's promise; `text` is a local variable.
    let result = unsafe { ngx::ffi::ngx_http_complex_value(request, value, &raw mut text) };
    (result == OK).then_some(Some(text))
}
