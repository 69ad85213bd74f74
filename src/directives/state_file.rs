//! `state=FILE` of `etcd`: where an upstream's last good list is kept.

use std::path::{Path, PathBuf};

use ngx::ffi::ngx_conf_t;

use super::args::{Mistake, full_name_in_prefix};
use crate::upstream::CoreConf;

/// The path that `text` says. The file may be there or not; its folder must be.
pub(super) fn read(cf: &ngx_conf_t, text: &str) -> Result<PathBuf, Mistake> {
    if text.is_empty() {
        return Err("\"state\" in \"etcd\" lacks the name of a file".into());
    }
    if text.contains(char::is_control) {
        return Err("the file of \"state\" in \"etcd\" has a control character in its name".into());
    }
    let path =
        full_name_in_prefix(cf, text).ok_or("no memory for the configuration of \"etcd\"")?;
    if text.ends_with('/') || path.file_name().is_none() || path.is_dir() {
        return Err(format!(
            "\"{}\" is a folder: \"state\" in \"etcd\" needs the name of a file",
            path.display()
        )
        .into());
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    match folder.metadata() {
        Ok(folder) if folder.is_dir() => Ok(path),
        Ok(_) => Err(format!(
            "\"{}\", where the file of \"state\" in \"etcd\" is to be, is no folder",
            folder.display()
        )
        .into()),
        Err(error) => Err(format!(
            "the folder \"{}\" of the file of \"state\" in \"etcd\" cannot be used: {error}",
            folder.display()
        )
        .into()),
    }
}

/// That no other upstream has the same file.
pub(super) fn check_is_alone(core: &CoreConf, path: &Path) -> Result<(), Mistake> {
    let same = core.upstreams.iter().filter_map(|upstream| upstream.settings().etcd.as_ref()).find(
        |etcd| {
            let other = etcd.options.state.as_deref();
            other.is_some_and(|other| canonical(other) == canonical(path))
        },
    );
    match same {
        Some(etcd) => Err(format!(
            "the file \"{}\" of \"state\" in \"etcd\" is that of upstream \"{}\" already, {}",
            path.display(),
            etcd.upstream,
            etcd.place
        )
        .into()),
        None => Ok(()),
    }
}

/// One name for all that lead to the same place. The file itself need not be there.
fn canonical(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.zip(path.file_name()).map_or_else(|| path.to_owned(), |(folder, name)| folder.join(name))
}
