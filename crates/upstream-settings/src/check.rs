//! `etcd_check`, and `check` of a group.

use std::time::Duration;

use directive_table::{Args, ConfError, directive};
use nginx_syntax::{milliseconds, number};
use peer_check::{CheckConfig, CheckKind, Exchange, ExchangeError, StatusSet, is_tls_name};
use peer_zone::CheckPolicy;

/// How peers are checked, and what becomes of the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Request, intervals and counts of a check.
    pub config: CheckConfig,
    /// What active checks mean for the peers.
    pub policy: CheckPolicy,
}

impl Check {
    /// Reads the arguments of `etcd_check`.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn read(args: &Args<'_>) -> Result<Self, ConfError> {
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
        let mandatory = args.is_given("mandatory");
        let policy = CheckPolicy { mandatory, panic: args.need("panic", switch)? };
        Ok(Self { config, policy })
    }
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
            directive("etcd_check").invalid_value_of(parameter, &text, error.expects())
        }
        ExchangeError::NothingExpected => directive("etcd_check").needs("send", "\"expect\""),
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
