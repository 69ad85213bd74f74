//! The folders: one for what lasts as long as nginx runs, one for what outlives it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{Flock, FlockArg},
    unistd::geteuid,
};
use thiserror::Error;

/// Where nobody says where: the first that can be written to. The last two are there also where a container's root is read-only.
const RUN_FOLDERS: [&str; 3] = ["/run/firehose-router", "/tmp/firehose-router", "/dev/shm/firehose-router"];

/// Why there is no folder.
#[derive(Debug, Error)]
pub(crate) enum FolderError {
    #[error("--run-dir {0:?} cannot be used: {1}")]
    Run(PathBuf, io::Error),
    #[error("none of {RUN_FOLDERS:?} can be written to: name another folder with --run-dir")]
    NoRun,
    #[error("--run-dir {0:?} has another router, which runs: each needs one of its own")]
    Taken(PathBuf),
    #[error("{0:?} cannot be a folder's name in nginx's configuration: name another one")]
    Name(PathBuf),
}

/// The folder of what lasts as long as nginx runs. Whoever has it has it alone.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    _lock: Flock<File>,
}

impl RunFolder {
    /// Takes the folder.
    ///
    /// # Errors
    ///
    /// Where it cannot be made or written to, or another router has it.
    pub(crate) fn take(named: Option<&Path>) -> Result<Self, FolderError> {
        if let Some(path) = named {
            check_name(path)?;
            return Self::lock(path);
        }
        for path in RUN_FOLDERS {
            match Self::lock(Path::new(path)) {
                Err(FolderError::Run(..)) => {}
                result => return result,
            }
        }
        Err(FolderError::NoRun)
    }

    fn lock(path: &Path) -> Result<Self, FolderError> {
        let failed = |error| FolderError::Run(path.to_owned(), error);
        make(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(path.join("lock"));
        let lock = Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock)
            .map_err(|_| FolderError::Taken(path.to_owned()))?;
        let folder = Self { path: path.to_owned(), _lock: lock };
        make(&folder.path("temporary")).map_err(failed)?;
        Ok(folder)
    }

    /// Removes what a router that was killed has left: nginx would not listen there.
    ///
    /// # Errors
    ///
    /// Where it cannot be removed.
    pub(crate) fn remove_socket(&self) -> Result<(), FolderError> {
        match fs::remove_file(self.path("status.sock")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FolderError::Run(self.path.clone(), error))
            }
            _ => Ok(()),
        }
    }

    /// A file of it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The socket of a router that runs here, by the folder that is named, or the first that has one.
pub(crate) fn status_socket(named: Option<&Path>) -> Option<PathBuf> {
    let in_folder = |folder: &Path| folder.join("status.sock");
    match named {
        Some(folder) => Some(in_folder(folder)),
        None => RUN_FOLDERS.iter().map(|folder| in_folder(Path::new(folder))).find(|socket| socket.exists()),
    }
}

/// The folder of what outlives nginx; `None`, with the reason, where nothing can be kept there.
pub(crate) fn state_folder(path: &Path) -> Result<PathBuf, io::Error> {
    check_name(path).map_err(io::Error::other)?;
    make(path)?;
    tempfile::tempfile_in(path)?;
    Ok(path.to_owned())
}

/// Writes a file as a whole: nobody sees a part of it.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempfile_in(folder)?;
    new.write_all(content)?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn make(path: &Path) -> io::Result<()> {
    // nginx's workers, who are another user where this is root, go through it.
    DirBuilder::new().recursive(true).mode(0o755).create(path)?;
    if geteuid().is_root() {
        return Ok(());
    }
    // Root may write anywhere but where the file system is read-only, which shows as soon as it is tried.
    tempfile::tempfile_in(path).map(drop)
}

/// The name stands in nginx's configuration.
fn check_name(path: &Path) -> Result<(), FolderError> {
    let is_good = path.is_absolute()
        && path.to_str().is_some_and(|text| {
            text.chars().all(|character| character.is_alphanumeric() || "/-_.+@~:".contains(character))
        });
    if is_good { Ok(()) } else { Err(FolderError::Name(path.to_owned())) }
}
