//! `etcd_keepalive N [requests=N] [time=T] [timeout=T]`, in an `upstream`.

use core::ffi::c_void;

use nginx_syntax::number;
use ngx::ffi::{ngx_command_t, ngx_conf_t, ngx_http_upstream_srv_conf_t, ngx_msec_t};

use super::{
    args::{Mistake, milliseconds},
    block::{handle, needs_etcd},
    others,
};
use crate::{
    config::{Keepalive, UpstreamConf},
    nginx::callback::ConfResult,
};

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
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, set_keepalive) }
}

fn set_keepalive(
    _cf: &mut ngx_conf_t,
    conf: &mut UpstreamConf,
    words: &[String],
) -> Result<(), Mistake> {
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
            return Err(format!(
                "invalid number of connections \"{connections}\" in \"etcd_keepalive\""
            )
            .into());
        }
    };
    if conf.number.is_none() {
        return Err(
            "\"etcd_keepalive\" stands in too many upstreams: there can be 65536 with \"etcd\" at \
             most"
                .into(),
        );
    }
    conf.keepalive = Some(read_options(connections, options)?);
    Ok(())
}

fn read_options(connections: usize, options: &[String]) -> Result<Keepalive, Mistake> {
    let (mut requests, mut time, mut timeout) = (None, None, None);
    for option in options {
        let invalid =
            || Mistake::from(format!("invalid parameter \"{option}\" in \"etcd_keepalive\""));
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

/// Settles who keeps the upstream's connections, while nginx calls `init_upstream`.
pub(super) fn settle(
    cf: &ngx_conf_t,
    us: &mut ngx_http_upstream_srv_conf_t,
    conf: &mut UpstreamConf,
) -> Result<(), String> {
    let Some(nginx) = others::keepalive(cf, us) else { return Ok(()) };
    if conf.keepalive.is_some() {
        if nginx.is_asked() {
            return Err("\"keepalive\" and \"etcd_keepalive\" cannot both be used".to_owned());
        }
        let relatives =
            [("requests", nginx.requests()), ("time", nginx.time()), ("timeout", nginx.timeout())];
        if let Some((name, _)) = relatives.iter().find(|(_, value)| value.is_some()) {
            return Err(format!(
                "\"keepalive_{name}\" has no effect beside \"etcd_keepalive\": use \"{name}=\" \
                 there"
            ));
        }
    }
    #[cfg(nginx1_29_7)]
    if !nginx.is_asked() {
        // One upstream too many for ours is left to nginx's.
        conf.keepalive = conf.keepalive.or_else(|| {
            conf.number.map(|_| Keepalive {
                connections: CONNECTIONS,
                requests: nginx.requests().unwrap_or(REQUESTS),
                time: nginx.time().unwrap_or(TIME),
                timeout: nginx.timeout().unwrap_or(TIMEOUT),
                is_local: true,
            })
        });
        if conf.keepalive.is_some() {
            nginx.turn_off();
        }
    }
    Ok(())
}

fn duration(text: &str) -> Option<ngx_msec_t> {
    ngx_msec_t::try_from(milliseconds(text)?).ok()
}
