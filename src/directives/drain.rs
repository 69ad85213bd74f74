//! `etcd_drain [timeout=T] [spread=S | rate=N/s] [on=remove,drain,check]`, in an `upstream`: how a
//! peer's open connections come to an end. T and S may be variables of `etcd_variable`.

use core::ffi::c_void;
use core::num::NonZeroU32;

use nginx_syntax::number;
use ngx::ffi::{ngx_command_t, ngx_conf_t};
use peer_zone::DrainReasons;

use super::{
    args::{Mistake, milliseconds},
    block::{handle, needs_etcd},
};
use crate::{
    config::{DrainConf, LONGEST_TIME, PaceConf, Time, UpstreamConf},
    nginx::callback::ConfResult,
};

/// How long connections have to end by themselves, in milliseconds: most requests and long polls
/// are over by then.
const TIMEOUT: u64 = 30_000;

/// Over how long the rest is closed, in milliseconds: so that of ten thousand sessions a thousand a
/// second return.
const SPREAD: u64 = 10_000;

/// Every reason that there is.
const ON: DrainReasons = DrainReasons { removed: true, drain: true, check: true };

#[derive(Default)]
struct Words {
    timeout: Option<Time>,
    spread: Option<Time>,
    rate: Option<NonZeroU32>,
    on: Option<DrainReasons>,
}

/// The handler of `etcd_drain`.
pub(super) unsafe extern "C" fn etcd_drain(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, set) }
}

fn set(_cf: &mut ngx_conf_t, conf: &mut UpstreamConf, words: &[String]) -> Result<(), Mistake> {
    needs_etcd(conf, "etcd_drain")?;
    if conf.drain.is_some() {
        return Err("\"etcd_drain\" directive is duplicate".into());
    }
    let mut read = Words::default();
    for word in words {
        read.take(word)?;
    }
    conf.drain = Some(read.finish()?);
    Ok(())
}

impl Words {
    fn take(&mut self, word: &str) -> Result<(), Mistake> {
        let invalid = || Mistake::from(format!("invalid parameter \"{word}\" in \"etcd_drain\""));
        let (name, value) = word.split_once('=').ok_or_else(invalid)?;
        let is_duplicate = match name {
            "timeout" => self.timeout.replace(time(name, value, TIMEOUT)?).is_some(),
            "spread" => self.spread.replace(time(name, value, SPREAD)?).is_some(),
            "rate" => self.rate.replace(rate(value)?).is_some(),
            "on" => self.on.replace(reasons(value)?).is_some(),
            _ => return Err(invalid()),
        };
        if is_duplicate {
            return Err(format!("duplicate parameter \"{name}\" in \"etcd_drain\"").into());
        }
        Ok(())
    }

    fn finish(self) -> Result<DrainConf, Mistake> {
        let pace = match (self.spread, self.rate) {
            (Some(_), Some(_)) => {
                return Err("\"spread\" and \"rate\" in \"etcd_drain\" cannot both be used".into());
            }
            (None, Some(rate)) => PaceConf::Rate(rate),
            (spread, None) => PaceConf::Spread(spread.unwrap_or(Time::Fixed(SPREAD))),
        };
        Ok(DrainConf {
            timeout: self.timeout.unwrap_or(Time::Fixed(TIMEOUT)),
            pace,
            on: self.on.unwrap_or(ON),
        })
    }
}

fn time(name: &str, value: &str, otherwise: u64) -> Result<Time, Mistake> {
    // That there is such a variable is checked at the end of the configuration: it may stand behind
    // the upstream.
    if value.starts_with('$') {
        return Ok(Time::Of(value.to_owned(), otherwise));
    }
    let (longest, text) = LONGEST_TIME;
    milliseconds(value).filter(|&time| time <= longest).map(Time::Fixed).ok_or_else(|| {
        format!("invalid time \"{value}\" of \"{name}\" in \"etcd_drain\": {text} are the longest")
            .into()
    })
}

fn rate(value: &str) -> Result<NonZeroU32, Mistake> {
    value.strip_suffix("/s").and_then(number).ok_or_else(|| {
        format!(
            "invalid \"rate\" \"{value}\" in \"etcd_drain\": connections a second are needed, as \
             in \"rate=50/s\""
        )
        .into()
    })
}

fn reasons(value: &str) -> Result<DrainReasons, Mistake> {
    let mut reasons = DrainReasons { removed: false, drain: false, check: false };
    for word in value.split(',') {
        let reason = match word {
            "remove" => &mut reasons.removed,
            "drain" => &mut reasons.drain,
            "check" => &mut reasons.check,
            _ => {
                return Err(format!(
                    "unknown reason \"{word}\" of \"on\" in \"etcd_drain\": there are \"remove\", \
                     \"drain\" and \"check\""
                )
                .into());
            }
        };
        if std::mem::replace(reason, true) {
            return Err(format!("duplicate reason \"{word}\" of \"on\" in \"etcd_drain\"").into());
        }
    }
    Ok(reasons)
}
