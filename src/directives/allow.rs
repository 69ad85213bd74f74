//! `etcd_allow CIDR | ADDRESS | unix: …`

use ngx::{
    ffi::{NGX_LOG_WARN, ngx_conf_t},
    ngx_conf_log_error,
};
use upstream_peers::Added;

use super::{UpstreamConf, args::Mistake, etcd::needs_etcd};

/// Takes the directive's words; it may be given several times.
pub(super) fn set(
    cf: &mut ngx_conf_t,
    conf: &mut UpstreamConf,
    words: &[String],
) -> Result<(), Mistake> {
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
