//! `etcd_allow`: in which networks peers may be.

use core::ffi::c_void;
use directive_table::{Args, ConfError, Directive, directive};
use ngx::{
    ffi::{NGX_LOG_WARN, ngx_command_t, ngx_conf_t},
    ngx_conf_log_error,
};
use upstream_peers::Added;

use super::block::handle;
use crate::{config::UpstreamConf, nginx::callback::ConfResult};

const DIRECTIVE: &Directive = directive("etcd_allow");

/// The handler of `etcd_allow`.
pub(super) unsafe extern "C" fn etcd_allow(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, DIRECTIVE, set) }
}

fn set(cf: &mut ngx_conf_t, conf: &mut UpstreamConf, args: &Args<'_>) -> Result<(), ConfError> {
    for (place, network) in args.arguments().iter().enumerate() {
        match args.argument(place, |network| conf.allow.add(network).ok())? {
            Added::Exactly => {}
            // As nginx's own allow has it.
            Added::WithoutLowBits => {
                ngx_conf_log_error!(
                    NGX_LOG_WARN,
                    cf,
                    "low address bits of {network} are meaningless"
                );
            }
        }
    }
    Ok(())
}
