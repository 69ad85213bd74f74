//! `etcd_geo`: a variable that says whether the client is in a network that etcd has.

use std::{fs::File, io::Read, path::Path};

use client_networks::{Ranges, parse_lines};
use directive_table::{Args, ConfError, Directive, directive};
use ngx::ffi::ngx_conf_t;

use super::{
    args::{full_name, place, size},
    keys::prefix,
    live_variables::{self, Define, bare_name},
};
use crate::{
    config::{GeoConf, Initial},
    live::LiveVariable,
    nginx::callback::ConfResult,
    upstream::CoreConf,
};

const DIRECTIVE: &Directive = directive("etcd_geo");

/// The smallest zone, in bytes: nginx's own part of it, and some networks.
const MIN_ZONE_SIZE: usize = 64 << 10;

/// The largest file of networks, in bytes: more than 1 000 000 networks have.
const MAX_FILE: u64 = 64 << 20;

/// Handles `etcd_geo`, with what defines a variable of the protocol's.
///
/// # Safety
///
/// As nginx calls the handler of a directive.
pub(super) unsafe fn handle(cf: *mut ngx_conf_t, define: Define) -> ConfResult {
    // SAFETY: the caller's promise.
    unsafe { live_variables::handle(cf, DIRECTIVE, |cf, args| add(cf, args, define)) }
}

fn add(cf: &mut ngx_conf_t, args: &Args<'_>, define: Define) -> Result<(), ConfError> {
    let bare = args.argument(0, bare_name)?;
    let [name, cluster, ..] = args.arguments() else { return Err(DIRECTIVE.wrong_number()) };
    let core = CoreConf::of_conf(cf).ok_or_else(|| DIRECTIVE.is_outside("http"))?;
    let conf = GeoConf {
        name: name.clone(),
        cluster: cluster.clone(),
        prefix: args.argument(2, prefix)?,
        empty: args.need("empty", |value| match value {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        })?,
        zone_size: args.need("zone", |text| size(text).filter(|&size| size >= MIN_ZONE_SIZE))?,
        initial: initial(cf, args)?,
        origin: args.read("origin", origin)?,
        place: place(cf),
    };
    let is_named = |geo: &LiveVariable<GeoConf>| geo.conf.name.eq_ignore_ascii_case(name);
    if live_variables::same(core, &conf).is_none()
        && let Some(other) = core.live_of().find(is_named)
    {
        let duplicate = DIRECTIVE.duplicate_argument(0, name);
        return Err(duplicate.with_detail(live_variables::other_parameters(&other.conf.place)));
    }
    live_variables::add(cf, core, DIRECTIVE, (0, bare), conf, define)
}

/// The networks of `initial` and of `initial_file`; `None` where there is neither.
fn initial(cf: &ngx_conf_t, args: &Args<'_>) -> Result<Option<Initial>, ConfError> {
    let mut networks: Option<Vec<String>> = None;
    for list in args.all("initial") {
        let list = list.replace(',', " ");
        let list = parse_lines(&list).map_err(|error| {
            // The word is between quotation marks, which the message has as well.
            DIRECTIVE.invalid_value("initial", error.word.to_string().trim_matches('"'))
        })?;
        networks.get_or_insert_default().extend(list.into_iter().map(str::to_owned));
    }
    if let Some(name) = args.given("initial_file") {
        let file = full_name(cf, name).ok_or_else(|| DIRECTIVE.no_memory())?;
        let path = file.display().to_string();
        let text = read_file(&file)
            .map_err(|error| DIRECTIVE.file_failed("initial_file", &path, &error))?;
        let list = parse_lines(&text)
            .map_err(|error| DIRECTIVE.file_invalid("initial_file", &path, error))?;
        networks.get_or_insert_default().extend(list.into_iter().map(str::to_owned));
    }
    Ok(networks.map(|networks| Initial {
        ranges: Ranges::of(networks.iter().map(String::as_str)),
        count: networks.len(),
    }))
}

/// `CLUSTER:REVISION`, the cluster's id in hexadecimal digits, as etcd shows it.
fn origin(text: &str) -> Option<(u64, u64)> {
    let (cluster, revision) = text.split_once(':')?;
    Some((u64::from_str_radix(cluster, 16).ok()?, revision.parse().ok()?))
}

fn read_file(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = File::open(file)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_FILE {
        return Err(std::io::Error::other(format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(text)
}
