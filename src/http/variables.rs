//! The variables that show where a request went, and why: `$etcd_peer` and others.

use ngx::{
    ffi::{
        NGX_HTTP_VAR_NOCACHEABLE, ngx_conf_t, ngx_http_add_variable, ngx_http_request_t,
        ngx_http_variable_t, ngx_http_variable_value_t, ngx_int_t, ngx_str_t, ngx_uint_t,
    },
    http::{HttpModuleMainConf, NgxHttpCoreModule},
    ngx_string,
};
use peer_zone::Connections;

use super::{
    request::RequestPeer,
    upstream::{Extras, HttpConf},
};
use crate::{
    nginx::{
        callback::{ERROR, OK, guard},
        variable_value::{print, set},
    },
    upstream::{AskedGroup, asker::Asker as _},
};

const PEER_CONNECTIONS: ngx_str_t = ngx_string!("etcd_peer_connections");
const PEER_UPGRADED: ngx_str_t = ngx_string!("etcd_peer_upgraded");
/// How nginx asks for a variable's value.
type Getter = unsafe extern "C" fn(
    *mut ngx_http_request_t,
    *mut ngx_http_variable_value_t,
    usize,
) -> ngx_int_t;

const FAILURES: ngx_str_t = ngx_string!("etcd_failures");
const GROUP_STATUS: ngx_str_t = ngx_string!("etcd_group_status");

/// What the configuration, which has been read, shows by variables that need to be prepared for at
/// the end of each attempt, since a log comes after that: how many connections are open to a peer,
/// and why attempts failed; or from its beginning, since an error page comes after that: whether
/// there was a group.
pub(crate) fn shown(cf: *mut ngx_conf_t) -> Extras {
    let (connections, failures) = (Extras::CONNECTIONS, Extras::FAILURES);
    let group_status = Extras::GROUP_STATUS;
    // SAFETY: nginx passes a valid configuration.
    let Some(core) = NgxHttpCoreModule::main_conf(unsafe { &*cf }) else {
        return connections.with(failures).with(group_status);
    };
    // SAFETY: nginx's array of the variables in use.
    let variables = unsafe { core.variables.as_slice::<ngx_http_variable_t>() };
    let uses = |name: ngx_str_t| {
        variables.iter().any(|variable| variable.name.as_bytes() == name.as_bytes())
    };
    connections
        .only_if(uses(PEER_CONNECTIONS) || uses(PEER_UPGRADED))
        .with(failures.only_if(uses(FAILURES)))
        .with(group_status.only_if(uses(GROUP_STATUS)))
}

/// Tells nginx of the variables.
pub(crate) fn add(cf: *mut ngx_conf_t) -> ngx_int_t {
    let variables: [(ngx_str_t, Getter); 8] = [
        (ngx_string!("etcd_peer"), etcd_peer),
        (PEER_CONNECTIONS, etcd_peer_connections),
        (PEER_UPGRADED, etcd_peer_upgraded),
        (ngx_string!("etcd_revision"), etcd_revision),
        (ngx_string!("etcd_tries"), etcd_tries),
        (ngx_string!("etcd_pick"), etcd_pick),
        (FAILURES, etcd_failures),
        (GROUP_STATUS, etcd_group_status),
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
        set(value, RequestPeer::of(request).and_then(|peer| peer.copies.key()));
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
        set(
            value,
            connections.and_then(|connections| print(request.pool, part(connections).into())),
        );
        OK
    })
}

unsafe extern "C" fn etcd_tries(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request and a value to set.
        let (request, value) = unsafe { (&*request, &mut *value) };
        let tries = RequestPeer::of(request).map(|peer| peer.tried.count() as u64);
        set(value, tries.and_then(|tries| print(request.pool, tries)));
        OK
    })
}

unsafe extern "C" fn etcd_pick(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request and a value to set.
        let (request, value) = unsafe { (&*request, &mut *value) };
        let tried = RequestPeer::of(request).filter(|peer| !peer.tried.is_empty());
        set(value, tried.map(|peer| peer.open.choice().name()));
        OK
    })
}

unsafe extern "C" fn etcd_failures(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request and a value to set.
        let (request, value) = unsafe { (&*request, &mut *value) };
        set(value, RequestPeer::of(request).and_then(RequestPeer::failures));
        OK
    })
}

unsafe extern "C" fn etcd_group_status(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request and a value to set.
        let (request, value) = unsafe { (&*request, &mut *value) };
        let group = RequestPeer::of(request).and_then(|peer| peer.group());
        let before = || RequestPeer::before_redirect(request).and_then(|peer| peer.group());
        let group = group.or_else(before);
        set(value, group.map(AskedGroup::status));
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
        set(value, revision(request).and_then(|revision| print(request.pool, revision)));
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
