//! `etcd_balance METHOD`, in an `upstream` of HTTP's.

use core::{ffi::c_void, mem, ptr::NonNull};

use directive_table::{Args, ConfError};
use ngx::{
    core::Pool,
    ffi::{
        NGX_LOG_WARN, ngx_command_t, ngx_conf_t, ngx_http_compile_complex_value,
        ngx_http_compile_complex_value_t, ngx_http_complex_value_t,
    },
    ngx_conf_log_error,
};
use peer_balance::Method;

use crate::{
    config::UpstreamConf,
    directives::{
        args::quietly,
        balance::{DIRECTIVE, invalid_key, key_word, method, words},
        block::handle,
    },
    http::HttpUpstream,
    nginx::callback::{ConfResult, OK},
};

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
    let method = method(args, Method::parse)?;
    if let Some(hint) = Method::former_name(&words(args)) {
        ngx_conf_log_error!(NGX_LOG_WARN, cf, "{hint} in \"etcd_balance\" directive");
    }
    if method.needs_key() {
        // SAFETY: the method needs a key, and so the directive has one.
        upstream.hash_key.set(Some(unsafe { compile_key(cf) }?));
    }
    conf.balance = Some(method);
    Ok(())
}

/// # Safety
///
/// As [`key_word`].
unsafe fn compile_key(cf: &mut ngx_conf_t) -> Result<NonNull<ngx_http_complex_value_t>, ConfError> {
    // SAFETY: the pool is the cycle's.
    let pool = unsafe { Pool::from_ngx_pool(cf.pool) };
    let key = NonNull::new(pool.calloc_type::<ngx_http_complex_value_t>())
        .ok_or_else(|| DIRECTIVE.no_memory())?;
    // SAFETY: the caller's promise.
    let word = unsafe { key_word(cf) };
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
        return Err(invalid_key(unsafe { &*word }));
    }
    Ok(key)
}
