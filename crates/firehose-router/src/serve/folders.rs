//! The folders: one for what lasts as long as nginx runs, one for what outlives it.

use std::{
    env,
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{Flock, FlockArg},
    unistd::geteuid,
};
use thiserror::Error;

use super::messages;
use crate::messages::quoted_path;

/// The run folder of a system's service, and of the image.
const SYSTEM_FOLDER: &str = "/run/firehose-router";

/// Folders of everybody's, in which each user has one of his own. They are there also where a
/// container's root is read-only.
const SHARED_FOLDERS: [&str; 2] = ["/tmp", "/dev/shm"];

/// Bits of a mode by which others than its owner may write.
const OTHERS_WRITE: u32 = 0o022;

/// The bit of a folder's mode by which nobody but its owner removes or renames an entry of it.
const STICKY: u32 = 0o1000;

/// Why there is no folder.
#[derive(Debug, Error)]
pub(crate) enum FolderError {
    #[error("cannot use --run-dir {path}: {1}", path = quoted_path(.0))]
    Run(PathBuf, io::Error),
    #[error("cannot use any directory for nginx's configuration ({0}): set --run-dir")]
    NoRun(String),
    #[error(
        "--run-dir {path} is in use by another router: each router needs its own",
        path = quoted_path(.0)
    )]
    Taken(PathBuf),
    #[error(
        "{path} is not a valid directory in nginx's configuration: use an absolute path of \
         letters, digits and \"/-_.+@~:\"",
        path = quoted_path(.0)
    )]
    Name(PathBuf),
    #[error(
        "{path} is not safe: {1} and could replace nginx's configuration",
        path = quoted_path(.0)
    )]
    Unsafe(PathBuf, String),
}

/// The folder of what lasts as long as nginx runs. One process has it at a time.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    _lock: Flock<File>,
}

impl RunFolder {
    /// Takes the folder that is named, or the first that this user can have alone.
    ///
    /// # Errors
    ///
    /// Where it cannot be made or written to, another router has it, or another user could replace
    /// what is in it.
    pub(crate) fn lock_folder(named: Option<&Path>) -> Result<Self, FolderError> {
        if let Some(path) = named {
            check_name(path)?;
            make(path).map_err(|error| FolderError::Run(path.to_owned(), error))?;
            check_named(path)?;
            return Self::lock(path);
        }
        let mut refused = Vec::new();
        for path in run_folders() {
            match make_own(&path).and_then(|path| Self::lock(&path)) {
                Err(error @ FolderError::Run(..)) => refused.push(error.to_string()),
                Err(error @ FolderError::Unsafe(..)) => {
                    tracing::warn!("{}", messages::next_folder(&error));
                    refused.push(error.to_string());
                }
                result => return result,
            }
        }
        Err(FolderError::NoRun(refused.join("; ")))
    }

    fn lock(path: &Path) -> Result<Self, FolderError> {
        let failed = |error| FolderError::Run(path.to_owned(), error);
        let mut options = OpenOptions::new();
        let file =
            options.write(true).create(true).truncate(false).mode(0o600).open(path.join("lock"));
        let lock = Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock)
            .map_err(|_| FolderError::Taken(path.to_owned()))?;
        let folder = Self { path: path.to_owned(), _lock: lock };
        make(&folder.path("temporary")).map_err(failed)?;
        Ok(folder)
    }

    /// Removes what a router that was killed has left: nginx would not listen at its socket, and
    /// its process id may be another process's by now.
    ///
    /// # Errors
    ///
    /// Where that cannot be removed.
    pub(crate) fn clear(&self) -> Result<(), FolderError> {
        for name in ["status.sock", "nginx.pid"] {
            match fs::remove_file(self.path(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(FolderError::Run(self.path.clone(), error));
                }
                _ => {}
            }
        }
        Ok(())
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
        // In a folder of another user's anybody could answer; where a service has its own, only
        // root can have made it.
        None => run_folders()
            .into_iter()
            .filter(|folder| folder == Path::new(SYSTEM_FOLDER) || is_own(folder).is_ok())
            .map(|folder| in_folder(&folder))
            .find(|socket| socket.exists()),
    }
}

/// Where the run folder may be if nobody says where, the best first.
fn run_folders() -> Vec<PathBuf> {
    let user =
        env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let name = format!("firehose-router-{}", geteuid());
    let mut folders = vec![PathBuf::from(SYSTEM_FOLDER)];
    folders.extend(user.map(|folder| folder.join("firehose-router")));
    folders.extend(SHARED_FOLDERS.map(|folder| Path::new(folder).join(&name)));
    folders
}

/// Makes a folder of this user's own where it is not there. Returns its name without symbolic
/// links.
fn make_own(path: &Path) -> Result<PathBuf, FolderError> {
    let failed = |error| FolderError::Run(path.to_owned(), error);
    let (parent, name) =
        (path.parent().unwrap_or(Path::new("/")), path.file_name().unwrap_or_default());
    let path = parent.canonicalize().map_err(failed)?.join(name);
    check_name(&path)?;
    // nginx's workers, who are another user where this is root, go through it.
    let mode = if geteuid().is_root() { 0o755 } else { 0o700 };
    match DirBuilder::new().mode(mode).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => is_own(&path)?,
    }
    // Root may write anywhere but where the file system is read-only, which shows as soon as it is
    // tried.
    tempfile::tempfile_in(&path).map_err(failed)?;
    Ok(path)
}

/// Whether a folder is this user's, and nobody else but root can write to it or put another in its
/// place.
fn is_own(path: &Path) -> Result<(), FolderError> {
    let refused = |why: String| Err(FolderError::Unsafe(path.to_owned(), why));
    let metadata =
        fs::symlink_metadata(path).map_err(|error| FolderError::Run(path.to_owned(), error))?;
    if !metadata.is_dir() {
        return refused("it is not a directory; another user may have created it".to_owned());
    }
    if metadata.uid() != geteuid().as_raw() {
        return refused(format!("it belongs to another user ({})", metadata.uid()));
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        return refused("other users can write to it".to_owned());
    }
    for folder in path.ancestors().skip(1) {
        let metadata =
            fs::metadata(folder).map_err(|error| FolderError::Run(path.to_owned(), error))?;
        if let Some(who) = who_else(&metadata).or_else(|| writable(&metadata)) {
            return refused(format!("{} {who}", folder.display()));
        }
    }
    Ok(())
}

/// Looks at a folder that was named: not one of another user's, nor in one of another's. That
/// others may write to it is the choice of the user who named it, as with a volume in a container
/// that has nobody else; it is said.
fn check_named(path: &Path) -> Result<(), FolderError> {
    let failed = |error| FolderError::Run(path.to_owned(), error);
    for folder in path.canonicalize().map_err(failed)?.ancestors() {
        let metadata = fs::metadata(folder).map_err(failed)?;
        if let Some(who) = who_else(&metadata) {
            return Err(FolderError::Unsafe(
                path.to_owned(),
                format!("{} {who}", folder.display()),
            ));
        }
        if let Some(others) = writable(&metadata) {
            tracing::warn!("{}", messages::run_folder_not_safe(path, folder, &others));
        }
    }
    Ok(())
}

/// Whose a folder is, in words, where that is neither this user nor root.
fn who_else(metadata: &Metadata) -> Option<String> {
    let owner = metadata.uid();
    (owner != 0 && owner != geteuid().as_raw())
        .then(|| format!("belongs to another user ({owner})"))
}

/// In words, that others may put something else in the place of what is in a folder.
fn writable(metadata: &Metadata) -> Option<String> {
    let mode = metadata.mode();
    (mode & OTHERS_WRITE != 0 && mode & STICKY == 0)
        .then(|| "can be written to by other users".to_owned())
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
    let mut new =
        tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempfile_in(folder)?;
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
    // Root may write anywhere but where the file system is read-only, which shows as soon as it is
    // tried.
    tempfile::tempfile_in(path).map(drop)
}

/// The name stands in nginx's configuration.
fn check_name(path: &Path) -> Result<(), FolderError> {
    let is_good = path.is_absolute()
        && path.to_str().is_some_and(|text| {
            text.chars()
                .all(|character| character.is_alphanumeric() || "/-_.+@~:".contains(character))
        });
    if is_good { Ok(()) } else { Err(FolderError::Name(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt, symlink},
        path::Path,
    };

    use nix::unistd::{Uid, chown, geteuid};

    use super::{FolderError, check_named, is_own, make_own};

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    }

    fn is_unsafe<T>(result: Result<T, FolderError>) -> bool {
        matches!(result, Err(FolderError::Unsafe(..)))
    }

    #[test]
    fn a_folder_of_ones_own_is_made_and_found_again() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("run");
        let made = make_own(&path).expect("made");
        assert_eq!(made, parent.path().canonicalize().expect("a name").join("run"));
        let bits = fs::metadata(&made).expect("a folder").permissions().mode() & 0o777;
        assert_eq!(bits, if geteuid().is_root() { 0o755 } else { 0o700 });
        assert_eq!(make_own(&path).expect("found"), made);
    }

    #[test]
    fn what_others_could_replace_is_refused() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("run");
        make_own(&path).expect("made");
        for bits in [0o777, 0o775, 0o757, 0o722] {
            mode(&path, bits);
            assert!(is_unsafe(make_own(&path)), "{bits:o}");
        }
        mode(&path, 0o700);
        // Where others can write to the parent they can put another in its place, unless it is
        // sticky.
        mode(parent.path(), 0o777);
        assert!(is_unsafe(make_own(&path)));
        mode(parent.path(), 0o1777);
        make_own(&path).expect("as in /tmp");
        // Nor is a link followed, whichever user has made it.
        let link = parent.path().join("link");
        symlink(&path, &link).expect("a link");
        assert!(is_unsafe(make_own(&link)));
        fs::write(parent.path().join("file"), "").expect("a file");
        assert!(is_unsafe(make_own(&parent.path().join("file"))));
    }

    #[test]
    fn what_belongs_to_others_is_refused_also_where_it_is_named() {
        if !geteuid().is_root() {
            // Nobody else can give a folder away.
            return;
        }
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("run");
        make_own(&path).expect("made");
        check_named(&path).expect("safe");
        let somebody = Some(Uid::from_raw(65_534));
        chown(&path, somebody, None).expect("given away");
        assert!(is_unsafe(make_own(&path)) && is_unsafe(check_named(&path)));
        chown(&path, Some(geteuid()), None).expect("taken back");
        chown(parent.path(), somebody, None).expect("given away");
        assert!(is_unsafe(is_own(&path)) && is_unsafe(check_named(&path)));
    }

    #[test]
    fn one_that_is_named_may_be_written_to_by_others() {
        let parent = tempfile::tempdir().expect("a folder");
        mode(parent.path(), 0o777);
        check_named(parent.path()).expect("the choice of who named it");
    }
}
