//! How files with certificates, keys and passwords are read.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::setting_names::SettingNames;
use crate::trouble::{Kind, Trouble};
use crate::update::Cause;

/// What [`Files::read`] returns.
pub type ReadFile = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send>>;

/// Reads files for a [`Cluster`](crate::Cluster): who follows etcd may be another user than the one
/// who may read its secrets.
pub trait Files: Send + Sync {
    /// The file's content.
    fn read(&self, file: &Path) -> ReadFile;
}

/// The largest file with a key, a certificate or a password, in bytes: the largest of them in use,
/// a certificate with a long chain, has some 10 kB.
pub(crate) const SMALL: usize = 64 << 10;

/// The largest file with the certificates of authorities, in bytes: a system's own bundle has some
/// 220 kB.
pub(crate) const LARGE: usize = 1 << 20;

/// How long a file may take to be read: one on a network's file system that hangs must not hold up
/// who waits for it for ever.
const DEADLINE: Duration = Duration::from_secs(5);

/// Files that this process may read itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnFiles;

impl Files for OwnFiles {
    fn read(&self, file: &Path) -> ReadFile {
        let file = file.to_owned();
        Box::pin(async move {
            let mut content = Vec::new();
            // One byte more than is taken, so that what is too large is seen to be.
            let mut file = tokio::fs::File::open(file).await?.take(LARGE as u64 + 1);
            file.read_to_end(&mut content).await?;
            Ok(content)
        })
    }
}

/// Trouble with a file that a setting names, as a sentence without its content.
pub(crate) fn file_trouble(setting: &str, file: &Path, what: &str) -> Trouble {
    Trouble::refused(
        Cause::Unreachable,
        Kind::File,
        &format!("{setting} \"{}\" {what}", file.display()),
    )
}

/// Reads a file that a setting names.
pub(crate) async fn read(
    files: &dyn Files,
    names: &SettingNames,
    setting: &str,
    file: &Path,
    limit: usize,
) -> Result<Vec<u8>, Trouble> {
    let content = match timeout(DEADLINE, files.read(file)).await {
        Ok(Ok(content)) => content,
        Ok(Err(error)) => {
            let what = format!("cannot be read: make it readable for {} ({error})", names.reader);
            return Err(file_trouble(setting, file, &what));
        }
        Err(_) => {
            return Err(file_trouble(
                setting,
                file,
                "cannot be read in time: check its file system",
            ));
        }
    };
    if content.len() > limit {
        let what = format!("is larger than {} KiB: set another file", limit >> 10);
        return Err(file_trouble(setting, file, &what));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::io;
    use std::path::Path;

    use super::{Files, LARGE, ReadFile, SMALL, file_trouble, read};
    use crate::setting_names::SettingNames;

    /// Answers by the name of a file, without a disk.
    struct Disk;

    impl Files for Disk {
        fn read(&self, file: &Path) -> ReadFile {
            match file.to_str() {
                Some("/missing") => Box::pin(ready(Err(io::ErrorKind::NotFound.into()))),
                Some("/hanging") => Box::pin(pending()),
                _ => Box::pin(ready(Ok(vec![0; LARGE + 1]))),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_worded_so() {
        let (here, flags) = (SettingNames::DIRECTIVES, SettingNames::FLAGS);
        for (names, setting, file, limit, expected) in [
            (
                &here,
                here.password_file,
                "/missing",
                SMALL,
                "password_file \"/missing\" cannot be read: make it readable for nginx's master or \
                 its workers (entity not found)",
            ),
            (
                &flags,
                flags.password_file,
                "/missing",
                SMALL,
                "--etcd-password-file \"/missing\" cannot be read: make it readable for the user \
                 whom this program runs as (entity not found)",
            ),
            (
                &here,
                here.certificate,
                "/hanging",
                SMALL,
                "ssl_certificate \"/hanging\" cannot be read in time: check its file system",
            ),
            (
                &here,
                here.certificate,
                "/large",
                SMALL,
                "ssl_certificate \"/large\" is larger than 64 KiB: set another file",
            ),
            (
                &here,
                here.trusted_certificate,
                "/large",
                LARGE,
                "ssl_trusted_certificate \"/large\" is larger than 1024 KiB: set another file",
            ),
        ] {
            let trouble = read(&Disk, names, setting, Path::new(file), limit).await;
            assert_eq!(trouble.expect_err("an error").said, expected);
        }
        let trouble = file_trouble(here.certificate_key, Path::new("/k"), "is empty");
        assert_eq!(trouble.said, "ssl_certificate_key \"/k\" is empty");
    }
}
