//! `etcd_balance METHOD`, in an `upstream`: how a peer is chosen.

use core::{ffi::c_void, mem, ptr::NonNull};

use directive_table::{Args, ConfError, Directive, directive};
use nginx_syntax::quoted;
use ngx::{
    core::Pool,
    ffi::{
        ngx_command_t, ngx_conf_t, ngx_http_compile_complex_value,
        ngx_http_compile_complex_value_t, ngx_http_complex_value_t, ngx_str_t,
    },
};
use peer_balance::Method;

use super::{args::quietly, block::handle};
use crate::{
    config::UpstreamConf,
    http::HttpUpstream,
    nginx::callback::{ConfResult, OK},
};

const DIRECTIVE: &Directive = directive("etcd_balance");

/// Where the key of `hash` stands among the directive's arguments, whose first is its name.
const KEY_PLACE: usize = 2;

/// The handler of `etcd_balance`.
pub(super) unsafe extern "C" fn etcd_balance(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx passes what `create_srv_conf` has made for the upstream.
    let upstream = unsafe { &*conf.cast::<HttpUpstream>() };
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, DIRECTIVE, |cf, conf, args| set(cf, upstream, conf, args)) }
}

fn set(
    cf: &mut ngx_conf_t,
    upstream: &HttpUpstream,
    conf: &mut UpstreamConf,
    args: &Args<'_>,
) -> Result<(), ConfError> {
    let words: Vec<&str> = args.arguments().iter().map(String::as_str).collect();
    let method = Method::parse(&words).map_err(|error| {
        format!("{} in \"etcd_balance\" directive, {}", error.problem(), error.hint())
    })?;
    if method.needs_key() {
        upstream.hash_key.set(Some(compile_key(cf)?));
    }
    conf.balance = Some(method);
    Ok(())
}

fn compile_key(cf: &mut ngx_conf_t) -> Result<NonNull<ngx_http_complex_value_t>, ConfError> {
    // SAFETY: the pool is the cycle's.
    let pool = unsafe { Pool::from_ngx_pool(cf.pool) };
    let key = NonNull::new(pool.calloc_type::<ngx_http_complex_value_t>())
        .ok_or_else(|| DIRECTIVE.no_memory())?;
    // SAFETY: while a directive is handled, `args` is an array of its name and arguments, of which
    // `method` has seen the key.
    let word = unsafe { (*cf.args).elts.cast::<ngx_str_t>().add(KEY_PLACE) };
    // SAFETY: zeroes are what nginx itself starts from, and mean no flag and none of the optional
    // fields.
    let mut compile: ngx_http_compile_complex_value_t = unsafe { mem::zeroed() };
    compile.value = word;
    compile.complex_value = key.as_ptr();
    let compiled = quietly(cf, |cf| {
        compile.cf = cf;
        // SAFETY: all three pointers are valid; what the value refers to is in the same pool as the
        // words.
        unsafe { ngx_http_compile_complex_value(&raw mut compile) }
    });
    if compiled != OK {
        // SAFETY: as above.
        let word = quoted(&unsafe { &*word }.to_string());
        return Err(format!(
            "invalid key {word} of \"hash\" in \"etcd_balance\" directive, it must be a text \
             that may contain variables of nginx"
        )
        .into());
    }
    Ok(key)
}
