//! `state=FILE` of `etcd` and `etcd_map`: where the last good list, or the last good values, are
//! kept.

use std::{
    io,
    path::{Path, PathBuf},
};

use directive_table::{Args, ConfError, Directive};
use ngx::ffi::ngx_conf_t;

use super::args::full_name_in_prefix;
use crate::{config::MapConf, upstream::CoreConf};

/// The path that the directive says, if it says one. The file may be there or not; its directory
/// must be.
pub(super) fn read(
    cf: &ngx_conf_t,
    directive: &'static Directive,
    args: &Args<'_>,
) -> Result<Option<PathBuf>, ConfError> {
    args.given("state").map(|text| path(cf, directive, text)).transpose()
}

fn path(cf: &ngx_conf_t, directive: &'static Directive, text: &str) -> Result<PathBuf, ConfError> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err(directive.invalid_value("state", text));
    }
    let path = full_name_in_prefix(cf, text).ok_or_else(|| directive.no_memory())?;
    let failed = |path: &Path, error: &io::Error| {
        directive.file_failed("state", &path.display().to_string(), error)
    };
    if text.ends_with('/') || path.file_name().is_none() || path.is_dir() {
        return Err(failed(&path, &io::Error::from_raw_os_error(libc::EISDIR)));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    match folder.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(path),
        Ok(_) => Err(failed(folder, &io::Error::from_raw_os_error(libc::ENOTDIR))),
        Err(error) => Err(failed(folder, &error)),
    }
}

/// That nothing else has the same file. `is_same` tells maps that share their values, and so may
/// share the file.
pub(super) fn check_is_alone(
    core: &CoreConf,
    directive: &'static Directive,
    path: &Path,
    is_same: impl Fn(&MapConf) -> bool,
) -> Result<(), ConfError> {
    let file = canonical(path);
    let has_file = |other: Option<&Path>| other.is_some_and(|other| canonical(other) == file);
    let mut upstreams =
        core.upstreams.iter().filter_map(|upstream| upstream.settings().etcd.as_ref());
    let upstream = upstreams.find(|etcd| has_file(etcd.options.state.as_deref()));
    let upstream = upstream.map(|etcd| format!("upstream \"{}\" {}", etcd.upstream, etcd.place));
    let mut maps = core.live_of::<MapConf>().map(|map| map.conf);
    let map = maps.find(|map| has_file(map.state.as_deref()) && !is_same(map));
    let map = map.map(|map| format!("variable \"{}\" {}", map.name, map.place));
    match upstream.or(map) {
        Some(other) => {
            let rejected = directive.file_rejected("state", &path.display().to_string());
            Err(rejected.with_detail(format!(": already used by {other}")))
        }
        None => Ok(()),
    }
}

/// One name for all that lead to the same place. The file itself need not be there.
fn canonical(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.zip(path.file_name()).map_or_else(|| path.to_owned(), |(folder, name)| folder.join(name))
}
