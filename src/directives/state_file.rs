//! `state=FILE` of `etcd`: where an upstream's last good list is kept.

use std::{
    io,
    path::{Path, PathBuf},
};

use directive_table::{ConfError, Directive, directive};
use ngx::ffi::ngx_conf_t;

use super::args::full_name_in_prefix;
use crate::upstream::CoreConf;

const DIRECTIVE: &Directive = directive("etcd");

/// The path that `text` says. The file may be there or not; its directory must be.
pub(super) fn read(cf: &ngx_conf_t, text: &str) -> Result<PathBuf, ConfError> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err(DIRECTIVE.invalid_value("state", text));
    }
    let path = full_name_in_prefix(cf, text).ok_or_else(|| DIRECTIVE.no_memory())?;
    let failed = |path: &Path, error: &io::Error| {
        DIRECTIVE.file_failed("state", &path.display().to_string(), error)
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

/// That no other upstream has the same file.
pub(super) fn check_is_alone(core: &CoreConf, path: &Path) -> Result<(), ConfError> {
    let mut others = core.upstreams.iter().filter_map(|upstream| upstream.settings().etcd.as_ref());
    let same = others.find(|etcd| {
        let other = etcd.options.state.as_deref();
        other.is_some_and(|other| canonical(other) == canonical(path))
    });
    match same {
        Some(etcd) => {
            let detail = format!(": already used by upstream \"{}\" {}", etcd.upstream, etcd.place);
            let rejected = DIRECTIVE.file_rejected("state", &path.display().to_string());
            Err(rejected.with_detail(detail))
        }
        None => Ok(()),
    }
}

/// One name for all that lead to the same place. The file itself need not be there.
fn canonical(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.zip(path.file_name()).map_or_else(|| path.to_owned(), |(folder, name)| folder.join(name))
}
