//! `etcd_status`, in a `location`: it answers with the status document.

use core::{ffi::c_void, ptr};

use directive_table::{ConfError, Directive, directive};
use ngx::{
    core::NGX_CONF_ERROR,
    ffi::{ngx_command_t, ngx_conf_t, ngx_http_request_t, ngx_int_t},
    http::{HttpModuleLocationConf, NgxHttpCoreModule},
};

use crate::{
    directives::args::{args, finish},
    nginx::callback::{ConfResult, guard},
    status::http::answer,
};

const DIRECTIVE: &Directive = directive("etcd_status");

type ContentHandler = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;

/// The handler of `etcd_status`.
pub(super) unsafe extern "C" fn etcd_status(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    _conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration.
        let conf = unsafe { &*cf };
        finish(cf, args(conf).and_then(|args| set(conf, &args[1..])))
    })
}

fn set(cf: &ngx_conf_t, args: &[String]) -> Result<(), ConfError> {
    let location =
        NgxHttpCoreModule::location_conf_mut(cf).ok_or_else(|| DIRECTIVE.is_outside("location"))?;
    // The module has no settings of locations that could say what they have had.
    let is_ours = |handler| ptr::fn_addr_eq(handler, answer as ContentHandler);
    if DIRECTIVE.is_once && location.handler.is_some_and(is_ours) {
        return Err(DIRECTIVE.is_duplicate());
    }
    DIRECTIVE.parse(args)?;
    location.handler = Some(answer);
    Ok(())
}
