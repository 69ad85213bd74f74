//! Reading and replacing, by whoever may.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest file that is read, in bytes: certificates, keys and passwords are a hundredth of it.
pub const MAX_READ: u64 = 1 << 20;

/// The largest content that a file is replaced by, in bytes: a list of some hundred thousand peers.
pub const MAX_REPLACE: u64 = 64 << 20;

/// What the names of temporary files have behind that of the file, before the id of the process and a number.
const TEMPORARY: &str = ".new-";

/// Reads a file of at most [`MAX_READ`] bytes.
///
/// # Errors
///
/// Those of the file system; `FileTooLarge` for one that is larger.
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(file)?.take(MAX_READ + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_READ {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}

/// Replaces a file, or makes it: whoever opens it, at whatever moment this process or the machine dies, finds the old content or the new one.
/// Only its owner, who is the one that this runs as, may read it.
///
/// Where the file is a symbolic link, it is the link that is replaced.
///
/// # Errors
///
/// Those of the file system. The old content stays then.
pub fn replace(file: &Path, content: &mut dyn Read) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let (folder, name) = match (file.parent(), file.file_name()) {
        (Some(folder), Some(name)) => (folder, name),
        _ => return Err(io::ErrorKind::InvalidFilename.into()),
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    remove_left_over(folder, name.to_string_lossy().as_ref());
    let mut temporary = name.to_owned();
    temporary.push(format!("{TEMPORARY}{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    let temporary = folder.join(temporary);
    let result = write(&temporary, content).and_then(|()| fs::rename(&temporary, file));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result?;
    // So that the new name outlives the machine's death as well.
    File::open(folder)?.sync_all()
}

fn write(temporary: &Path, content: &mut dyn Read) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    let written = io::copy(&mut content.take(MAX_REPLACE + 1), &mut file)?;
    if written > MAX_REPLACE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    file.flush()?;
    file.sync_all()
}

/// Removes what processes have left that were killed in the middle.
fn remove_left_over(folder: &Path, name: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let beginning = format!("{name}{TEMPORARY}");
    for entry in entries.flatten() {
        let file = entry.file_name();
        let owner = file.to_str().and_then(|file| file.strip_prefix(&beginning)?.split_once('-'));
        let Some(owner) = owner.and_then(|(owner, _)| owner.parse::<u32>().ok()) else { continue };
        if owner != process::id() && !PathBuf::from(format!("/proc/{owner}")).exists() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::os::unix::fs::PermissionsExt;

    use super::{MAX_READ, MAX_REPLACE, read, replace};

    #[test]
    fn a_file_is_made_and_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("peers");
        for content in ["old", "new and longer", ""] {
            replace(&file, &mut content.as_bytes()).expect("replaced");
            assert_eq!(read(&file).expect("read"), content.as_bytes());
        }
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn what_fails_leaves_the_old_content_and_nothing_else() {
        struct Fails;
        impl io::Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("peers");
        replace(&file, &mut "old".as_bytes()).expect("replaced");
        assert!(replace(&file, &mut Fails).is_err());
        let endless = &mut io::repeat(0);
        let error = replace(&file, &mut io::Read::take(endless, MAX_REPLACE + 1)).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(&file).expect("read"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(replace(&folder.path().join("none/peers"), &mut "x".as_bytes()).is_err());
    }

    #[test]
    fn what_the_dead_have_left_goes_and_what_others_have_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        // No process has an id that large.
        for name in ["peers.new-4294967295-0", "peers.new-1-0", "peers.newer", "other.new-4294967295-0"] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        replace(&folder.path().join("peers"), &mut "x".as_bytes()).expect("replaced");
        let left = |name: &str| folder.path().join(name).exists();
        assert!(!left("peers.new-4294967295-0"));
        assert!(left("peers.new-1-0") && left("peers.newer") && left("other.new-4294967295-0"));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("large");
        fs::write(&file, vec![0; MAX_READ as usize + 1]).expect("written");
        assert_eq!(read(&file).expect_err("too large").kind(), io::ErrorKind::FileTooLarge);
        fs::write(&file, vec![0; MAX_READ as usize]).expect("written");
        assert!(read(&file).is_ok());
        assert!(read(folder.path()).is_err());
    }
}
