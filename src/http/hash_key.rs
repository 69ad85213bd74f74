//! What a request is hashed by, for the methods that map keys to peers.

use core::ptr;

use ngx::ffi::{
    AF_INET, AF_INET6, ngx_http_complex_value, ngx_http_request_t, ngx_str_t, sockaddr_in,
    sockaddr_in6,
};
use peer_zone::Method;

use super::{text, upstream::HttpUpstream};
use crate::{
    nginx::{callback::OK, text::bytes},
    upstream::OwnMethod,
};

/// Bytes of an IPv4 address that `ip_hash` goes by, as in nginx: its /24 network, so that clients
/// behind a small pool of addresses keep their peer.
const IPV4_BYTES: usize = 3;

/// What stands for the address of a client that has none, as in nginx
/// (`ngx_http_upstream_ip_hash_pseudo_addr`).
static PSEUDO_ADDRESS: [u8; IPV4_BYTES] = [0; IPV4_BYTES];

/// The bytes that the method hashes: for `hash` its key, evaluated for the request; for `ip_hash`
/// what `ngx_http_upstream_init_ip_hash_peer` takes of the client's address. They live as long as
/// the request.
///
/// `None` for the other methods; for `hash` where nginx could not evaluate the key, which is an
/// error of the request.
///
/// # Safety
///
/// The request is valid, and the method is of an upstream of a cycle that lives.
pub(crate) unsafe fn key_of(
    method: Method,
    upstream: &HttpUpstream,
    request: *mut ngx_http_request_t,
) -> Option<ngx_str_t> {
    match method {
        Method::Hash | Method::HashConsistent => {
            let mut key = ngx_str_t::empty();
            // SAFETY: as the caller says; the value was compiled for the same cycle.
            let code = unsafe {
                ngx_http_complex_value(request, upstream.hash_key.get()?.as_ptr(), &raw mut key)
            };
            (code == OK).then_some(key)
        }
        // SAFETY: as the caller says.
        Method::IpHash => Some(unsafe { client_address(request) }),
        Method::RoundRobin
        | Method::LeastConn
        | Method::Random
        | Method::RandomTwo
        | Method::LeastTime(_)
        | Method::PeakEwma => None,
    }
}

/// The same for a request to a group that may have a method of its own.
///
/// # Safety
///
/// As for [`key_of`].
pub(crate) unsafe fn key_in_group(
    own: &OwnMethod,
    upstream: &HttpUpstream,
    request: *mut ngx_http_request_t,
) -> Option<ngx_str_t> {
    match own.key {
        // SAFETY: the caller's promise.
        Some(text) => unsafe {
            text::evaluate_by_names(request, str::from_utf8(bytes(text)).unwrap_or_default())
        },
        // SAFETY: as above.
        None => unsafe { key_of(own.method.unwrap_or(upstream.method.get()), upstream, request) },
    }
}

/// # Safety
///
/// The request is valid.
unsafe fn client_address(request: *mut ngx_http_request_t) -> ngx_str_t {
    // SAFETY: a request has a connection, and that its client's address, as long as its family
    // says.
    let (len, data) = unsafe {
        let address = (*(*request).connection).sockaddr;
        match u32::from((*address).sa_family) {
            AF_INET => {
                (IPV4_BYTES, (&raw mut (*address.cast::<sockaddr_in>()).sin_addr).cast::<u8>())
            }
            AF_INET6 => {
                let address = &raw mut (*address.cast::<sockaddr_in6>()).sin6_addr;
                (size_of_val(&*address), address.cast::<u8>())
            }
            _ => (IPV4_BYTES, ptr::addr_of!(PSEUDO_ADDRESS).cast::<u8>().cast_mut()),
        }
    };
    ngx_str_t { len, data }
}
