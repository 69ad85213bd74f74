//! Reading and replacing, by the process that may.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, linkat, openat};

use crate::open::open;
use crate::temporary_file::{TemporaryFile, remove_left_over};

/// The largest file that is read, in bytes: certificates, keys and passwords are a hundredth of it.
pub const MAX_READ: u64 = 1 << 20;

/// The largest content that a file is replaced by, in bytes: a list of some hundred thousand peers.
pub const MAX_REPLACE: u64 = 64 << 20;

/// Bytes at the beginning of a file by which its kind is known.
const HEAD: u64 = 32;

/// Reads a file of at most [`MAX_READ`] bytes.
///
/// A symbolic link is followed, unless it is another user's and leads to what is not that user's.
///
/// # Errors
///
/// Those of the file system; `FileTooLarge` for one that is larger; for what is no ordinary file.
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    let file = open_to_read(file)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not an ordinary file"));
    }
    let mut content = Vec::new();
    file.take(MAX_READ + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_READ {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}

/// Opens whatever is there to be read. Links are followed as by [`read`].
///
/// # Errors
///
/// Those of the file system.
pub fn open_to_read(file: &Path) -> io::Result<File> {
    // A pipe that was put there must not be waited for, nor a terminal become this process's.
    open(file, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
}

/// Replaces a file, or makes it: at whatever moment this process or the machine dies, the file has
/// the old content or the new one. Only its owner, who is the one that this runs as, may read it.
///
/// Where the new content begins with a word, as those of a kind of files do, a file that is not
/// empty and does not begin with it is somebody else's: it is kept beside, with `.old` behind its
/// name.
///
/// Where the file is a symbolic link, it is the link that is replaced. Where its folder is reached
/// by one, that is followed as by [`read`].
///
/// # Errors
///
/// Those of the file system. The old content stays then.
pub fn replace(file: &Path, content: &mut dyn Read) -> io::Result<()> {
    let (folder, name) = match (file.parent(), file.file_name()) {
        (Some(folder), Some(name)) => (folder, name),
        _ => return Err(io::ErrorKind::InvalidFilename.into()),
    };
    // Everything that follows is in this folder, whatever becomes of its name.
    let folder = open(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
    remove_left_over(&folder, name);
    let mut temporary = TemporaryFile::beside(&folder, name)?;
    let mut head = Vec::new();
    content.take(HEAD).read_to_end(&mut head)?;
    write(&mut temporary.file, &mut head.chain(content))?;
    keep_foreign(&folder, name, &head)?;
    temporary.replace(name)?;
    // So that the new name outlives the machine's death as well.
    folder.sync_all()
}

/// Keeps what is in the place of the file if it is of another kind than a content that begins so.
fn keep_foreign(folder: &File, name: &OsStr, head: &[u8]) -> io::Result<()> {
    let Some(kind) = first_word(head) else { return Ok(()) };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    // What cannot be opened is none, a link, or nobody's file.
    let Ok(there) = openat(folder, name, flags | OFlags::CLOEXEC, Mode::empty()) else {
        return Ok(());
    };
    let there = File::from(there);
    if !there.metadata()?.is_file() {
        return Ok(());
    }
    let mut found = Vec::new();
    there.take(HEAD).read_to_end(&mut found)?;
    if found.is_empty() || first_word(&found) == Some(kind) {
        return Ok(());
    }
    let mut old = name.to_owned();
    old.push(".old");
    linkat(folder, name, folder, &old, AtFlags::empty()).map_err(|error| {
        let old = old.display();
        io::Error::other(format!(
            "another file is in its place, and cannot be kept as {old}: {error}"
        ))
    })
}

/// The first word of a file that begins so; `None` if it does not end there.
fn first_word(head: &[u8]) -> Option<&[u8]> {
    let end = head.iter().position(u8::is_ascii_whitespace)?;
    head.get(..end)
}

fn write(file: &mut File, content: &mut dyn Read) -> io::Result<()> {
    let written = io::copy(&mut content.take(MAX_REPLACE + 1), file)?;
    if written > MAX_REPLACE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io;
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};
    use std::path::Path;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::{MAX_READ, MAX_REPLACE, read, replace};

    #[test]
    fn a_file_is_made_and_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("peers");
        for content in ["kind old", "kind new and longer", ""] {
            replace(&file, &mut content.as_bytes()).expect("replaced");
            assert_eq!(read(&file).expect("read"), content.as_bytes());
        }
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_file_of_another_kind_is_kept_beside() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("peers"), "").expect("written");
        replace(&at("peers"), &mut "kind 1\n".as_bytes()).expect("nothing is lost");
        assert!(!at("peers.old").exists());
        fs::write(at("peers"), "password\n").expect("written");
        replace(&at("peers"), &mut "kind 2\n".as_bytes()).expect("replaced");
        assert_eq!(read(&at("peers.old")).expect("kept"), b"password\n");
        replace(&at("peers"), &mut "kind 3\n".as_bytes()).expect("its own kind");
        fs::write(at("peers"), "another\n").expect("written");
        let error = replace(&at("peers"), &mut "kind 4\n".as_bytes()).expect_err("no place");
        let expected = "another file is in its place, and cannot be kept as peers.old: ";
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(read(&at("peers")).expect("as it was"), b"another\n");
        assert_eq!(read(&at("peers.old")).expect("as it was"), b"password\n");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
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
        let error =
            replace(&file, &mut io::Read::take(endless, MAX_REPLACE + 1)).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(&file).expect("read"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(replace(&folder.path().join("none/peers"), &mut "x".as_bytes()).is_err());
    }

    #[test]
    fn a_link_is_replaced_and_not_what_it_leads_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("other"), "other").expect("written");
        symlink("other", at("peers")).expect("linked");
        replace(&at("peers"), &mut "new".as_bytes()).expect("replaced");
        assert!(!at("peers").is_symlink());
        assert_eq!(
            (read(&at("peers")).expect("read"), read(&at("other")).expect("read")),
            (b"new".into(), b"other".into())
        );
    }

    #[test]
    fn a_folder_that_somebody_elses_link_leads_to_is_not_written_to() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can make links of others");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("roots")).expect("made");
        symlink("roots", at("state")).expect("linked");
        replace(&at("state/peers"), &mut "root's own link".as_bytes()).expect("replaced");
        lchown(at("state"), Some(33), None).expect("given away");
        let error = replace(&at("state/peers"), &mut "x".as_bytes()).expect_err("a foreign link");
        assert!(error.to_string().contains("symbolic link of the user with the id 33"), "{error}");
        assert_eq!(read(&at("roots/peers")).expect("read"), b"root's own link");
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
        for path in [&*pipe, folder.path(), Path::new("/dev/zero")] {
            let error = read(path).expect_err("no file").to_string();
            assert_eq!(error, "it is not an ordinary file", "{path:?}");
        }
        replace(&pipe, &mut "x".as_bytes()).expect("replaced");
        assert_eq!(read(&pipe).expect("read"), b"x");
    }

    #[test]
    fn a_full_disk_leaves_the_old_content() {
        // A device that is full, as far as writing goes, has no place for a file beside it: writing
        // alone is what this is about.
        let mut full = OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let error = super::write(&mut full, &mut "x".as_bytes()).expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("large");
        fs::write(&file, vec![0; MAX_READ as usize + 1]).expect("written");
        assert_eq!(read(&file).expect_err("too large").kind(), io::ErrorKind::FileTooLarge);
        fs::write(&file, vec![0; MAX_READ as usize]).expect("written");
        assert!(read(&file).is_ok());
    }
}
