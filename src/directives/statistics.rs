//! `etcd_statistics`: whether the figures of requests are counted.

use core::ffi::c_void;

use directive_table::{Args, ConfError, Directive, directive};
use ngx::ffi::{ngx_command_t, ngx_conf_t};

use super::block::handle;
use crate::{
    config::{Counting, UpstreamConf},
    nginx::callback::ConfResult,
};

const DIRECTIVE: &Directive = directive("etcd_statistics");

/// The handler of `etcd_statistics`.
pub(super) unsafe extern "C" fn etcd_statistics(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, DIRECTIVE, set) }
}

fn set(_: &mut ngx_conf_t, conf: &mut UpstreamConf, args: &Args<'_>) -> Result<(), ConfError> {
    conf.counting = args.argument(0, |value| match value {
        "on" => Some(Counting::On),
        "off" => Some(Counting::Off),
        _ => None,
    })?;
    Ok(())
}
