//! `etcd_defaults`, in an `upstream`: the parameters of peers whose values do not set them.

use core::ffi::c_void;

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use upstream_peers::Overrides;

use super::{
    args::Mistake,
    block::{handle, needs_etcd},
};
use crate::{config::UpstreamConf, nginx::callback::ConfResult};

/// The handler of `etcd_defaults`.
pub(super) unsafe extern "C" fn etcd_defaults(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, set_defaults) }
}

fn set_defaults(
    _cf: &mut ngx_conf_t,
    conf: &mut UpstreamConf,
    words: &[String],
) -> Result<(), Mistake> {
    needs_etcd(conf, "etcd_defaults")?;
    if conf.defaults.is_some() {
        return Err("\"etcd_defaults\" directive is duplicate".into());
    }
    let mut defaults = Overrides::default();
    let mut names = Vec::new();
    for word in words {
        let name = word.split('=').next().unwrap_or(word);
        if names.contains(&name) {
            return Err(format!("duplicate parameter \"{name}\" in \"etcd_defaults\"").into());
        }
        names.push(name);
        if !["weight", "max_conns", "max_fails", "fail_timeout", "slow_start"].contains(&name) {
            return Err(format!("invalid parameter \"{word}\" in \"etcd_defaults\"").into());
        }
        // That there is such a variable is checked at the end of the configuration: it may stand
        // behind the upstream.
        if let Some(variable) =
            word.strip_prefix("max_conns=").filter(|value| value.starts_with('$'))
        {
            conf.max_conns_variable = Some(variable.to_owned());
            continue;
        }
        defaults.set_word(word).map_err(|error| format!("in \"etcd_defaults\": {error}"))?;
        // As in a "server" of nginx's: a peer without a weight is one that gets no requests, and
        // all of them would.
        if defaults.weight == Some(0) {
            return Err(
                "in \"etcd_defaults\": parameter \"weight\" is \"0\": no peer would get a request"
                    .into(),
            );
        }
    }
    conf.defaults = Some(defaults);
    Ok(())
}
