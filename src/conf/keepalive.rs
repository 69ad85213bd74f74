//! `etcd_keepalive N [requests=N] [time=T] [timeout=T]`, in an `upstream`.

mod nginx;

use core::ffi::c_void;

use ngx::ffi::{ngx_command_t, ngx_conf_t, ngx_http_upstream_srv_conf_t, ngx_msec_t};
#[cfg(nginx1_29_7)]
use ngx::http::HttpModuleMainConf as _;
#[cfg(nginx1_29_7)]
use ngx::http::NgxHttpUpstreamModule;

use self::nginx::Nginx;

use super::{
    UpstreamConf,
    arguments::{Mistake, milliseconds},
    upstream::{handle, needs_etcd},
};
use crate::{keepalive::Keepalive, module::ConfResult};

/// What nginx keeps by default, for a whole upstream; here it is for each peer.
#[cfg(nginx1_29_7)]
const CONNECTIONS: usize = 32;

/// As nginx's `keepalive_requests` (ngx_http_upstream_keepalive_module.c).
const REQUESTS: usize = 1000;

/// As nginx's `keepalive_time` there: an hour, in milliseconds.
const TIME: ngx_msec_t = 3_600_000;

/// As nginx's `keepalive_timeout` there: a minute, in milliseconds.
const TIMEOUT: ngx_msec_t = 60_000;

/// The handler of `etcd_keepalive`.
pub(super) unsafe extern "C" fn etcd_keepalive(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    handle(cf, conf, set_keepalive)
}

fn set_keepalive(_cf: &mut ngx_conf_t, conf: &mut UpstreamConf, words: &[String]) -> Result<(), Mistake> {
    needs_etcd(conf, "etcd_keepalive")?;
    if conf.keepalive.is_some() {
        return Err("\"etcd_keepalive\" directive is duplicate".into());
    }
    let [connections, options @ ..] = words else {
        return Err("\"etcd_keepalive\" needs a number of connections".into());
    };
    let connections = match number(connections) {
        Some(number) if number > 0 => number,
        _ => {
            return Err(
                format!("invalid number of connections \"{connections}\" in \"etcd_keepalive\"").into()
            );
        }
    };
    if conf.number.is_none() {
        return Err(
            "\"etcd_keepalive\" stands in too many upstreams: there can be 65536 with \"etcd\" at most"
                .into(),
        );
    }
    conf.keepalive = Some(read_options(connections, options)?);
    Ok(())
}

fn read_options(connections: usize, options: &[String]) -> Result<Keepalive, Mistake> {
    let (mut requests, mut time, mut timeout) = (None, None, None);
    for option in options {
        let invalid = || Mistake::from(format!("invalid parameter \"{option}\" in \"etcd_keepalive\""));
        let (name, text) = option.split_once('=').ok_or_else(invalid)?;
        let duplicate = match name {
            "requests" => requests.replace(number(text).ok_or_else(invalid)?).is_some(),
            "time" => time.replace(duration(text).ok_or_else(invalid)?).is_some(),
            "timeout" => timeout.replace(duration(text).ok_or_else(invalid)?).is_some(),
            _ => return Err(invalid()),
        };
        if duplicate {
            return Err(format!("duplicate parameter \"{name}\" in \"etcd_keepalive\"").into());
        }
    }
    Ok(Keepalive {
        connections,
        requests: requests.unwrap_or(REQUESTS),
        time: time.unwrap_or(TIME),
        timeout: timeout.unwrap_or(TIMEOUT),
        is_local: false,
    })
}

/// Settles who keeps the upstream's connections, while nginx calls `init_upstream`. `is_wrapped`: another module has put itself before ours there.
pub(super) fn settle(
    cf: &ngx_conf_t,
    us: &ngx_http_upstream_srv_conf_t,
    conf: &mut UpstreamConf,
    is_wrapped: bool,
) -> Result<(), &'static str> {
    match nginx::of(cf, us, is_wrapped) {
        Nginx::Asked if conf.keepalive.is_some() => {
            Err("\"keepalive\" and \"etcd_keepalive\" cannot both be used")
        }
        #[cfg(nginx1_29_7)]
        Nginx::Default(limits) if conf.keepalive.is_none() => {
            // One upstream too many for ours is left to nginx's.
            conf.keepalive = conf.number.map(|_| Keepalive {
                connections: CONNECTIONS,
                requests: limits.requests.unwrap_or(REQUESTS),
                time: limits.time.unwrap_or(TIME),
                timeout: limits.timeout.unwrap_or(TIMEOUT),
                is_local: true,
            });
            Ok(())
        }
        _ => Ok(()),
    }
}

/// At the end of the configuration: takes nginx's `keepalive`, which has put itself before every upstream, out of those whose connections
/// are kept here.
#[cfg(nginx1_29_7)]
pub(super) fn stand_in(cf: &ngx_conf_t) {
    let Some(main) = NgxHttpUpstreamModule::main_conf_mut(cf) else { return };
    // SAFETY: nginx's array of the upstreams that there are, each of which lives as long as the cycle.
    for us in unsafe { main.upstreams.as_slice::<*mut ngx_http_upstream_srv_conf_t>() } {
        // SAFETY: as above; nothing else refers to it now.
        let us = unsafe { &mut **us };
        // An address in place of an upstream's name has no configuration.
        if !us.srv_conf.is_null() && UpstreamConf::of(us).is_some_and(|conf| conf.keepalive.is_some()) {
            us.peer.init = Some(crate::peer::init);
        }
    }
}

/// A number as nginx writes it: digits only.
fn number(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn duration(text: &str) -> Option<ngx_msec_t> {
    ngx_msec_t::try_from(milliseconds(text)?).ok()
}
