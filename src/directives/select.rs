//! `etcd_select`: which labels peers must have.

use core::ffi::c_void;
use directive_table::{Args, ConfError, Directive, directive};
use ngx::ffi::{ngx_command_t, ngx_conf_t};
use upstream_peers::{MAX_LABEL_BYTES, MAX_LABELS};

use super::block::handle;
use crate::{config::UpstreamConf, nginx::callback::ConfResult};

const DIRECTIVE: &Directive = directive("etcd_select");

/// The handler of `etcd_select`.
pub(super) unsafe extern "C" fn etcd_select(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, DIRECTIVE, set) }
}

fn set(_: &mut ngx_conf_t, conf: &mut UpstreamConf, args: &Args<'_>) -> Result<(), ConfError> {
    for (place, label) in args.arguments().iter().enumerate() {
        if !args.argument(place, |label| conf.select.add(label).ok())? {
            return Err(DIRECTIVE.duplicate_argument(place, label));
        }
    }
    // No peer has more, and none would be selected.
    if conf.select.len() > MAX_LABELS {
        let most = format!("at most {MAX_LABELS} are allowed");
        return Err(format!("too many labels for \"etcd_select\" directive, {most}").into());
    }
    if conf.select.bytes() > MAX_LABEL_BYTES {
        let most = format!("at most {MAX_LABEL_BYTES} bytes are allowed");
        return Err(format!("too long labels for \"etcd_select\" directive, {most}").into());
    }
    Ok(())
}
