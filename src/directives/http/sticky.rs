//! `etcd_sticky`: the cookie by which a client comes back to its peer.
//!
//! Parameters and their meaning are those of nginx's `sticky cookie`; `secret` is ours.

use core::ffi::c_void;

use directive_table::{Args, ConfError, Directive, directive};
use ngx::{
    core::Pool,
    ffi::{ngx_command_t, ngx_conf_t, ngx_http_get_variable_index, ngx_str_t, ngx_uint_t},
};

use crate::{
    config::{Expires, MAX_EXPIRES, Secret, Sticky, UpstreamConf},
    directives::{args::seconds, block::handle},
    nginx::callback::ConfResult,
};

const DIRECTIVE: &Directive = directive("etcd_sticky");

/// The handler of `etcd_sticky`.
pub(super) unsafe extern "C" fn etcd_sticky(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, DIRECTIVE, set) }
}

fn set(cf: &mut ngx_conf_t, conf: &mut UpstreamConf, args: &Args<'_>) -> Result<(), ConfError> {
    let name = args.need("cookie", cookie_name)?;
    let attributes = attributes(args)?;
    let expires = args.read("expires", expires)?;
    let secret = args.read("secret", secret)?.unwrap_or_default();
    check_browsers_take(name, args)?;
    let variable = variable(cf, name)?;
    conf.sticky = Some(Sticky { name: name.to_owned(), variable, expires, attributes, secret });
    Ok(())
}

/// The cookie's attributes but for its age, in the order in which RFC 6265 (section 4.1.1) has
/// them.
fn attributes(args: &Args<'_>) -> Result<String, ConfError> {
    let domain = args.read("domain", domain)?.map(|domain| format!("; Domain={domain}"));
    let path = args.read("path", path)?.map(|path| format!("; Path={path}"));
    let secure = args.is_given("secure").then(|| "; Secure".to_owned());
    let httponly = args.is_given("httponly").then(|| "; HttpOnly".to_owned());
    let samesite = args.read("samesite", samesite)?;
    let samesite = samesite.map(|samesite| format!("; SameSite={samesite}"));
    Ok([domain, path, secure, httponly, samesite].into_iter().flatten().collect())
}

/// What browsers ask for, and refuse a cookie without: for `SameSite=None`, and for what a name
/// begins with (RFC 6265bis, section 4.1.3).
fn check_browsers_take(name: &str, args: &Args<'_>) -> Result<(), ConfError> {
    let is_secure = args.is_given("secure");
    let samesite = args.given("samesite").filter(|value| value.eq_ignore_ascii_case("none"));
    if let Some(samesite) = samesite.filter(|_| !is_secure) {
        return Err(DIRECTIVE.needs(&format!("samesite={samesite}"), "\"secure\""));
    }
    let begins = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let cookie = format!("cookie={name}");
    if begins("__Host-") {
        if args.is_given("domain") {
            return Err(DIRECTIVE.excludes("domain", &cookie));
        }
        if !is_secure || args.given("path") != Some("/") {
            return Err(DIRECTIVE.needs(&cookie, "\"secure\" and \"path=/\""));
        }
    }
    if begins("__Secure-") && !is_secure {
        return Err(DIRECTIVE.needs(&cookie, "\"secure\""));
    }
    Ok(())
}

/// A token, as RFC 6265 has it for a cookie's name (RFC 9110, section 5.6.2).
fn cookie_name(value: &str) -> Option<&str> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (!value.is_empty() && value.bytes().all(is_token)).then_some(value)
}

fn expires(value: &str) -> Option<Expires> {
    if value == "max" {
        return Some(Expires::Max);
    }
    seconds(value).filter(|time| (1..=MAX_EXPIRES).contains(time)).map(Expires::After)
}

fn domain(value: &str) -> Option<&str> {
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (!value.is_empty() && value.bytes().all(is_host)).then_some(value)
}

fn path(value: &str) -> Option<&str> {
    let is_path = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b';';
    (value.starts_with('/') && value.bytes().all(is_path)).then_some(value)
}

fn samesite(value: &str) -> Option<&'static str> {
    ["Strict", "Lax", "None"].into_iter().find(|word| word.eq_ignore_ascii_case(value))
}

fn secret(value: &str) -> Option<Secret> {
    (!value.is_empty() && !value.chars().any(char::is_control)).then(|| Secret(value.to_owned()))
}

/// The index of `$cookie_NAME`, whose value nginx finds whatever the version and however many
/// headers the client sends.
fn variable(cf: &mut ngx_conf_t, name: &str) -> Result<ngx_uint_t, ConfError> {
    let failed = || DIRECTIVE.no_memory();
    // SAFETY: the pool is the cycle's.
    let pool = unsafe { Pool::from_ngx_pool(cf.pool) };
    // SAFETY: as above.
    let variable =
        unsafe { ngx_str_t::from_bytes(pool.as_ptr(), format!("cookie_{name}").as_bytes()) };
    let mut variable = variable.ok_or_else(failed)?;
    // SAFETY: nginx passes a valid configuration, and copies the name.
    let index = unsafe { ngx_http_get_variable_index(cf, &raw mut variable) };
    ngx_uint_t::try_from(index).map_err(|_| failed())
}
