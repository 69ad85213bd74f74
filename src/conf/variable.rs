//! `etcd_variable $NAME CLUSTER KEY [default=V]`

use core::{ffi::c_void, ptr};

use ngx::{
    core::{NGX_CONF_ERROR, Pool},
    ffi::{ngx_command_t, ngx_conf_t, ngx_http_add_variable, ngx_str_t},
};

use super::{
    MainConf,
    arguments::{Mistake, finish, place, words},
};
use crate::{
    module::{ConfResult, guard},
    variables::{self, Live},
    zones,
};

/// The longest key, in bytes; as with prefixes, etcd has no limit of its own, and it is shown in lines of the log.
const MAX_KEY_LENGTH: usize = 512;

/// A variable whose value is in etcd.
#[derive(Debug)]
pub(crate) struct VariableConf {
    /// With the dollar sign, as it is written.
    pub(crate) name: String,
    /// The name of a cluster; that there is one of this name is checked at the end of the configuration.
    pub(crate) cluster: String,
    /// The key.
    pub(crate) key: String,
    /// The value where the key has none.
    pub(crate) default: Option<String>,
    /// The value in shared memory, once it is mapped.
    pub(crate) live: Option<&'static Live>,
    /// Where the directive stands: `in FILE:LINE`.
    pub(super) place: String,
}

/// The handler of `etcd_variable`.
pub(super) unsafe extern "C" fn etcd_variable(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration, and the main configuration that this module made.
        let (cf, main) = unsafe { (&mut *cf, &mut *conf.cast::<MainConf>()) };
        let result = words(cf).and_then(|words| add(cf, main, &words[1..]));
        finish(cf, result)
    })
}

fn add(cf: &mut ngx_conf_t, main: &mut MainConf, words: &[String]) -> Result<(), Mistake> {
    let [name, cluster, key, options @ ..] = words else {
        return Err("\"etcd_variable\" needs a variable, a cluster and a key".into());
    };
    let bare = name.strip_prefix('$').filter(|bare| is_name(bare)).ok_or_else(|| {
        format!(
            "invalid variable name \"{name}\" in \"etcd_variable\": a dollar sign, letters, digits and underscores are needed"
        )
    })?;
    check_key(key)?;
    let mut default = None;
    for option in options {
        let value = option
            .strip_prefix("default=")
            .ok_or_else(|| format!("invalid parameter \"{option}\" in \"etcd_variable\""))?;
        if default.replace(value.to_owned()).is_some() {
            return Err("duplicate parameter \"default\" in \"etcd_variable\"".into());
        }
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
        live: None,
        place: place(cf),
    });
    if variable.is_null() {
        return Err("no memory for the configuration of \"etcd_variable\"".into());
    }
    tell_nginx(cf, bare, variable)?;
    main.variables.push(variable);
    zones::add_variable(cf, main, cluster, key)?;
    zones::add_lease(cf, main)?;
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn check_key(key: &str) -> Result<(), Mistake> {
    if key.is_empty() {
        return Err("\"etcd_variable\" needs a key".into());
    }
    if key.len() > MAX_KEY_LENGTH {
        return Err(format!("the key in \"etcd_variable\" is longer than {MAX_KEY_LENGTH} bytes").into());
    }
    if key.chars().any(char::is_control) {
        return Err("the key in \"etcd_variable\" has control characters".into());
    }
    Ok(())
}

/// Whoever has a variable of this name already is named by nginx itself.
fn tell_nginx(cf: &mut ngx_conf_t, name: &str, conf: *mut VariableConf) -> Result<(), Mistake> {
    // SAFETY: nginx passes a valid configuration, in whose pool the name is copied.
    let mut text = unsafe { ngx_str_t::from_bytes(cf.pool, name.as_bytes()) }
        .ok_or("no memory for the configuration of \"etcd_variable\"")?;
    // No flags: one request sees one value, and nobody else sets it.
    // SAFETY: as above.
    let variable = unsafe { ngx_http_add_variable(cf, &raw mut text, 0).as_mut() };
    let variable =
        variable.ok_or_else(|| format!("\"etcd_variable\" cannot have the variable \"${name}\""))?;
    if variable
        .get_handler
        .is_some_and(|known| !ptr::fn_addr_eq(known, variables::etcd_variable as variables::Getter))
    {
        return Err(format!(
            "\"etcd_variable\" cannot have the variable \"${name}\", which is another module's"
        )
        .into());
    }
    variable.get_handler = Some(variables::etcd_variable);
    variable.data = conf as usize;
    Ok(())
}
