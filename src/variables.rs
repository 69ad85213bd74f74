//! `$etcd_peer` and `$etcd_revision`.

use core::ptr;

use ngx::{
    ffi::{
        NGX_HTTP_VAR_NOCACHEABLE, ngx_conf_t, ngx_http_add_variable, ngx_http_request_t,
        ngx_http_variable_value_t, ngx_int_t, ngx_pnalloc, ngx_str_t, ngx_uint_t,
    },
    http::HttpModuleMainConf,
    ngx_string,
};

use crate::{
    module::{ERROR, Module, OK, guard},
    peer::RequestPeer,
};

type Getter =
    unsafe extern "C" fn(*mut ngx_http_request_t, *mut ngx_http_variable_value_t, usize) -> ngx_int_t;

/// Tells nginx of the variables.
pub(crate) fn add(cf: *mut ngx_conf_t) -> ngx_int_t {
    let variables: [(ngx_str_t, Getter); 2] =
        [(ngx_string!("etcd_peer"), etcd_peer), (ngx_string!("etcd_revision"), etcd_revision)];
    for (mut name, getter) in variables {
        // SAFETY: nginx passes a valid configuration, and copies the name.
        let variable =
            unsafe { ngx_http_add_variable(cf, &raw mut name, NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t) };
        // SAFETY: nginx returns a variable or null.
        let Some(variable) = (unsafe { variable.as_mut() }) else { return ERROR };
        variable.get_handler = Some(getter);
    }
    OK
}

/// Sets a variable to `text`, which lives in the request's pool; without it the variable has no value.
fn set(value: &mut ngx_http_variable_value_t, text: Option<ngx_str_t>) {
    let text_or_empty = text.unwrap_or(ngx_str_t { len: 0, data: ptr::null_mut() });
    value.data = text_or_empty.data;
    // What is shown is a key or a number, both far shorter than the 28 bits of a variable's length.
    value.set_len(text_or_empty.len as u32);
    value.set_valid(u32::from(text.is_some()));
    value.set_not_found(u32::from(text.is_none()));
    value.set_no_cacheable(0);
}

unsafe extern "C" fn etcd_peer(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request and a value to set.
        let (request, value) = unsafe { (&*request, &mut *value) };
        set(value, RequestPeer::of(request).and_then(RequestPeer::key));
        OK
    })
}

unsafe extern "C" fn etcd_revision(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request and a value to set.
        let (request, value) = unsafe { (&*request, &mut *value) };
        set(value, revision(request).and_then(|revision| print(request, revision)));
        OK
    })
}

/// The revision of the upstream that the request goes to; for a request that goes to none, of the only upstream there is.
fn revision(request: &ngx_http_request_t) -> Option<u64> {
    if let Some(peer) = RequestPeer::of(request) {
        return peer.conf().zone.map(|zone| zone.revision());
    }
    let mut upstreams = Module::main_conf(request)?.upstreams();
    let only = upstreams.next().filter(|_| upstreams.next().is_none())?;
    only.zone.map(|zone| zone.revision())
}

fn print(request: &ngx_http_request_t, number: u64) -> Option<ngx_str_t> {
    /// Digits of the largest `u64`.
    const LONGEST: usize = 20;
    // SAFETY: the pool is the request's.
    let start = unsafe { ngx_pnalloc(request.pool, LONGEST) }.cast::<u8>();
    if start.is_null() {
        return None;
    }
    let mut rest = number;
    let mut at = LONGEST;
    loop {
        at -= 1;
        // SAFETY: `at` is below the length, since no number has more digits; a digit fits a byte.
        unsafe { start.add(at).write(b'0' + (rest % 10) as u8) };
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    // SAFETY: `at` is within what was given out.
    Some(ngx_str_t { len: LONGEST - at, data: unsafe { start.add(at) } })
}
