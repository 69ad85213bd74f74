//! `etcd_check http|tcp ...`, in an `upstream`: how the peers are checked.

use core::ffi::c_void;
use std::time::Duration;

use nginx_syntax::number;
use ngx::ffi::{ngx_command_t, ngx_conf_t};
use peer_check::{CheckConfig, CheckKind, CheckMethod, StatusSet};

use super::{
    args::{Mistake, milliseconds},
    block::{handle, needs_etcd},
};
use crate::{
    config::{Check, UpstreamConf},
    nginx::callback::ConfResult,
};

/// What is asked for where nothing else is said, as nginx Plus' `health_check` does.
const URI: &str = "/";

/// The time from one check of a peer to the next: as nginx Plus' `health_check`.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long a check may take: a peer that needs longer to say that it is well is not.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Failed checks in a row that take a peer out: one may be lost with a packet.
const FALL: u32 = 3;

/// Passed checks in a row that take it back.
const RISE: u32 = 2;

/// The words, as they are read.
#[derive(Default)]
struct Words {
    method: Option<CheckMethod>,
    uri: Option<String>,
    host: Option<String>,
    status: Option<StatusSet>,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    fall: Option<u32>,
    rise: Option<u32>,
    mandatory: Option<bool>,
    panic: Option<bool>,
}

/// The handler of `etcd_check`.
pub(super) unsafe extern "C" fn etcd_check(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, set) }
}

fn set(_cf: &mut ngx_conf_t, conf: &mut UpstreamConf, words: &[String]) -> Result<(), Mistake> {
    needs_etcd(conf, "etcd_check")?;
    if conf.check.is_some() {
        return Err("\"etcd_check\" directive is duplicate".into());
    }
    let (kind, parameters) =
        words.split_first().ok_or("\"etcd_check\" needs \"http\" or \"tcp\"")?;
    if !["http", "tcp"].contains(&kind.as_str()) {
        return Err(format!(
            "unknown check \"{kind}\" in \"etcd_check\": it is \"http\" or \"tcp\""
        )
        .into());
    }
    let mut read = Words::default();
    for parameter in parameters {
        read.take(parameter)?;
    }
    conf.check = Some(read.finish(kind == "http")?);
    Ok(())
}

impl Words {
    fn take(&mut self, word: &str) -> Result<(), Mistake> {
        let (name, value) =
            word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        match (name, value) {
            ("method", Some(value)) => once(&mut self.method, name, method(value)?),
            ("uri", Some(value)) => once(&mut self.uri, name, uri(value)?),
            ("host", Some(value)) => once(&mut self.host, name, host(value)?),
            ("status", Some(value)) => once(&mut self.status, name, status(value)?),
            ("interval", Some(value)) => once(&mut self.interval, name, time(name, value)?),
            ("timeout", Some(value)) => once(&mut self.timeout, name, time(name, value)?),
            ("fall", Some(value)) => once(&mut self.fall, name, count(name, value)?),
            ("rise", Some(value)) => once(&mut self.rise, name, count(name, value)?),
            ("mandatory", None) => once(&mut self.mandatory, name, true),
            ("panic", Some("0")) => once(&mut self.panic, name, false),
            ("panic", Some("1")) => once(&mut self.panic, name, true),
            ("panic", Some(value)) => Err(format!(
                "invalid value \"{value}\" of \"panic\" in \"etcd_check\": it is 0 or 1"
            )
            .into()),
            _ => Err(format!("invalid parameter \"{word}\" in \"etcd_check\"").into()),
        }
    }

    fn finish(self, http: bool) -> Result<Check, Mistake> {
        let kind = if http {
            CheckKind::Http {
                method: self.method.unwrap_or_default(),
                uri: self.uri.unwrap_or_else(|| URI.to_owned()),
                host: self.host,
                status: self.status.unwrap_or_default(),
            }
        } else {
            let given = [
                ("method", self.method.is_some()),
                ("uri", self.uri.is_some()),
                ("host", self.host.is_some()),
                ("status", self.status.is_some()),
            ];
            for (name, is_given) in given {
                if is_given {
                    return Err(format!(
                        "\"{name}\" in \"etcd_check\" is for \"http\", not for \"tcp\""
                    )
                    .into());
                }
            }
            CheckKind::Tcp
        };
        let config = CheckConfig {
            kind,
            interval: self.interval.unwrap_or(INTERVAL),
            timeout: self.timeout.unwrap_or(TIMEOUT),
            fall: self.fall.unwrap_or(FALL),
            rise: self.rise.unwrap_or(RISE),
        };
        config.verify().map_err(|error| format!("in \"etcd_check\": {error}"))?;
        Ok(Check {
            config,
            mandatory: self.mandatory.unwrap_or(false),
            panic: self.panic.unwrap_or(true),
        })
    }
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), Mistake> {
    if slot.replace(value).is_some() {
        return Err(format!("duplicate parameter \"{name}\" in \"etcd_check\"").into());
    }
    Ok(())
}

/// Whether the text can stand in a request's line or header without ending it: printable ASCII
/// without spaces.
fn is_graphic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn method(value: &str) -> Result<CheckMethod, Mistake> {
    value.parse().map_err(|_| {
        format!("invalid \"method\" \"{value}\" in \"etcd_check\": it is GET or HEAD").into()
    })
}

fn uri(value: &str) -> Result<String, Mistake> {
    if !value.starts_with('/') {
        return Err(format!(
            "invalid \"uri\" \"{value}\" in \"etcd_check\": it must begin with \"/\""
        )
        .into());
    }
    if !is_graphic(value) || value.contains('#') {
        return Err(format!(
            "invalid \"uri\" {value:?} in \"etcd_check\": spaces, control characters, \"#\" and \
             what is not ASCII must be escaped"
        )
        .into());
    }
    Ok(value.to_owned())
}

fn host(value: &str) -> Result<String, Mistake> {
    if value.is_empty() || !is_graphic(value) {
        return Err(format!(
            "invalid \"host\" {value:?} in \"etcd_check\": a name without spaces and control \
             characters is needed"
        )
        .into());
    }
    Ok(value.to_owned())
}

fn status(value: &str) -> Result<StatusSet, Mistake> {
    StatusSet::parse(value).map_err(|error| {
        format!(
            "invalid \"status\" \"{value}\" in \"etcd_check\" ({error}): codes and ranges such as \
             200,204 or 200-399 are needed"
        )
        .into()
    })
}

fn time(name: &str, value: &str) -> Result<Duration, Mistake> {
    let time = milliseconds(value).filter(|&time| time > 0);
    time.map(Duration::from_millis).ok_or_else(|| {
        format!(
            "invalid time \"{value}\" of \"{name}\" in \"etcd_check\": a time above zero is needed"
        )
        .into()
    })
}

fn count(name: &str, value: &str) -> Result<u32, Mistake> {
    number(value).filter(|&number| number > 0).ok_or_else(|| {
        format!(
            "invalid number \"{value}\" of \"{name}\" in \"etcd_check\": a whole number above zero \
             is needed"
        )
        .into()
    })
}
