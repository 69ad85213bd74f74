//! Opening by name, where somebody else may have put a link.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, readlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Symbolic links on the way, as many as Linux follows itself (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Opens a path that has no symbolic link in it, or fails with `ELOOP`; with `PATH` and `NOFOLLOW`
/// the last name may be one, which is opened itself.
type OpenWithoutLinks = fn(&Path, OFlags) -> Result<OwnedFd, Errno>;

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
    follow(path, flags, open_without_links)
}

/// Links are replaced in the path by what they lead to, one by one, until none is left; what is
/// opened then is opened without any link, whatever has become of the names meanwhile.
fn follow(path: &Path, flags: OFlags, open: OpenWithoutLinks) -> io::Result<File> {
    let mut path = if path.as_os_str().is_empty() { Path::new(".") } else { path }.to_owned();
    let mut owners = Vec::new();
    for _ in 0..=MAX_LINKS {
        match open(&path, flags) {
            Ok(file) => return check_owner(file, &owners),
            Err(Errno::LOOP) => path = replace_first_link(&path, &mut owners, open)?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::LOOP.into())
}

/// The path with what its first link leads to in place of that, whose owner is added to `owners`.
fn replace_first_link(
    path: &Path,
    owners: &mut Vec<u32>,
    open: OpenWithoutLinks,
) -> io::Result<PathBuf> {
    let mut folder = PathBuf::new();
    let mut names = path.components();
    while let Some(name) = names.next() {
        let named = folder.join(name);
        // The link itself: neither its owner nor its target changes any more.
        let found = open(&named, OFlags::PATH | OFlags::NOFOLLOW)?;
        let stat = fstat(&found)?;
        if is_link(&stat) {
            owners.push(stat.st_uid);
            let target = readlinkat(&found, c"", Vec::new())?;
            let mut replaced = folder.join(OsStr::from_bytes(target.as_bytes()));
            // A slash behind a file would make a folder of it.
            if !names.as_path().as_os_str().is_empty() {
                replaced.push(names.as_path());
            }
            return Ok(replaced);
        }
        folder = named;
    }
    // The link is gone again.
    Ok(path.to_owned())
}

/// By the kernel (Linux 5.6), or name by name where it has no `openat2` or a filter of system calls
/// refuses it, as that of an old Docker does: both open the same.
fn open_without_links(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let (flags, resolve) = (flags | OFlags::CLOEXEC, ResolveFlags::NO_SYMLINKS);
    match openat2(CWD, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => open_name_by_name(path, flags),
        opened => opened,
    }
}

fn open_name_by_name(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    const NAME: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    let mut folder: Option<OwnedFd> = None;
    let mut names = path.components().peekable();
    while let Some(name) = names.next() {
        let at = folder.as_ref().map_or(CWD, AsFd::as_fd);
        let found = openat(at, name.as_os_str(), NAME, Mode::empty())?;
        let (is_last, is_link) = (names.peek().is_none(), is_link(&fstat(&found)?));
        if is_link && !(is_last && flags.contains(OFlags::PATH)) {
            return Err(Errno::LOOP);
        }
        if is_last {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            return openat(at, name.as_os_str(), flags, Mode::empty());
        }
        folder = Some(found);
    }
    Err(Errno::NOENT)
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_symlink()
}

/// What was opened, unless a link that led to it was somebody's who does not own it.
fn check_owner(file: OwnedFd, owners_of_links: &[u32]) -> io::Result<File> {
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

    use super::{follow, foreign_link, open, open_name_by_name};

    /// Somebody who owns nothing on any machine that this runs on.
    const MALLORY: u32 = 54_321;

    /// The same with the kernel's help and without it.
    fn content(path: &Path) -> std::io::Result<String> {
        let read = |opened: std::io::Result<fs::File>| {
            let mut content = String::new();
            opened?.read_to_string(&mut content)?;
            Ok(content)
        };
        let opened = read(open(path, OFlags::RDONLY));
        let without_help = read(follow(path, OFlags::RDONLY, open_name_by_name));
        let in_words = |result: &std::io::Result<String>| format!("{result:?}");
        assert_eq!(in_words(&opened), in_words(&without_help), "{path:?}");
        opened
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
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            assert!(open(path, flags).is_ok(), "{path:?}");
            assert!(follow(path, flags, open_name_by_name).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn as_many_links_as_the_system_follows() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |number: usize| folder.path().join(number.to_string());
        fs::write(at(0), "content").expect("written");
        for number in 1..=super::MAX_LINKS + 1 {
            symlink((number - 1).to_string(), at(number)).expect("linked");
        }
        assert_eq!(content(&at(super::MAX_LINKS)).expect("a file"), "content");
        let (last, error) = (at(super::MAX_LINKS + 1), "too many");
        assert_eq!(
            content(&last).expect_err(error).raw_os_error(),
            fs::read(&last).expect_err(error).raw_os_error()
        );
    }

    #[test]
    fn without_links_the_kernel_and_the_names_open_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).expect("made");
        fs::write(at("folder/file"), "content").expect("written");
        symlink("folder", at("link")).expect("linked");
        let read = OFlags::RDONLY;
        let itself = OFlags::PATH | OFlags::NOFOLLOW;
        for (name, flags, is_opened) in [
            ("folder/file", read, true),
            ("folder/../folder/file", read, true),
            ("folder", read | OFlags::DIRECTORY, true),
            ("link/file", read, false),
            ("link/file", itself, false),
            ("link", read, false),
            ("link", read | OFlags::DIRECTORY, false),
            ("link", itself, true),
            ("none", read, false),
            ("folder/file/more", read, false),
        ] {
            let open = |open: super::OpenWithoutLinks| open(&at(name), flags).map(|_| ());
            let opened = open(super::open_without_links);
            assert_eq!(opened.is_ok(), is_opened, "{name}: {opened:?}");
            assert_eq!(open(open_name_by_name), opened, "{name}");
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
