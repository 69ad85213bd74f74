//! `etcd_allow CIDR | ADDRESS | unix: …`

use core::ffi::c_void;
use ngx::{
    ffi::{NGX_LOG_WARN, ngx_command_t, ngx_conf_t},
    ngx_conf_log_error,
};
use upstream_peers::Added;

use super::{
    args::Mistake,
    block::{handle, needs_etcd},
};
use crate::{config::UpstreamConf, nginx::callback::ConfResult};

/// The handler of `etcd_allow`.
pub(super) unsafe extern "C" fn etcd_allow(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, set) }
}

fn set(cf: &mut ngx_conf_t, conf: &mut UpstreamConf, words: &[String]) -> Result<(), Mistake> {
    needs_etcd(conf, "etcd_allow")?;
    for word in words {
        match conf.allow.add(word) {
            Ok(Added::Exactly) => {}
            // As nginx's own allow has it.
            Ok(Added::WithoutLowBits) => {
                ngx_conf_log_error!(NGX_LOG_WARN, cf, "low address bits of {word} are meaningless");
            }
            Err(error) => {
                return Err(
                    format!("invalid parameter \"{word}\" in \"etcd_allow\": {error}").into()
                );
            }
        }
    }
    Ok(())
}
