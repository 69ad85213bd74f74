//! `$etcd_peer`, `$etcd_peer_connections`, `$etcd_peer_upgraded` and `$etcd_revision`.

use ngx::{
    ffi::{
        NGX_HTTP_VAR_NOCACHEABLE, ngx_conf_t, ngx_http_add_variable, ngx_http_request_t,
        ngx_http_variable_t, ngx_http_variable_value_t, ngx_int_t, ngx_pnalloc, ngx_str_t,
        ngx_uint_t,
    },
    http::{HttpModuleMainConf, NgxHttpCoreModule},
    ngx_string,
};
use peer_zone::Connections;

use super::{
    request::RequestPeer,
    upstream::HttpConf,
    variable_value::{Getter, set},
};
use crate::nginx::callback::{ERROR, OK, guard};

const PEER_CONNECTIONS: ngx_str_t = ngx_string!("etcd_peer_connections");
const PEER_UPGRADED: ngx_str_t = ngx_string!("etcd_peer_upgraded");

/// Whether the configuration, which has been read, uses a variable that shows how many connections
/// are open to a peer. They are counted for it at the end of each request, since a log comes after
/// that.
pub(crate) fn shows_connections(cf: *mut ngx_conf_t) -> bool {
    // SAFETY: nginx passes a valid configuration.
    let Some(core) = NgxHttpCoreModule::main_conf(unsafe { &*cf }) else { return true };
    // SAFETY: nginx's array of the variables in use.
    let variables = unsafe { core.variables.as_slice::<ngx_http_variable_t>() };
    variables.iter().any(|variable| {
        let name = variable.name.as_bytes();
        name == PEER_CONNECTIONS.as_bytes() || name == PEER_UPGRADED.as_bytes()
    })
}

/// Tells nginx of the variables.
pub(crate) fn add(cf: *mut ngx_conf_t) -> ngx_int_t {
    let variables: [(ngx_str_t, Getter); 4] = [
        (ngx_string!("etcd_peer"), etcd_peer),
        (PEER_CONNECTIONS, etcd_peer_connections),
        (PEER_UPGRADED, etcd_peer_upgraded),
        (ngx_string!("etcd_revision"), etcd_revision),
    ];
    for (mut name, getter) in variables {
        // SAFETY: nginx passes a valid configuration, and copies the name.
        let variable = unsafe {
            ngx_http_add_variable(cf, &raw mut name, NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t)
        };
        // SAFETY: nginx returns a variable or null.
        let Some(variable) = (unsafe { variable.as_mut() }) else { return ERROR };
        variable.get_handler = Some(getter);
    }
    OK
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

unsafe extern "C" fn etcd_peer_connections(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _data: usize,
) -> ngx_int_t {
    // SAFETY: nginx passes a valid request and a value to set.
    unsafe { set_connections(request, value, Connections::all) }
}

unsafe extern "C" fn etcd_peer_upgraded(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _data: usize,
) -> ngx_int_t {
    // SAFETY: as above.
    unsafe { set_connections(request, value, Connections::upgraded) }
}

/// Sets a variable to a part of the connections to the request's peer.
///
/// # Safety
///
/// As nginx calls a getter.
unsafe fn set_connections(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    part: fn(Connections) -> u32,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: the caller's promise.
        let (request, value) = unsafe { (&*request, &mut *value) };
        let connections = RequestPeer::of(request).and_then(RequestPeer::connections);
        set(value, connections.and_then(|connections| print(request, part(connections).into())));
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

/// The revision of the upstream that the request goes to; for a request that goes to none, of the
/// only upstream there is.
fn revision(request: &ngx_http_request_t) -> Option<u64> {
    if let Some(peer) = RequestPeer::of(request) {
        return peer.upstream().zone().map(|zone| zone.revision());
    }
    let mut upstreams = HttpConf::of_request(request)?.core.upstreams.iter();
    let only = upstreams.next().filter(|_| upstreams.next().is_none())?;
    only.zone().map(|zone| zone.revision())
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
