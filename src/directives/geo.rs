//! `etcd_geo $NAME CLUSTER PREFIX [empty=0|1] [zone=SIZE] [initial=NETWORK,... ...]
//! [initial_file=FILE] [origin=CLUSTER:REVISION]`

use core::ffi::c_void;
use std::{fs::File, io::Read, path::Path};

use client_networks::{Ranges, parse_lines};
use ngx::{
    core::NGX_CONF_ERROR,
    ffi::{ngx_command_t, ngx_conf_t},
};

use super::{
    args::{Mistake, finish, full_name, place, size, words},
    keys::{check_end, check_key},
    variable_names::{bare_name, tell_nginx},
};
use crate::{
    config::{GeoConf, Initial},
    http,
    live::LiveVariable,
    nginx::callback::{ConfResult, guard},
    upstream::CoreConf,
};

/// The shared memory where nothing is said of it: room for 100 000 networks with keys of up to 60
/// bytes. What is not used of it takes no memory.
const ZONE_SIZE: usize = 32 << 20;

/// The least that is of use: nginx's own part of a zone, and some networks.
const MIN_ZONE_SIZE: usize = 64 << 10;

/// The largest file of networks, in bytes: more than 1 000 000 networks have.
const MAX_FILE: u64 = 64 << 20;

/// The handler of `etcd_geo`.
pub(super) unsafe extern "C" fn etcd_geo(
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
    let mut zone_size = None;
    let mut initial: Option<Vec<String>> = None;
    let mut file = None;
    let mut origin = None;
    for option in options {
        let is_duplicate = match option.split_once('=') {
            Some(("empty", "0")) => empty.replace(false).is_some(),
            Some(("empty", "1")) => empty.replace(true).is_some(),
            Some(("zone", size)) => zone_size.replace(read_size(size)?).is_some(),
            Some(("initial", networks)) => {
                let words = networks.replace(',', " ");
                let words = parse_lines(&words).map_err(|error| {
                    format!(
                        "invalid parameter \"{option}\" in \"etcd_geo\": {} is no network",
                        error.word
                    )
                })?;
                initial.get_or_insert_default().extend(words.into_iter().map(str::to_owned));
                false
            }
            Some(("origin", text)) => origin.replace(read_origin(text)?).is_some(),
            Some(("initial_file", name)) => file.replace(name.to_owned()).is_some(),
            _ => return Err(format!("invalid parameter \"{option}\" in \"etcd_geo\"").into()),
        };
        if is_duplicate {
            return Err(format!("duplicate parameter \"{option}\" in \"etcd_geo\"").into());
        }
    }
    if let Some(name) = file {
        let file = full_name(cf, &name)
            .ok_or("no memory for the name of \"initial_file\" in \"etcd_geo\"")?;
        let text = read_file(&file).map_err(|error| {
            format!(
                "\"initial_file\" in \"etcd_geo\": \"{}\" cannot be read: {error}",
                file.display()
            )
        })?;
        let words = parse_lines(&text).map_err(|error| {
            format!("\"initial_file\" in \"etcd_geo\": \"{}\": {error}", file.display())
        })?;
        initial.get_or_insert_default().extend(words.into_iter().map(str::to_owned));
    }
    let initial = initial.map(|words| Initial {
        ranges: Ranges::of(words.iter().map(String::as_str)),
        count: words.len(),
    });
    let zone_size = zone_size.unwrap_or(ZONE_SIZE);
    let core = CoreConf::of_conf(cf).ok_or("\"etcd_geo\" has no core module")?;
    if core.live_of::<GeoConf>().any(|geo| geo.conf.name.eq_ignore_ascii_case(name)) {
        return Err(format!("duplicate variable \"{name}\" in \"etcd_geo\"").into());
    }
    let conf = GeoConf {
        name: name.clone(),
        cluster: cluster.clone(),
        prefix,
        empty: empty.unwrap_or(false),
        zone_size,
        initial,
        origin,
        place: place(cf),
    };
    let geo = LiveVariable::add(cf, conf)?;
    tell_nginx(cf, bare, "etcd_geo", http::live_variable, (&raw const *geo).addr())?;
    core.live.push(geo);
    core.add_lease(cf)?;
    Ok(())
}

fn read_size(text: &str) -> Result<usize, Mistake> {
    let bytes = size(text).filter(|&bytes| bytes >= MIN_ZONE_SIZE);
    bytes.ok_or_else(|| {
        format!(
            "invalid size \"{text}\" of \"zone\" in \"etcd_geo\": at least {}k are needed",
            MIN_ZONE_SIZE >> 10
        )
        .into()
    })
}

/// `CLUSTER:REVISION`, the cluster's id in hexadecimal digits, as etcd shows it.
fn read_origin(text: &str) -> Result<(u64, u64), Mistake> {
    let origin = text.split_once(':').and_then(|(cluster, revision)| {
        Some((u64::from_str_radix(cluster, 16).ok()?, revision.parse().ok()?))
    });
    origin.ok_or_else(|| {
        format!(
            "invalid \"origin={text}\" in \"etcd_geo\": a cluster's id and a revision are needed \
             (cdf818194e3a8c32:42)"
        )
        .into()
    })
}

fn read_file(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = File::open(file)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_FILE {
        return Err(std::io::Error::other(format!("it has more than {MAX_FILE} bytes")));
    }
    Ok(text)
}
