//! `etcd_drain [timeout=T] [spread=S | rate=N/s] [on=remove,drain,check]`, in an `upstream`: how a
//! peer's open connections come to an end. T and S may be variables of `etcd_variable`.

use core::ffi::c_void;
use core::num::NonZeroU32;

use directive_table::{Args, ConfError, Directive, directive};
use nginx_syntax::number;
use ngx::ffi::{ngx_command_t, ngx_conf_t};
use upstream_settings::drain_reasons;

use super::{
    args::milliseconds,
    block::{handle, written},
};
use crate::{
    config::{DrainConf, LONGEST_TIME, PaceConf, Time, UpstreamConf},
    nginx::callback::ConfResult,
};

const DIRECTIVE: &Directive = directive("etcd_drain");

/// The handler of `etcd_drain`.
pub(super) unsafe extern "C" fn etcd_drain(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, DIRECTIVE, set) }
}

fn set(cf: &mut ngx_conf_t, conf: &mut UpstreamConf, args: &Args<'_>) -> Result<(), ConfError> {
    let pace = match args.read("rate", rate)? {
        Some(rate) => PaceConf::Rate(rate),
        None => PaceConf::Spread(time(args, "spread")?),
    };
    conf.drain = Some(DrainConf {
        timeout: time(args, "timeout")?,
        pace,
        on: args.need("on", drain_reasons)?,
    });
    conf.drain_args = written(cf)?;
    Ok(())
}

fn time(args: &Args<'_>, name: &str) -> Result<Time, ConfError> {
    let fixed = |value: &str| milliseconds(value).filter(|&time| time <= LONGEST_TIME.0);
    match args.given(name) {
        // That there is such a variable is checked at the end of the configuration: it may be
        // defined after the upstream.
        Some(value) if value.starts_with('$') => {
            let otherwise = DIRECTIVE.parameter(name).default.and_then(fixed);
            Ok(Time::Of(value.to_owned(), otherwise.unwrap_or_default()))
        }
        _ => args.need(name, fixed).map(Time::Fixed),
    }
}

fn rate(value: &str) -> Option<NonZeroU32> {
    value.strip_suffix("/s").and_then(number)
}
