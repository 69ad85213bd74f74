//! `etcd_check http|tcp|tls ...`, in an `upstream`: how the peers are checked.

use core::ffi::c_void;

use directive_table::{Args, ConfError, Directive, directive};
use ngx::ffi::{ngx_command_t, ngx_conf_t};
use upstream_settings::Check;

use super::block::{handle, written};
use crate::{config::UpstreamConf, nginx::callback::ConfResult};

const DIRECTIVE: &Directive = directive("etcd_check");

/// The handler of `etcd_check`.
pub(super) unsafe extern "C" fn etcd_check(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, DIRECTIVE, set) }
}

fn set(cf: &mut ngx_conf_t, conf: &mut UpstreamConf, args: &Args<'_>) -> Result<(), ConfError> {
    conf.check = Some(Check::read(args)?);
    conf.check_args = written(cf)?;
    Ok(())
}
