//! What the directives in an `upstream` have in common.

use core::ffi::c_void;

use directive_table::{Args, ConfError, Directive};
use ngx::{core::NGX_CONF_ERROR, ffi::ngx_conf_t};

use super::args::{args, finish, place};
use crate::{
    config::UpstreamConf,
    nginx::callback::{ConfResult, guard},
    upstream::Upstream,
};

/// Handles a directive that must come after `etcd`, and only once unless its row says otherwise:
/// `set` makes settings of its arguments.
///
/// # Safety
///
/// As nginx calls the handler of a directive in an `upstream`, with what the protocol's module has
/// made for that one: it begins with an [`Upstream`].
pub(super) unsafe fn handle(
    cf: *mut ngx_conf_t,
    conf: *mut c_void,
    directive: &'static Directive,
    set: impl FnOnce(&mut ngx_conf_t, &mut UpstreamConf, &Args<'_>) -> Result<(), ConfError>,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration, and for the upstream what the caller says; it
        // handles one directive at a time, and nobody else has the settings.
        let (cf, settings) = unsafe { (&mut *cf, (*conf.cast::<Upstream>()).settings_mut()) };
        let result = args(cf).and_then(|args| {
            if settings.etcd.is_none() {
                return Err(directive.must_follow("etcd"));
            }
            settings.seen.add(directive, place(cf))?;
            set(cf, settings, &directive.parse(&args[1..])?)
        });
        finish(cf, result)
    })
}

/// The arguments of the directive at hand as they are written, without its name.
pub(super) fn written(cf: &ngx_conf_t) -> Result<Vec<String>, ConfError> {
    let mut args = args(cf)?;
    args.remove(0);
    Ok(args)
}
