//! `etcd CLUSTER PREFIX …`, in an `upstream`: its peers are in etcd.

use core::{ffi::c_void, ptr};

use directive_table::{ConfError, Directive, directive};
use ngx::{
    core::{NGX_CONF_ERROR, Pool},
    ffi::{
        AF_INET, ngx_addr_t, ngx_array_push, ngx_command_t, ngx_conf_t, ngx_http_upstream_server_t,
        ngx_http_upstream_srv_conf_t, sockaddr_in,
    },
    http::{HttpModuleServerConf, NgxHttpUpstreamModule},
    ngx_string,
};

use super::{
    args::{args, finish, place},
    etcd_options,
    init_upstream::init_upstream,
    keys::prefix,
    state_file,
};
use crate::{
    config::Etcd,
    http::{HttpConf, HttpUpstream},
    nginx::callback::{ConfResult, guard},
};

const DIRECTIVE: &Directive = directive("etcd");

/// The handler of `etcd`.
pub(super) unsafe extern "C" fn etcd(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration, and what `create_srv_conf` has made for the
        // upstream, which lives as long as the cycle.
        let (cf, upstream) = unsafe { (&mut *cf, &*conf.cast::<HttpUpstream>()) };
        let result = args(cf).and_then(|args| set(cf, upstream, &args[1..]));
        finish(cf, result)
    })
}

fn set(
    cf: &mut ngx_conf_t,
    upstream: &'static HttpUpstream,
    args: &[String],
) -> Result<(), ConfError> {
    // SAFETY: nginx handles one directive at a time, and nobody else has the settings.
    unsafe { upstream.settings_mut() }.seen.add(DIRECTIVE, place(cf))?;
    let args = DIRECTIVE.parse(args)?;
    let cluster = args.arguments()[0].clone();
    let prefix = args.argument(1, prefix)?;
    let options = etcd_options::read(cf, &args)?;

    let us: *mut ngx_http_upstream_srv_conf_t = NgxHttpUpstreamModule::server_conf_mut(cf)
        .ok_or_else(|| DIRECTIVE.is_outside("upstream"))?;
    // SAFETY: nginx made it for the upstream at hand.
    let us = unsafe { &mut *us };
    let name = us
        .host
        .to_str()
        .map_err(|_| "invalid name of an upstream with \"etcd\" directive, it must be UTF-8")?
        .to_owned();
    if us.peer.init_upstream.is_some() {
        return Err(format!(
            "\"etcd\" directive must be placed before \"keepalive\" and \"sticky\" in upstream \
             \"{name}\", and cannot be used with another load balancing method: use \
             \"etcd_balance\""
        )
        .into());
    }
    us.peer.init_upstream = Some(init_upstream);
    let placeholder = push_placeholder(cf, us).ok_or_else(|| DIRECTIVE.no_memory())?;

    let http = HttpConf::of_conf(cf).ok_or_else(|| DIRECTIVE.is_outside("http"))?;
    if let Some(file) = &options.state {
        state_file::check_is_alone(http.core, file)?;
    }
    let etcd = Etcd { upstream: name, cluster, prefix, options, place: place(cf) };
    upstream.add_zones(cf, &etcd)?;
    http.core.add_lease(cf)?;
    // SAFETY: nginx handles one directive at a time, and nobody else has the settings.
    let settings = unsafe { upstream.settings_mut() };
    settings.placeholder = placeholder;
    settings.etcd = Some(etcd);
    settings.number = u16::try_from(http.core.upstreams.len()).ok();
    http.core.upstreams.push(upstream.upstream());
    http.upstreams.push(upstream);
    Ok(())
}

/// nginx refuses an upstream without servers before a module can object, and so does each of its
/// own methods. Returns the place among the upstream's servers.
fn push_placeholder(cf: &ngx_conf_t, us: &mut ngx_http_upstream_srv_conf_t) -> Option<usize> {
    // SAFETY: the pool is the cycle's.
    let pool = unsafe { Pool::from_ngx_pool(cf.pool) };
    let address = pool.calloc_type::<ngx_addr_t>();
    let socket_address = pool.calloc_type::<sockaddr_in>();
    // SAFETY: nginx makes the array before it reads the block.
    let server = unsafe { ngx_array_push(us.servers) }.cast::<ngx_http_upstream_server_t>();
    if server.is_null() || address.is_null() || socket_address.is_null() {
        return None;
    }
    // SAFETY: all three were given out just now; zeroes are a valid value of each.
    unsafe {
        (*socket_address).sin_family = AF_INET as _;
        (*address).sockaddr = socket_address.cast();
        (*address).socklen = size_of::<sockaddr_in>() as _;
        (*address).name = ngx_string!("etcd");
        ptr::write_bytes(server, 0, 1);
        (*server).name = ngx_string!("etcd");
        (*server).addrs = address;
        (*server).naddrs = 1;
        (*server).weight = 1;
        (*server).down = 1;
        Some((*us.servers).nelts - 1)
    }
}
