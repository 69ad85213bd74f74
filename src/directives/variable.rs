//! `etcd_variable $NAME CLUSTER KEY [default=V] [initial=V] [type=text|number|time]`

use core::ffi::c_void;

use ngx::{
    core::NGX_CONF_ERROR,
    ffi::{ngx_command_t, ngx_conf_t},
};

use super::{
    args::{Mistake, finish, place, words},
    keys::check_key,
    variable_names::{bare_name, tell_nginx},
};
use crate::{
    config::{Kind, VariableConf},
    http,
    live::LiveVariable,
    nginx::callback::{ConfResult, guard},
    upstream::CoreConf,
};

/// The handler of `etcd_variable`.
pub(super) unsafe extern "C" fn etcd_variable(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    _conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration.
        let cf = unsafe { &mut *cf };
        let result = words(cf).and_then(|words| add(cf, &words[1..]));
        finish(cf, result)
    })
}

fn add(cf: &mut ngx_conf_t, words: &[String]) -> Result<(), Mistake> {
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
    let core = CoreConf::of_conf(cf).ok_or("\"etcd_variable\" has no core module")?;
    let same = |other: &VariableConf| other.cluster == *cluster && other.key == *key;
    if core.live_of::<VariableConf>().any(|other| same(other.conf) && other.conf.kind != kind) {
        return Err(format!("the key \"{key}\" has an \"etcd_variable\" of another type").into());
    }
    if core.variable(name).is_some() {
        return Err(format!("duplicate variable \"{name}\" in \"etcd_variable\"").into());
    }
    let conf = VariableConf {
        name: name.clone(),
        cluster: cluster.clone(),
        key: key.clone(),
        default,
        initial,
        kind,
        place: place(cf),
    };
    let variable = LiveVariable::add(cf, conf)?;
    let data = (&raw const *variable).addr();
    tell_nginx(cf, bare, "etcd_variable", http::live_variable, data)?;
    core.live.push(variable);
    core.add_lease(cf)?;
    Ok(())
}
