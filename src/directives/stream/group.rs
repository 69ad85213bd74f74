//! `etcd_group VALUE …`, in an `upstream` of stream's.

use core::ffi::c_void;

use ngx::ffi::{ngx_command_t, ngx_conf_t};

use crate::{
    directives::{
        block::handle,
        group::{DIRECTIVE, set},
    },
    nginx::callback::ConfResult,
    stream::compile_text,
};

/// The handler of `etcd_group`.
pub(super) unsafe extern "C" fn etcd_group(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this, in the block `stream`.
    unsafe {
        handle(cf, conf, DIRECTIVE, |cf, conf, args| {
            set(cf, conf, args, |cf, text| compile_text(cf, text))
        })
    }
}
