//! `etcd_geo $NAME CLUSTER PREFIX [empty=0|1] [initial=NETWORK,... ...]`

use core::ffi::c_void;

use client_networks::NamedNetworks;
use ngx::{
    core::{NGX_CONF_ERROR, Pool},
    ffi::{ngx_command_t, ngx_conf_t},
};

use super::{
    MainConf,
    arguments::{Mistake, finish, place, words},
    upstream::check_end,
    variable::{bare_name, check_key, tell_nginx},
};
use crate::{
    module::{ConfResult, guard},
    variables::{self, Judged, LiveNetworks, MAX_NETWORKS_LENGTH},
    zones,
};

/// A variable that says whether the client is in a network which a key names.
#[derive(Debug)]
pub(crate) struct GeoConf {
    /// With the dollar sign, as it is written.
    pub(crate) name: String,
    /// The name of a cluster; that there is one of this name is checked at the end of the configuration.
    pub(crate) cluster: String,
    /// Ends with a slash.
    pub(crate) prefix: String,
    /// What is said where there are no networks.
    pub(crate) empty: bool,
    /// The networks until etcd has said which there are.
    pub(crate) initial: Vec<u8>,
    /// The networks in shared memory, once it is mapped.
    pub(crate) live: Option<&'static LiveNetworks>,
    /// Those by which this process judges.
    pub(crate) judged: Judged,
    /// Where the directive stands: `in FILE:LINE`.
    pub(super) place: String,
}

/// The handler of `etcd_geo`.
pub(super) unsafe extern "C" fn etcd_geo(
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
    let [name, cluster, prefix, options @ ..] = words else {
        return Err("\"etcd_geo\" needs a variable, a cluster and a prefix".into());
    };
    let bare = bare_name(name, "etcd_geo")?;
    check_key(prefix, "etcd_geo")?;
    if prefix == "/" {
        return Err("the prefix \"/\" in \"etcd_geo\" would be every key of the cluster".into());
    }
    check_end(prefix, "etcd_geo")?;
    let prefix = if prefix.ends_with('/') { prefix.clone() } else { format!("{prefix}/") };
    let mut empty = None;
    let mut initial = NamedNetworks::default();
    for (index, option) in options.iter().enumerate() {
        let is_duplicate = match option.split_once('=') {
            Some(("empty", "0")) => empty.replace(false).is_some(),
            Some(("empty", "1")) => empty.replace(true).is_some(),
            Some(("initial", networks)) => {
                add_initial(&mut initial, index, networks)?;
                false
            }
            _ => return Err(format!("invalid parameter \"{option}\" in \"etcd_geo\"").into()),
        };
        if is_duplicate {
            return Err(format!("duplicate parameter \"{option}\" in \"etcd_geo\"").into());
        }
    }
    let initial = initial
        .to_bytes(MAX_NETWORKS_LENGTH)
        .map_err(|error| format!("\"initial\" in \"etcd_geo\": {error}"))?;
    if main.geos().any(|geo| geo.name.eq_ignore_ascii_case(name)) {
        return Err(format!("duplicate variable \"{name}\" in \"etcd_geo\"").into());
    }
    // SAFETY: the pool is the cycle's.
    let pool = unsafe { Pool::from_ngx_pool(cf.pool) };
    let geo = pool.allocate(GeoConf {
        name: name.clone(),
        cluster: cluster.clone(),
        prefix: prefix.clone(),
        empty: empty.unwrap_or(false),
        initial,
        live: None,
        judged: Judged::default(),
        place: place(cf),
    });
    if geo.is_null() {
        return Err("no memory for the configuration of \"etcd_geo\"".into());
    }
    tell_nginx(cf, bare, "etcd_geo", variables::etcd_geo, geo as usize)?;
    main.geos.push(geo);
    zones::add_geo(cf, main, cluster, &prefix)?;
    zones::add_lease(cf, main)?;
    Ok(())
}

/// Takes networks with commas between them. A word of nginx's configuration has at most some 4 000 bytes, so that there may be several.
fn add_initial(networks: &mut NamedNetworks, index: usize, words: &str) -> Result<(), Mistake> {
    if words.is_empty() {
        return Ok(());
    }
    match networks.put(format!("initial {index}").as_bytes(), words.as_bytes()).rejected.pop() {
        Some(rejected) => {
            Err(format!("invalid parameter \"initial={words}\" in \"etcd_geo\": {}", rejected.error).into())
        }
        None => Ok(()),
    }
}
