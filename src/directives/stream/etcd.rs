//! `etcd CLUSTER PREFIX …`, in an `upstream` of stream's.

use core::{ffi::c_void, ptr};

use directive_table::ConfError;
use ngx::{
    core::NGX_CONF_ERROR,
    ffi::{ngx_array_push, ngx_command_t, ngx_conf_t},
    ngx_string,
};

use super::init_upstream::init_upstream;
use crate::{
    config::Kind,
    directives::{
        args::{args, finish},
        etcd::{DIRECTIVE, follow, placeholder_address, read},
    },
    nginx::{
        callback::{ConfResult, guard},
        stream::{ngx_stream_upstream_server_t, ngx_stream_upstream_srv_conf_t},
    },
    stream::{StreamConf, StreamUpstream, module},
};

/// The handler of `etcd`.
pub(super) unsafe extern "C" fn etcd(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration, and what `create_srv_conf` has made for the
        // upstream, which lives as long as the cycle.
        let (cf, upstream) = unsafe { (&mut *cf, &*conf.cast::<StreamUpstream>()) };
        let result = args(cf).and_then(|args| set(cf, upstream, &args[1..]));
        finish(cf, result)
    })
}

fn set(
    cf: &mut ngx_conf_t,
    upstream: &'static StreamUpstream,
    args: &[String],
) -> Result<(), ConfError> {
    let words = read(cf, upstream, args)?;
    // SAFETY: nginx has made it for the upstream at hand, which is read now.
    let us = unsafe { module::nginx_upstream_conf(cf).as_mut() }
        .ok_or_else(|| DIRECTIVE.is_outside("upstream"))?;
    let name = us
        .host
        .to_str()
        .map_err(|_| "invalid name of an upstream with \"etcd\" directive, it must be UTF-8")?
        .to_owned();
    if us.peer.init_upstream.is_some() {
        return Err(format!(
            "\"etcd\" directive cannot be used with another load balancing method in upstream \
             \"{name}\": use \"etcd_balance\""
        )
        .into());
    }
    us.peer.init_upstream = Some(init_upstream);
    let placeholder = push_placeholder(cf, us).ok_or_else(|| DIRECTIVE.no_memory())?;
    let stream = StreamConf::of_conf(cf).ok_or_else(|| DIRECTIVE.is_outside("stream"))?;
    follow(cf, stream.core, upstream.upstream(), name, words, (Kind::Stream, placeholder))?;
    stream.upstreams.push(upstream);
    Ok(())
}

/// As in `http`, nginx refuses an upstream without servers before a module can object. Returns the
/// place among the upstream's servers.
fn push_placeholder(cf: &ngx_conf_t, us: &mut ngx_stream_upstream_srv_conf_t) -> Option<usize> {
    let address = placeholder_address(cf)?;
    // SAFETY: nginx makes the array before it reads the block.
    let server = unsafe { ngx_array_push(us.servers) }.cast::<ngx_stream_upstream_server_t>();
    if server.is_null() {
        return None;
    }
    // SAFETY: it was given out just now; zeroes are a valid value.
    unsafe {
        ptr::write_bytes(server, 0, 1);
        (*server).name = ngx_string!("etcd");
        (*server).addrs = address.as_ptr();
        (*server).naddrs = 1;
        (*server).weight = 1;
        (*server).down = 1;
        Some((*us.servers).nelts - 1)
    }
}
