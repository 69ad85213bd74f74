//! `etcd_sticky cookie=NAME ...`, in an `upstream`: the cookie by which a client comes back to its
//! peer.
//!
//! Parameters and their meaning are those of nginx's `sticky cookie`; `secret` is ours.

use core::ffi::c_void;

use ngx::{
    core::Pool,
    ffi::{ngx_command_t, ngx_conf_t, ngx_http_get_variable_index, ngx_str_t, ngx_uint_t},
};

use super::{
    args::{Mistake, seconds},
    block::{handle, needs_etcd},
};
use crate::{
    config::{Expires, MAX_EXPIRES, Secret, Sticky, UpstreamConf},
    nginx::callback::ConfResult,
};

/// The words, as they are read.
#[derive(Default)]
struct Words {
    cookie: Option<String>,
    expires: Option<Expires>,
    domain: Option<String>,
    path: Option<String>,
    httponly: Option<()>,
    secure: Option<()>,
    samesite: Option<&'static str>,
    secret: Option<Secret>,
}

/// The handler of `etcd_sticky`.
pub(super) unsafe extern "C" fn etcd_sticky(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { handle(cf, conf, set) }
}

fn set(cf: &mut ngx_conf_t, conf: &mut UpstreamConf, words: &[String]) -> Result<(), Mistake> {
    needs_etcd(conf, "etcd_sticky")?;
    if conf.sticky.is_some() {
        return Err("\"etcd_sticky\" directive is duplicate".into());
    }
    let mut read = Words::default();
    for word in words {
        read.take(word)?;
    }
    if read.samesite == Some("None") && read.secure.is_none() {
        return Err(
            "\"samesite=none\" in \"etcd_sticky\" needs \"secure\": browsers refuse such a cookie \
             without it"
                .into(),
        );
    }
    check_prefix(&read)?;
    let attributes = read.attributes();
    let Words { cookie, expires, secret, .. } = read;
    let name = cookie.ok_or("\"etcd_sticky\" needs the name of a cookie: \"cookie=NAME\"")?;
    let variable = variable(cf, &name)?;
    conf.sticky =
        Some(Sticky { name, variable, expires, attributes, secret: secret.unwrap_or_default() });
    Ok(())
}

impl Words {
    fn take(&mut self, word: &str) -> Result<(), Mistake> {
        let (name, value) =
            word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        match (name, value) {
            ("cookie", Some(value)) => once(&mut self.cookie, name, cookie_name(value)?),
            ("expires", Some(value)) => once(&mut self.expires, name, expires(value)?),
            ("domain", Some(value)) => once(&mut self.domain, name, domain(value)?),
            ("path", Some(value)) => once(&mut self.path, name, path(value)?),
            ("httponly", None) => once(&mut self.httponly, name, ()),
            ("secure", None) => once(&mut self.secure, name, ()),
            ("samesite", Some(value)) => once(&mut self.samesite, name, samesite(value)?),
            ("secret", Some(value)) => once(&mut self.secret, name, secret(value)?),
            // What was meant for the secret is not to be shown.
            ("secret", None) => Err("\"secret\" in \"etcd_sticky\" lacks a value".into()),
            _ => Err(format!("invalid parameter \"{word}\" in \"etcd_sticky\"").into()),
        }
    }

    /// In the order in which RFC 6265 (section 4.1.1) has them.
    fn attributes(&self) -> String {
        let domain = self.domain.iter().map(|domain| format!("; Domain={domain}"));
        let path = self.path.iter().map(|path| format!("; Path={path}"));
        let secure = self.secure.iter().map(|()| "; Secure".to_owned());
        let httponly = self.httponly.iter().map(|()| "; HttpOnly".to_owned());
        let samesite = self.samesite.iter().map(|samesite| format!("; SameSite={samesite}"));
        domain.chain(path).chain(secure).chain(httponly).chain(samesite).collect()
    }
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), Mistake> {
    if slot.replace(value).is_some() {
        return Err(format!("duplicate parameter \"{name}\" in \"etcd_sticky\"").into());
    }
    Ok(())
}

/// What a cookie's name may ask for, without which browsers refuse it (RFC 6265bis, section 4.1.3).
fn check_prefix(words: &Words) -> Result<(), Mistake> {
    let Some(name) = &words.cookie else { return Ok(()) };
    let begins = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let is_at_root = words.path.as_deref() == Some("/");
    let needed =
        if begins("__Host-") && (words.secure.is_none() || !is_at_root || words.domain.is_some()) {
            "\"secure\" and \"path=/\", and no \"domain\""
        } else if begins("__Secure-") && words.secure.is_none() {
            "\"secure\""
        } else {
            return Ok(());
        };
    let message = format!(
        "the cookie \"{name}\" of \"etcd_sticky\" needs {needed}: browsers refuse one of such a \
         name without"
    );
    Err(message.into())
}

/// A token, as RFC 6265 has it for a cookie's name (RFC 9110, section 5.6.2).
fn cookie_name(value: &str) -> Result<String, Mistake> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if value.is_empty() || !value.bytes().all(is_token) {
        return Err(format!(
            "invalid name {value:?} of \"cookie\" in \"etcd_sticky\": letters, digits and \
             !#$%&'*+-.^_`|~ are needed"
        )
        .into());
    }
    Ok(value.to_owned())
}

fn expires(value: &str) -> Result<Expires, Mistake> {
    if value == "max" {
        return Ok(Expires::Max);
    }
    let time = seconds(value).filter(|time| (1..=MAX_EXPIRES).contains(time));
    time.map(Expires::After).ok_or_else(|| {
        format!(
            "invalid time \"{value}\" of \"expires\" in \"etcd_sticky\": a time from 1s to 10y or \
             \"max\" is needed"
        )
        .into()
    })
}

fn domain(value: &str) -> Result<String, Mistake> {
    if value.is_empty()
        || !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    {
        return Err(format!(
            "invalid \"domain\" {value:?} in \"etcd_sticky\": a host name is needed, and variables \
             are not taken"
        )
        .into());
    }
    Ok(value.to_owned())
}

fn path(value: &str) -> Result<String, Mistake> {
    let is_path = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b';';
    if !value.starts_with('/') || !value.bytes().all(is_path) {
        return Err(format!(
            "invalid \"path\" {value:?} in \"etcd_sticky\": it must begin with \"/\", and hold no \
             \";\", no control characters and only ASCII"
        )
        .into());
    }
    Ok(value.to_owned())
}

fn samesite(value: &str) -> Result<&'static str, Mistake> {
    ["Strict", "Lax", "None"].into_iter().find(|word| word.eq_ignore_ascii_case(value)).ok_or_else(
        || {
            format!(
                "invalid value \"{value}\" of \"samesite\" in \"etcd_sticky\": it is \"strict\", \
                 \"lax\" or \"none\""
            )
            .into()
        },
    )
}

fn secret(value: &str) -> Result<Secret, Mistake> {
    if value.is_empty() {
        return Err("\"secret\" in \"etcd_sticky\" is empty".into());
    }
    if value.chars().any(char::is_control) {
        return Err("\"secret\" in \"etcd_sticky\" has control characters".into());
    }
    Ok(Secret(value.to_owned()))
}

/// The index of `$cookie_NAME`, whose value nginx finds whatever the version and however many
/// headers the client sends.
fn variable(cf: &mut ngx_conf_t, name: &str) -> Result<ngx_uint_t, Mistake> {
    let failed =
        || format!("the variable of the cookie \"{name}\" of \"etcd_sticky\" could not be had");
    // SAFETY: the pool is the cycle's.
    let pool = unsafe { Pool::from_ngx_pool(cf.pool) };
    // SAFETY: as above.
    let variable =
        unsafe { ngx_str_t::from_bytes(pool.as_ptr(), format!("cookie_{name}").as_bytes()) };
    let mut variable = variable.ok_or_else(failed)?;
    // SAFETY: nginx passes a valid configuration, and copies the name.
    let index = unsafe { ngx_http_get_variable_index(cf, &raw mut variable) };
    ngx_uint_t::try_from(index).map_err(|_| failed().into())
}
