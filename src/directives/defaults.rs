//! `etcd_defaults`, in an `upstream`: the parameters of peers whose values do not set them.

use core::ffi::c_void;

use directive_table::{Args, ConfError, Directive, directive};
use ngx::ffi::{ngx_command_t, ngx_conf_t};
use upstream_peers::Overrides;

use super::block::handle;
use crate::{config::UpstreamConf, nginx::callback::ConfResult};

const DIRECTIVE: &Directive = directive("etcd_defaults");

/// The handler of `etcd_defaults`.
pub(super) unsafe extern "C" fn etcd_defaults(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, DIRECTIVE, set) }
}

fn set(_cf: &mut ngx_conf_t, conf: &mut UpstreamConf, args: &Args<'_>) -> Result<(), ConfError> {
    let mut defaults = Overrides::default();
    for parameter in DIRECTIVE.parameters {
        let (name, Some(value)) = (parameter.name, args.given(parameter.name)) else { continue };
        // That there is such a variable is checked at the end of the configuration: it may be
        // defined after the upstream.
        if name == "max_conns" && value.starts_with('$') {
            conf.max_conns_variable = Some(value.to_owned());
            continue;
        }
        // As in a "server" of nginx's: a peer with a weight of 0 gets no requests, and then no peer
        // would.
        if defaults.set_word(&format!("{name}={value}")).is_err() || defaults.weight == Some(0) {
            return Err(DIRECTIVE.invalid_value(name, value));
        }
    }
    conf.defaults = Some(defaults);
    Ok(())
}
