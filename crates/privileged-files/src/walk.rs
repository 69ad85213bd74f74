//! Opening by name, where somebody else may have put a link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Symbolic links on the way, as many as Linux follows itself (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Opens what is at `path`, which is there already.
///
/// A symbolic link of another user than root, and than the one that this runs as, is followed only
/// to what is that user's own. So nobody who may put links into a folder can have a file read that
/// only root may read, or one written where only root may write. That is what Linux does in folders
/// like `/tmp` (`fs.protected_symlinks`), here for all folders and all links of the path.
///
/// # Errors
///
/// Those of the file system, and for such a link.
pub(crate) fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let mut place = root_or_here(path)?;
    let mut left = names(path);
    let (mut links, mut owners) = (0, Vec::new());
    while let Some(name) = left.pop() {
        // The name itself, whatever it stands for: what it is does not change any more then.
        let found = openat(
            &place,
            &name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let stat = fstat(&found)?;
        if FileType::from_raw_mode(stat.st_mode).is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::LOOP.into());
            }
            owners.push(stat.st_uid);
            let target = PathBuf::from(OsString::from_vec(
                readlinkat(&found, c"", Vec::new())?.into_bytes(),
            ));
            if target.is_absolute() {
                place = root_or_here(&target)?;
            }
            left.append(&mut names(&target));
        } else if left.is_empty() {
            return opened(&place, &name, flags, &owners);
        } else {
            place = found;
        }
    }
    opened(&place, OsStr::new("."), flags, &owners)
}

fn root_or_here(path: &Path) -> io::Result<OwnedFd> {
    let start = if path.is_absolute() { c"/" } else { c"." };
    Ok(openat(CWD, start, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The names of which a path is made, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    names.rev().collect()
}

/// Opens what is no link, and asks whose it is: so it is no matter what becomes of the name
/// meanwhile.
fn opened(
    place: &OwnedFd,
    name: &OsStr,
    flags: OFlags,
    owners_of_links: &[u32],
) -> io::Result<File> {
    let file = openat(place, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let owner = fstat(&file)?.st_uid;
    match foreign_link(owners_of_links, owner, geteuid().as_raw()) {
        None => Ok(file.into()),
        Some(of_link) => Err(io::Error::other(format!(
            "a symbolic link of the user with the id {of_link} leads to what belongs to the one \
             with the id {owner}"
        ))),
    }
}

/// Who has a link among these that must not be followed to what belongs to `owner`.
fn foreign_link(owners_of_links: &[u32], owner: u32, own: u32) -> Option<u32> {
    owners_of_links
        .iter()
        .copied()
        .find(|&of_link| of_link != 0 && of_link != own && of_link != owner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::{lchown, symlink};
    use std::path::Path;

    use rustix::fs::OFlags;
    use rustix::process::geteuid;

    use super::{foreign_link, open};

    /// Somebody who owns nothing on any machine that this runs on.
    const MALLORY: u32 = 54_321;

    fn content(path: &Path) -> std::io::Result<String> {
        let mut content = String::new();
        open(path, OFlags::RDONLY)?.read_to_string(&mut content)?;
        Ok(content)
    }

    #[test]
    fn names_lead_where_the_systems_own_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b")).expect("made");
        fs::write(at("a/b/file"), "content").expect("written");
        symlink("b", at("a/relative")).expect("linked");
        symlink(at("a"), at("absolute")).expect("linked");
        symlink("../a/./relative/../b/file", at("a/up")).expect("linked");
        symlink("loop", at("loop")).expect("linked");
        symlink("none", at("dangling")).expect("linked");
        for name in
            ["a/b/file", "a/relative/file", "absolute/b/file", "absolute/up", "a/../a/b/./file"]
        {
            assert_eq!(content(&at(name)).expect(name), "content", "{name}");
        }
        for name in ["loop", "dangling", "a/b/none", "a/b/file/more"] {
            let (own, systems) =
                (content(&at(name)).expect_err(name), fs::read(at(name)).expect_err(name));
            assert_eq!(own.raw_os_error(), systems.raw_os_error(), "{name}");
        }
        for path in [Path::new("/"), Path::new("."), Path::new(""), folder.path()] {
            assert!(open(path, OFlags::RDONLY | OFlags::DIRECTORY).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn whose_link_leads_where() {
        // Root's and one's own lead everywhere, another's only to what is that one's.
        assert_eq!(foreign_link(&[], 0, 0), None);
        assert_eq!(foreign_link(&[0, 5], 7, 5), None);
        assert_eq!(foreign_link(&[33, 33], 33, 0), None);
        assert_eq!(foreign_link(&[33], 0, 0), Some(33));
        assert_eq!(foreign_link(&[0, 33, 34], 33, 0), Some(34));
    }

    #[test]
    fn nobodys_link_leads_to_what_is_roots() {
        if !geteuid().is_root() {
            println!("skipped: only root can make links of others");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("roots")).expect("made");
        fs::write(at("roots/secret"), "secret").expect("written");
        fs::create_dir(at("mallorys")).expect("made");
        fs::write(at("mallorys/own"), "own").expect("written");
        for (link, target) in [
            ("mallorys/absolute", at("roots/secret")),
            ("mallorys/relative", "../roots/secret".into()),
            ("mallorys/folder", "../roots".into()),
            ("mallorys/good", at("mallorys/own")),
        ] {
            symlink(target, at(link)).expect("linked");
        }
        symlink(at("mallorys/relative"), at("roots/by-way-of")).expect("linked");
        symlink("roots/secret", at("roots-link")).expect("linked");
        for entry in fs::read_dir(at("mallorys")).expect("a folder").flatten() {
            lchown(entry.path(), Some(MALLORY), None).expect("given away");
        }
        lchown(at("mallorys"), Some(MALLORY), None).expect("given away");
        for name in
            ["mallorys/absolute", "mallorys/relative", "mallorys/folder/secret", "roots/by-way-of"]
        {
            let error = content(&at(name)).expect_err(name).to_string();
            assert!(error.contains("link of the user with the id 54321"), "{name}: {error}");
        }
        assert!(open(&at("mallorys/folder"), OFlags::RDONLY | OFlags::DIRECTORY).is_err());
        assert_eq!(content(&at("mallorys/good")).expect("own"), "own");
        assert_eq!(content(&at("roots-link")).expect("root's"), "secret");
    }
}
