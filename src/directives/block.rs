//! What the directives in an `upstream` have in common.

use core::ffi::c_void;

use ngx::{core::NGX_CONF_ERROR, ffi::ngx_conf_t};

use super::args::{Mistake, finish, words};
use crate::{
    config::UpstreamConf,
    http::HttpUpstream,
    nginx::callback::{ConfResult, guard},
};

/// Reads a directive's words behind its name.
pub(super) type Parser = fn(&mut ngx_conf_t, &mut UpstreamConf, &[String]) -> Result<(), Mistake>;

/// Handles a directive that stands behind `etcd`.
///
/// # Safety
///
/// As nginx calls the handler of a directive in an `upstream`.
pub(super) unsafe fn handle(cf: *mut ngx_conf_t, conf: *mut c_void, parse: Parser) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration, and what `create_srv_conf` has made for the
        // upstream; it handles one directive at a time, and nobody else has the settings.
        let (cf, settings) = unsafe { (&mut *cf, (*conf.cast::<HttpUpstream>()).settings_mut()) };
        let result = words(cf).and_then(|words| parse(cf, settings, &words[1..]));
        finish(cf, result)
    })
}

/// That the upstream has `etcd`, as every other directive of the module's there needs it.
pub(super) fn needs_etcd(conf: &UpstreamConf, directive: &str) -> Result<(), Mistake> {
    if conf.etcd.is_none() {
        return Err(format!(
            "\"{directive}\" must stand behind the \"etcd\" directive of the same upstream"
        )
        .into());
    }
    Ok(())
}
