//! The variables that show where a session went, and why: `$etcd_peer` and others.

use ngx::{
    ffi::{
        NGX_LOG_EMERG, ngx_conf_t, ngx_int_t, ngx_pool_t, ngx_str_t, ngx_uint_t,
        ngx_variable_value_t,
    },
    ngx_conf_log_error, ngx_string,
};

use super::{balancer, module, session::SessionPeer, upstream::StreamConf};
use crate::{
    nginx::{
        callback::{ERROR, OK, guard},
        stream::{
            NGX_STREAM_VAR_NOCACHEABLE, add_variable, ngx_stream_session_t, ngx_stream_variable_t,
        },
        variable_value::{print, set},
    },
    upstream::{AskedGroup, asker::Asker as _},
};

const PEER_CONNECTIONS: ngx_str_t = ngx_string!("etcd_peer_connections");

/// How nginx asks for a variable's value.
type Getter =
    unsafe extern "C" fn(*mut ngx_stream_session_t, *mut ngx_variable_value_t, usize) -> ngx_int_t;

/// What a variable shows of a session.
type Show = fn(&ngx_stream_session_t, *mut ngx_pool_t) -> Option<ngx_str_t>;

/// Tells nginx of the variables.
pub(crate) fn add(cf: *mut ngx_conf_t) -> ngx_int_t {
    let variables: [(ngx_str_t, Show); 6] = [
        (ngx_string!("etcd_peer"), peer),
        (PEER_CONNECTIONS, connections),
        (ngx_string!("etcd_revision"), revision),
        (ngx_string!("etcd_tries"), tries),
        (ngx_string!("etcd_pick"), pick),
        (ngx_string!("etcd_group_status"), group_status),
    ];
    for (mut name, show) in variables {
        // SAFETY: nginx passes a valid configuration of a block `stream`, and copies the name.
        let variable =
            unsafe { add_variable(cf, &raw mut name, NGX_STREAM_VAR_NOCACHEABLE as ngx_uint_t) };
        // SAFETY: nginx returns a variable or null.
        let Some(variable) = (unsafe { variable.as_mut() }) else { return ERROR };
        // Another module's, or of a directive such as `map`.
        if variable.get_handler.is_some() {
            ngx_conf_log_error!(NGX_LOG_EMERG, cf, "the duplicate \"{name}\" variable");
            return ERROR;
        }
        variable.get_handler = Some(get as Getter);
        variable.data = show as usize;
    }
    OK
}

/// Gives nginx the value; `data` is a [`Show`].
unsafe extern "C" fn get(
    session: *mut ngx_stream_session_t,
    value: *mut ngx_variable_value_t,
    data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid session, with its connection, a value to set, and what `add`
        // has set as the variable's data.
        let (session, value, show) =
            unsafe { (&*session, &mut *value, core::mem::transmute::<usize, Show>(data)) };
        // SAFETY: as above.
        let pool = unsafe { (*session.connection).pool };
        set(value, show(session, pool));
        OK
    })
}

/// Notes whether the configuration, which has been read, shows how many connections are open to a
/// peer: that is to be kept as a session ends, since a log comes after that. So it is known which
/// callbacks sessions need.
pub(crate) fn settle(cf: &ngx_conf_t, conf: &StreamConf) {
    let shows_connections = module::core_main_conf(cf).is_none_or(|core| {
        // nginx makes the array for the first variable that is used.
        if core.variables.elts.is_null() {
            return false;
        }
        // SAFETY: nginx's array of the variables in use.
        let variables = unsafe { core.variables.as_slice::<ngx_stream_variable_t>() };
        variables.iter().any(|variable| variable.name.as_bytes() == PEER_CONNECTIONS.as_bytes())
    });
    conf.shows_connections.set(shows_connections);
    for upstream in conf.upstreams.iter() {
        balancer::settle(upstream, shows_connections);
    }
}

fn peer(session: &ngx_stream_session_t, _pool: *mut ngx_pool_t) -> Option<ngx_str_t> {
    SessionPeer::of(session)?.copies.key()
}

fn connections(session: &ngx_stream_session_t, pool: *mut ngx_pool_t) -> Option<ngx_str_t> {
    let connections = SessionPeer::of(session)?.connections()?;
    print(pool, connections.into())
}

fn tries(session: &ngx_stream_session_t, pool: *mut ngx_pool_t) -> Option<ngx_str_t> {
    print(pool, SessionPeer::of(session)?.tried.count() as u64)
}

fn pick(session: &ngx_stream_session_t, _pool: *mut ngx_pool_t) -> Option<ngx_str_t> {
    let peer = SessionPeer::of(session).filter(|peer| !peer.tried.is_empty())?;
    Some(peer.open.choice().name())
}

fn group_status(session: &ngx_stream_session_t, _pool: *mut ngx_pool_t) -> Option<ngx_str_t> {
    SessionPeer::of(session)?.group().map(AskedGroup::status)
}

/// The revision of the upstream that the session goes to; for a session that goes to none, of the
/// only upstream there is.
fn revision(session: &ngx_stream_session_t, pool: *mut ngx_pool_t) -> Option<ngx_str_t> {
    let zone = match SessionPeer::of(session) {
        Some(peer) => peer.upstream.zone(),
        None => {
            let mut upstreams = StreamConf::of_session(session)?.core.upstreams.iter();
            let only = upstreams.next().filter(|_| upstreams.next().is_none())?;
            only.zone()
        }
    };
    print(pool, zone?.revision())
}
