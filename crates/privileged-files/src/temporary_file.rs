//! A file that is to take another's place.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// What the names of temporary files have behind that of the file, before the id of the process
/// that writes it, for those who search for it, and a number at random.
const INFIX: &str = ".new-";

/// Who may read it: the addresses of a private network are nobody else's business.
const MODE: u32 = 0o600;

/// A name is taken already by chance once in 2^64 times: who finds so many taken has another
/// problem.
const TRIES: usize = 8;

/// A new file beside another one; it is gone when this is, unless it has taken the other's place.
///
/// Its writer has locked it for as long as it lives. One that is not locked is left over from
/// somebody who was killed: that shows also where the same folder is in two containers, in which
/// the ids of processes mean different ones, or begin again at each start.
pub(crate) struct TemporaryFile<'a> {
    folder: &'a File,
    name: Option<OsString>,
    pub(crate) file: File,
}

impl<'a> TemporaryFile<'a> {
    /// Makes one beside the file called `name`.
    pub(crate) fn beside(folder: &'a File, name: &OsStr) -> io::Result<Self> {
        for _ in 0..TRIES {
            let mut own = name.to_owned();
            own.push(format!("{INFIX}{}-{:016x}", process::id(), random()?));
            // Never through a link that was put there.
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = match openat(folder, &own, flags, Mode::from_raw_mode(MODE)) {
                Err(Errno::EXIST) => continue,
                opened => File::from(opened?),
            };
            let made = Self { folder, name: Some(own), file };
            // A process that has taken it for left over in this moment removes it. Some file
            // systems know no locks: nobody can take it for left over there.
            let is_taken = lock(&made.file) == Err(Errno::WOULDBLOCK);
            if !is_taken && made.file.metadata()?.nlink() != 0 {
                // Whatever the process's mask is.
                made.file.set_permissions(Permissions::from_mode(MODE))?;
                return Ok(made);
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Puts it in the place of the file called `name`.
    pub(crate) fn replace(mut self, name: &OsStr) -> io::Result<()> {
        if let Some(own) = &self.name {
            renameat(self.folder, own, self.folder, name)?;
        }
        self.name = None;
        Ok(())
    }
}

impl Drop for TemporaryFile<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // If it stays, the next writer takes it for left over.
            let _ = unlinkat(self.folder, name, AtFlags::empty());
        }
    }
}

/// Removes what writers of the file called `name` have left who were killed in the middle.
pub(crate) fn remove_left_over(folder: &File, name: &OsStr) {
    let Ok(entries) = Dir::read_from(folder) else { return };
    for entry in entries.flatten() {
        let found = OsStr::from_bytes(entry.file_name().to_bytes());
        let Some(writer) = writer(found, name) else { continue };
        if is_left_over(folder, found, writer).unwrap_or(false) {
            let _ = unlinkat(folder, found, AtFlags::empty());
        }
    }
}

fn is_left_over(folder: &File, found: &OsStr, writer: u32) -> io::Result<bool> {
    // To write, since some network file systems lock no other ones.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, found, flags, Mode::empty()) {
        // Another user's: its name is all there is to go by.
        Err(Errno::ACCESS) => return Ok(!Path::new(&format!("/proc/{writer}")).exists()),
        opened => File::from(opened?),
    };
    Ok(file.metadata()?.is_file() && lock(&file).is_ok())
}

/// Locks a file for as long as it is open.
fn lock(file: &File) -> Result<(), Errno> {
    flock(file, FlockOperation::NonBlockingLockExclusive)
}

/// Which process has made the file called `found`, if that is a name of a temporary file beside the
/// one called `name`.
fn writer(found: &OsStr, name: &OsStr) -> Option<u32> {
    let rest = found.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(INFIX.as_bytes())?;
    let (writer, number) = str::from_utf8(rest).ok()?.split_once('-')?;
    let is_number = number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    writer.parse().ok().filter(|_| is_number)
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::{self, File};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{TemporaryFile, remove_left_over, writer};

    #[test]
    fn what_the_dead_have_left_goes_and_what_others_have_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let opened = File::open(folder.path()).expect("a folder");
        let name = OsStr::new("peers");
        let of_others = [
            "peers.newer",
            "peers.new-1-0",
            "peers.new-1-x123456789abcdef",
            "peers",
            "other.new-7-0123456789abcdef",
        ];
        for name in of_others.iter().chain(&["peers.new-7-0123456789abcdef"]) {
            fs::write(at(name), "").expect("written");
        }
        // The own process's id says nothing: the one before may have had it as well.
        let earlier = format!("peers.new-{}-0123456789abcdef", std::process::id());
        fs::write(at(&earlier), "").expect("written");
        symlink("peers", at("peers.new-1-0123456789abcdef")).expect("linked");
        fs::create_dir(at("peers.new-2-0123456789abcdef")).expect("made");

        let own = TemporaryFile::beside(&opened, name).expect("made");
        let mode = own.file.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        remove_left_over(&opened, name);
        assert_eq!(
            own.file.metadata().map(|file| std::os::unix::fs::MetadataExt::nlink(&file)).ok(),
            Some(1)
        );
        drop(own);
        let mut left: Vec<_> = folder
            .path()
            .read_dir()
            .expect("a folder")
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        left.sort();
        let mut expected = of_others.to_vec();
        expected.extend(["peers.new-1-0123456789abcdef", "peers.new-2-0123456789abcdef"]);
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[test]
    fn names_of_temporary_files_are_recognized() {
        let of = |found: &str| writer(OsStr::new(found), OsStr::new("peers"));
        assert_eq!(of("peers.new-17-0123456789abcdef"), Some(17));
        for other in [
            "peers",
            "peers.new-",
            "peers.new-1-0123456789abcde",
            "peers.new--0123456789abcdef",
            "xpeers.new-1-0123456789abcdef",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
