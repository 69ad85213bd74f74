//! `etcd_keepalive`: idle connections to each peer.

use core::ffi::c_void;

use directive_table::{Args, ConfError, Directive, directive};
use nginx_syntax::number;
use ngx::ffi::{ngx_command_t, ngx_conf_t, ngx_http_upstream_srv_conf_t, ngx_msec_t};

use super::others;
use crate::{
    config::{Keepalive, UpstreamConf},
    directives::{args::milliseconds, block::handle},
    nginx::callback::ConfResult,
};

const DIRECTIVE: &Directive = directive("etcd_keepalive");

/// How many connections nginx keeps by default, for a whole upstream; here it is for each peer.
#[cfg(nginx1_29_7)]
const CONNECTIONS: &str = "32";

/// The handler of `etcd_keepalive`.
pub(super) unsafe extern "C" fn etcd_keepalive(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, DIRECTIVE, set) }
}

fn set(_cf: &mut ngx_conf_t, conf: &mut UpstreamConf, args: &Args<'_>) -> Result<(), ConfError> {
    if conf.number.is_none() {
        return Err("too many upstreams with \"etcd\" for \"etcd_keepalive\" directive, at most \
                    65536 are allowed"
            .into());
    }
    conf.keepalive = Some(read(args)?);
    Ok(())
}

fn read(args: &Args<'_>) -> Result<Keepalive, ConfError> {
    Ok(Keepalive {
        connections: args.argument(0, |text| number(text).filter(|&number| number > 0))?,
        requests: args.need("requests", number)?,
        time: args.need("time", duration)?,
        timeout: args.need("timeout", duration)?,
        is_local: false,
    })
}

/// Settles who keeps the upstream's connections, while nginx calls `init_upstream`. An error is
/// what is wrong with `etcd_keepalive`, and what to do instead.
pub(super) fn settle(
    cf: &ngx_conf_t,
    us: &mut ngx_http_upstream_srv_conf_t,
    conf: &mut UpstreamConf,
) -> Result<(), (String, String)> {
    let Some(nginx) = others::keepalive(cf, us) else { return Ok(()) };
    if conf.keepalive.is_some() {
        if nginx.is_asked() {
            let problem = "\"keepalive\" cannot be used with \"etcd_keepalive\"";
            return Err((problem.to_owned(), String::new()));
        }
        let relatives =
            [("requests", nginx.requests()), ("time", nginx.time()), ("timeout", nginx.timeout())];
        if let Some((name, _)) = relatives.iter().find(|(_, value)| value.is_some()) {
            return Err((
                format!("\"keepalive_{name}\" cannot be used with \"etcd_keepalive\""),
                format!("use its parameter \"{name}=\""),
            ));
        }
    }
    #[cfg(nginx1_29_7)]
    if !nginx.is_asked() {
        // One upstream too many for ours is left to nginx's.
        if conf.keepalive.is_none() && conf.number.is_some() {
            let args = [CONNECTIONS.to_owned()];
            let ours = DIRECTIVE.parse(&args).and_then(|args| read(&args));
            let ours = ours.map_err(|error| (error.to_string(), String::new()))?;
            conf.keepalive = Some(Keepalive {
                requests: nginx.requests().unwrap_or(ours.requests),
                time: nginx.time().unwrap_or(ours.time),
                timeout: nginx.timeout().unwrap_or(ours.timeout),
                is_local: true,
                ..ours
            });
        }
        if conf.keepalive.is_some() {
            nginx.turn_off();
        }
    }
    Ok(())
}

fn duration(text: &str) -> Option<ngx_msec_t> {
    ngx_msec_t::try_from(milliseconds(text)?).ok()
}
