//! `etcd_variable $NAME CLUSTER KEY [default=V] [initial=V] [type=text|number|time]`

use core::ffi::c_void;

use ngx::{
    core::{NGX_CONF_ERROR, Pool},
    ffi::{ngx_command_t, ngx_conf_t, ngx_http_add_variable, ngx_str_t},
};

use upstream_peers::milliseconds;

use super::{
    MainConf,
    args::{Mistake, finish, place, words},
};
use crate::{
    http::variables,
    live::value::{self, Live, Look, MAX_VALUE_LENGTH},
    nginx::callback::{ConfResult, guard},
    zones,
};

/// The longest key, in bytes; as with prefixes, etcd has no limit of its own, and it is shown in
/// lines of the log.
const MAX_KEY_LENGTH: usize = 512;

/// A variable whose value is in etcd.
#[derive(Debug)]
pub(crate) struct VariableConf {
    /// With the dollar sign, as it is written.
    pub(crate) name: String,
    /// The name of a cluster; that there is one of this name is checked at the end of the
    /// configuration.
    pub(crate) cluster: String,
    /// The key.
    pub(crate) key: String,
    /// The value where the key has none.
    pub(crate) default: Option<String>,
    /// The value until etcd has said whether the key has one; as `default` where it is not set.
    initial: Option<String>,
    /// What every value is.
    pub(crate) kind: Kind,
    /// The value in shared memory, once it is mapped.
    pub(crate) live: Option<&'static Live>,
    /// Where the directive stands: `in FILE:LINE`.
    pub(super) place: String,
}

/// What the values of a variable are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything.
    Text,
    /// See [`number`].
    Number,
    /// See [`time`].
    Time,
}

impl Kind {
    fn of_name(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "number" => Some(Self::Number),
            "time" => Some(Self::Time),
            _ => None,
        }
    }

    /// The same as it stands in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Time => "time",
        }
    }

    /// Whether a value is of this kind.
    pub(crate) fn takes(self, value: &str) -> bool {
        match self {
            Self::Text => true,
            Self::Number => number(value).is_some(),
            Self::Time => time(value).is_some(),
        }
    }
}

impl VariableConf {
    /// The value where there is none in shared memory.
    pub(crate) fn without_value(&self, look: Look) -> Option<&str> {
        without_value(look, self.initial.as_deref(), self.default.as_deref())
    }

    /// What says the present value as a number, in whichever thread.
    pub(crate) fn to_number(&self) -> Box<dyn Fn() -> Option<u32> + Send> {
        let (live, initial, default) = (self.live, self.initial.clone(), self.default.clone());
        Box::new(move || {
            let mut bytes = [0; MAX_VALUE_LENGTH];
            let look = live.map(|live| live.look(&mut bytes)).unwrap_or_default();
            match look.length {
                Some(length) => number(str::from_utf8(&bytes[..length]).ok()?),
                None => number(without_value(look, initial.as_deref(), default.as_deref())?),
            }
        })
    }
}

impl VariableConf {
    /// The present value as a time, in milliseconds.
    pub(crate) fn to_time(&self) -> Option<u64> {
        let mut bytes = [0; MAX_VALUE_LENGTH];
        let look = self.live.map(|live| live.look(&mut bytes)).unwrap_or_default();
        match look.length {
            Some(length) => time(str::from_utf8(&bytes[..length]).ok()?),
            None => time(self.without_value(look)?),
        }
    }
}

fn without_value<'a>(
    look: Look,
    initial: Option<&'a str>,
    default: Option<&'a str>,
) -> Option<&'a str> {
    initial.filter(|_| !look.is_heard).or(default)
}

/// A number as nginx's directives take it: digits and nothing else.
pub(crate) fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The longest time of `type=time`, in milliseconds, and as it is written: what is told by the
/// zone's clock for drains, which goes round in more than a year, of which this leaves most.
pub(crate) const LONGEST_TIME: (u64, &str) = (90 * 24 * 3_600_000, "90d");

/// The milliseconds of a time as nginx's directives take it.
pub(crate) fn time(text: &str) -> Option<u64> {
    milliseconds(text).filter(|&time| time <= LONGEST_TIME.0)
}

/// The handler of `etcd_variable`.
pub(super) unsafe extern "C" fn etcd_variable(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration, and the main configuration that this module
        // made.
        let (cf, main) = unsafe { (&mut *cf, &mut *conf.cast::<MainConf>()) };
        let result = words(cf).and_then(|words| add(cf, main, &words[1..]));
        finish(cf, result)
    })
}

fn add(cf: &mut ngx_conf_t, main: &mut MainConf, words: &[String]) -> Result<(), Mistake> {
    let [name, cluster, key, options @ ..] = words else {
        return Err("\"etcd_variable\" needs a variable, a cluster and a key".into());
    };
    let bare = bare_name(name, "etcd_variable")?;
    check_key(key, "etcd_variable")?;
    let [mut default, mut initial, mut kind] = [None, None, None];
    for option in options {
        let (parameter, value) = option.split_once('=').unwrap_or((option, ""));
        let slot = match parameter {
            "default" => &mut default,
            "initial" => &mut initial,
            "type" => &mut kind,
            _ => return Err(format!("invalid parameter \"{option}\" in \"etcd_variable\"").into()),
        };
        if !option.contains('=') {
            return Err(format!("invalid parameter \"{option}\" in \"etcd_variable\"").into());
        }
        if slot.replace(value.to_owned()).is_some() {
            return Err(format!("duplicate parameter \"{parameter}\" in \"etcd_variable\"").into());
        }
    }
    let kind = kind.as_deref().unwrap_or(Kind::Text.name());
    let kind = Kind::of_name(kind).ok_or_else(|| {
        format!(
            "invalid type \"{kind}\" in \"etcd_variable\": \"text\", \"number\" or \"time\" is \
             needed"
        )
    })?;
    for (parameter, value) in [("default", &default), ("initial", &initial)] {
        if let Some(value) = value.as_ref().filter(|value| !kind.takes(value)) {
            return Err(format!(
                "\"{parameter}={value}\" in \"etcd_variable\" is no {}",
                kind.name()
            )
            .into());
        }
    }
    let same = |other: &VariableConf| other.cluster == *cluster && other.key == *key;
    if main.variables().any(|other| same(other) && other.kind != kind) {
        return Err(format!("the key \"{key}\" has an \"etcd_variable\" of another type").into());
    }
    if main.variables().any(|variable| variable.name.eq_ignore_ascii_case(name)) {
        return Err(format!("duplicate variable \"{name}\" in \"etcd_variable\"").into());
    }
    // SAFETY: the pool is the cycle's.
    let pool = unsafe { Pool::from_ngx_pool(cf.pool) };
    let variable = pool.allocate(VariableConf {
        name: name.clone(),
        cluster: cluster.clone(),
        key: key.clone(),
        default,
        initial,
        kind,
        live: None,
        place: place(cf),
    });
    if variable.is_null() {
        return Err("no memory for the configuration of \"etcd_variable\"".into());
    }
    tell_nginx(cf, bare, "etcd_variable", value::etcd_variable, variable as usize)?;
    main.variables.push(variable);
    zones::add_variable(cf, main, cluster, key)?;
    zones::add_lease(cf, main)?;
    Ok(())
}

/// A variable's name without the dollar sign.
pub(super) fn bare_name<'a>(name: &'a str, directive: &str) -> Result<&'a str, Mistake> {
    let is_name = |bare: &&str| {
        !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    name.strip_prefix('$').filter(is_name).ok_or_else(|| {
        format!(
            "invalid variable name \"{name}\" in \"{directive}\": a dollar sign, letters, digits \
             and underscores are needed"
        )
        .into()
    })
}

pub(super) fn check_key(key: &str, directive: &str) -> Result<(), Mistake> {
    if key.is_empty() {
        return Err(format!("\"{directive}\" needs a key").into());
    }
    if key.len() > MAX_KEY_LENGTH {
        return Err(
            format!("the key in \"{directive}\" is longer than {MAX_KEY_LENGTH} bytes").into()
        );
    }
    if key.chars().any(char::is_control) {
        return Err(format!("the key in \"{directive}\" has control characters").into());
    }
    Ok(())
}

/// Whoever has a variable of this name already is named by nginx itself, or here.
pub(super) fn tell_nginx(
    cf: &mut ngx_conf_t,
    name: &str,
    directive: &str,
    getter: variables::Getter,
    data: usize,
) -> Result<(), Mistake> {
    // SAFETY: nginx passes a valid configuration, in whose pool the name is copied.
    let mut text = unsafe { ngx_str_t::from_bytes(cf.pool, name.as_bytes()) }
        .ok_or_else(|| format!("no memory for the configuration of \"{directive}\""))?;
    // No flags: one request sees one value, and nobody else sets it.
    // SAFETY: as above.
    let variable = unsafe { ngx_http_add_variable(cf, &raw mut text, 0).as_mut() };
    let variable =
        variable.ok_or_else(|| format!("\"{directive}\" cannot have the variable \"${name}\""))?;
    if variable.get_handler.is_some() {
        return Err(format!(
            "\"{directive}\" cannot have the variable \"${name}\", which another directive or \
             module has"
        )
        .into());
    }
    variable.get_handler = Some(getter);
    variable.data = data;
    Ok(())
}
