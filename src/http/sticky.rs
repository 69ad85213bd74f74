//! The cookie by which a client comes back to its peer.
//!
//! As nginx's `sticky cookie`, but for when it is set: nginx sets it in every answer. Here it is
//! set when the client does not have it or has that of another peer, and, where it expires after a
//! time, in every answer: a client that keeps coming keeps its peer.

use core::{
    ptr::{self, NonNull},
    slice,
};
use std::io::Write as _;

use ngx::ffi::{
    ngx_http_get_flushed_variable, ngx_http_request_t, ngx_http_time, ngx_list_part_t,
    ngx_list_push, ngx_pcalloc, ngx_pool_t, ngx_str_t, ngx_table_elt_t, ngx_time, time_t,
};
use upstream_peers::{sticky_cookie, sticky_id_of};

use crate::config::{Expires, MAX_EXPIRES, Sticky};

/// The header's name. Its place in memory is how a header that was set here is known among those of
/// others.
static SET_COOKIE: [u8; 10] = *b"Set-Cookie";

/// The same, as nginx looks headers up.
static SET_COOKIE_LOWERCASE: [u8; 10] = *b"set-cookie";

/// What nginx says for `max`: the last year that the old form of a cookie's date could name.
const MAX_EXPIRES_DATE: &str = "Thu, 31 Dec 2037 23:55:55 GMT";

/// The id of the peer that the client asks for; `None` where it sends no cookie of this name, or
/// not one of ours.
///
/// # Safety
///
/// The request is valid, and `sticky` is of an upstream of its cycle.
pub(crate) unsafe fn cookie_of(request: *mut ngx_http_request_t, sticky: &Sticky) -> Option<u64> {
    // SAFETY: as the caller says; the index was made for this cycle. nginx returns a value or null.
    let value = unsafe { ngx_http_get_flushed_variable(request, sticky.variable).as_ref() }?;
    if value.not_found() != 0 || value.len() == 0 {
        return None;
    }
    // SAFETY: a variable that is found has as many bytes as it says.
    sticky_id_of(unsafe { slice::from_raw_parts(value.data, value.len() as usize) })
}

/// Has the answer carry the cookie of the peer `id`, where it is to: see the head of this file. On
/// a further try the value of the try before is replaced.
///
/// `None` where the request's pool has no memory.
///
/// # Safety
///
/// The request is valid, its header has not been sent, and `sticky` is of an upstream of its cycle.
pub(crate) unsafe fn set_cookie(
    request: *mut ngx_http_request_t,
    sticky: &Sticky,
    id: u64,
) -> Option<()> {
    // SAFETY: as the caller says.
    let earlier = unsafe { earlier(request, sticky) };
    let is_refreshed = matches!(sticky.expires, Some(Expires::After(_)));
    // SAFETY: as the caller says.
    if earlier.is_none() && !is_refreshed && unsafe { cookie_of(request, sticky) } == Some(id) {
        return Some(());
    }
    // SAFETY: as the caller says.
    let value = print(unsafe { (*request).pool }, sticky, id)?;
    if let Some(mut header) = earlier {
        // SAFETY: it is in the request's list.
        unsafe { header.as_mut() }.value = value;
        return Some(());
    }
    // SAFETY: as the caller says.
    let header = unsafe { ngx_list_push(&raw mut (*request).headers_out.headers) };
    let header = NonNull::new(header.cast::<ngx_table_elt_t>())?;
    // SAFETY: the list gave it out just now, and zeroes are a valid value of all its fields,
    // whichever the version has.
    unsafe {
        header.write_bytes(0, 1);
        let header = &mut *header.as_ptr();
        header.hash = 1;
        header.key = ngx_str_t { len: SET_COOKIE.len(), data: SET_COOKIE.as_ptr().cast_mut() };
        header.lowcase_key = SET_COOKIE_LOWERCASE.as_ptr().cast_mut();
        header.value = value;
    }
    Some(())
}

/// The header that an earlier try of this request has set.
///
/// # Safety
///
/// The request is valid.
unsafe fn earlier(
    request: *mut ngx_http_request_t,
    sticky: &Sticky,
) -> Option<NonNull<ngx_table_elt_t>> {
    // SAFETY: as the caller says.
    let mut part: *mut ngx_list_part_t = unsafe { &raw mut (*request).headers_out.headers.part };
    // SAFETY: nginx's lists end with a null pointer; a part has as many items as it says.
    while let Some(current) = unsafe { part.as_ref() } {
        let first = current.elts.cast::<ngx_table_elt_t>();
        for index in 0..current.nelts {
            // SAFETY: as above.
            let header = unsafe { &mut *first.add(index) };
            if ptr::eq(header.key.data, SET_COOKIE.as_ptr()) && is_of(&header.value, sticky) {
                return Some(header.into());
            }
        }
        part = current.next;
    }
    None
}

/// Whether a cookie has the name of this one: a request may come through two upstreams, each with a
/// cookie of its own.
fn is_of(value: &ngx_str_t, sticky: &Sticky) -> bool {
    value
        .as_bytes()
        .strip_prefix(sticky.name.as_bytes())
        .is_some_and(|rest| rest.first() == Some(&b'='))
}

/// `NAME=0123456789abcdef; Expires=...; Max-Age=...` and the other attributes, in the pool.
fn print(pool: *mut ngx_pool_t, sticky: &Sticky, id: u64) -> Option<ngx_str_t> {
    /// Bytes of an id, of both attributes of a time, and of all that is between.
    const ROOM: usize = "=0123456789abcdef".len()
        + "; Expires=".len()
        + MAX_EXPIRES_DATE.len()
        + "; Max-Age=315360000".len();
    let room = sticky.name.len() + ROOM + sticky.attributes.len();
    // SAFETY: the pool is the request's.
    let start = NonNull::new(unsafe { ngx_pcalloc(pool, room) }.cast::<u8>())?;
    // SAFETY: the pool gave out as many bytes, all zero, just now.
    let mut rest = unsafe { slice::from_raw_parts_mut(start.as_ptr(), room) };
    rest.write_all(sticky.name.as_bytes()).ok()?;
    rest.write_all(b"=").ok()?;
    rest.write_all(&sticky_cookie(id)).ok()?;
    match sticky.expires {
        None => {}
        Some(Expires::Max) => {
            write!(rest, "; Expires={MAX_EXPIRES_DATE}; Max-Age={MAX_EXPIRES}").ok()?;
        }
        Some(Expires::After(seconds)) => {
            rest.write_all(b"; Expires=").ok()?;
            rest.write_all(&date(ngx_time().saturating_add_unsigned(seconds))).ok()?;
            write!(rest, "; Max-Age={seconds}").ok()?;
        }
    }
    rest.write_all(sticky.attributes.as_bytes()).ok()?;
    Some(ngx_str_t { len: room - rest.len(), data: start.as_ptr() })
}

/// A time as HTTP writes it, which RFC 6265 has for cookies too.
fn date(time: time_t) -> [u8; MAX_EXPIRES_DATE.len()] {
    let mut date = [0; MAX_EXPIRES_DATE.len()];
    // SAFETY: nginx writes as many bytes for each year that has four digits.
    unsafe { ngx_http_time(date.as_mut_ptr(), time) };
    date
}
