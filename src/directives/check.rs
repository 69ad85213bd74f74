//! `etcd_check http|tcp|tls ...`, in an `upstream`: how the peers are checked.

use core::ffi::c_void;
use std::time::Duration;

use directive_table::{Args, ConfError, Directive, directive};
use nginx_syntax::number;
use ngx::ffi::{ngx_command_t, ngx_conf_t};
use peer_check::{CheckConfig, CheckKind, Exchange, ExchangeError, StatusSet, is_tls_name};

use super::{args::milliseconds, block::handle};
use crate::{
    config::{Check, UpstreamConf},
    nginx::callback::ConfResult,
};

const DIRECTIVE: &Directive = directive("etcd_check");

/// The handler of `etcd_check`.
pub(super) unsafe extern "C" fn etcd_check(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, DIRECTIVE, set) }
}

fn set(_cf: &mut ngx_conf_t, conf: &mut UpstreamConf, args: &Args<'_>) -> Result<(), ConfError> {
    let config = CheckConfig {
        kind: kind(args)?,
        interval: args.need("interval", time)?,
        timeout: args.need("timeout", time)?,
        fall: args.need("fall", count)?,
        rise: args.need("rise", count)?,
    };
    config
        .verify()
        .map_err(|error| format!("invalid parameters in \"etcd_check\" directive: {error}"))?;
    conf.check = Some(Check {
        config,
        mandatory: args.is_given("mandatory"),
        panic: args.need("panic", switch)?,
    });
    Ok(())
}

fn kind(args: &Args<'_>) -> Result<CheckKind, ConfError> {
    let read = args.argument(0, |kind| match kind {
        "http" => Some(http as fn(&Args<'_>) -> Result<CheckKind, ConfError>),
        "tcp" => Some(tcp),
        "tls" => Some(tls),
        _ => None,
    })?;
    read(args)
}

fn http(args: &Args<'_>) -> Result<CheckKind, ConfError> {
    Ok(CheckKind::Http {
        method: args.need("method", |method| method.parse().ok())?,
        uri: args.need("uri", uri)?,
        host: args.read("host", host)?,
        status: args.need("status", |codes| StatusSet::parse(codes).ok())?,
    })
}

fn tcp(args: &Args<'_>) -> Result<CheckKind, ConfError> {
    Ok(CheckKind::Tcp { exchange: exchange(args)? })
}

fn tls(args: &Args<'_>) -> Result<CheckKind, ConfError> {
    let name = args.read("name", |name| is_tls_name(name).then(|| name.to_owned()))?;
    Ok(CheckKind::Tls { name, exchange: exchange(args)? })
}

fn exchange(args: &Args<'_>) -> Result<Option<Exchange>, ConfError> {
    let given = Exchange::parse(args.given("send"), args.given("expect"));
    given.map_err(|error| match error {
        ExchangeError::Text { parameter, text, error } => {
            DIRECTIVE.invalid_value_of(parameter, &text, error.expects())
        }
        ExchangeError::NothingExpected => DIRECTIVE.needs("send", "\"expect\""),
    })
}

/// Whether the text can be in a request's line or header without ending it: printable ASCII
/// without spaces.
fn is_graphic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn uri(value: &str) -> Option<String> {
    let is_uri = value.starts_with('/') && is_graphic(value) && !value.contains('#');
    is_uri.then(|| value.to_owned())
}

fn host(value: &str) -> Option<String> {
    (!value.is_empty() && is_graphic(value)).then(|| value.to_owned())
}

fn time(value: &str) -> Option<Duration> {
    milliseconds(value).filter(|&time| time > 0).map(Duration::from_millis)
}

fn count(value: &str) -> Option<u32> {
    number(value).filter(|&number| number > 0)
}

/// `0` or `1`.
fn switch(value: &str) -> Option<bool> {
    match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}
