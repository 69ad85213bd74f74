//! Temporary folders.

use std::fs::{Permissions, create_dir_all, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Result;

/// A temporary folder that any user may read, because nginx's workers run as another one than its
/// master.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// Creates one; `what` is part of its name.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn new(what: &str) -> Result<Self> {
        let mut folder =
            tempfile::Builder::new().prefix(&format!("end-to-end-{what}-")).tempdir()?;
        set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        if std::env::var_os("KEEP_TEMP").is_some_and(|value| value != "0") {
            folder.disable_cleanup(true);
            eprintln!("kept: {}", folder.path().display());
        }
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders that lead to it.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        if let Some(parent) = path.parent() {
            create_dir_all(parent)?;
        }
        write(&path, content)?;
        Ok(path)
    }
}
