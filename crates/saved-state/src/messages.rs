//! What the log says of state files.

use std::io;

/// A file is not used at a start.
#[must_use]
pub fn ignored(file: &str, reason: &str) -> String {
    format!("state file \"{file}\" ignored: {reason}")
}

/// What a file has is used: `what` is so many peers, or entries.
#[must_use]
pub fn loaded(what: &str, revision: u64, file: &str) -> String {
    format!("{what} of revision {revision} loaded from state file \"{file}\"")
}

/// So many entries of a file are not used, the first of them for this reason.
#[must_use]
pub fn left_out(count: usize, file: &str, key: &str, reason: &str) -> String {
    format!("entries of state file \"{file}\" left out: {count}, the first is \"{key}\": {reason}")
}

/// A file is written again, after trouble.
#[must_use]
pub fn written_again(file: &str, revision: u64) -> String {
    format!("state file \"{file}\" written again at revision {revision}")
}

/// A file cannot be written.
#[must_use]
pub fn not_written(file: &str, reason: &str) -> String {
    format!("could not write state file \"{file}\": {reason}; the old file is kept")
}

/// Why a file cannot be written, and what can be done about it.
#[must_use]
pub fn write_error(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; its directory must be writable for nginx's master, or for the workers if the master \
             is not root"
        }
        io::ErrorKind::NotFound => "; its directory does not exist",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free disk space",
        _ => "",
    };
    format!("{error}{advice}")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{ignored, left_out, loaded, not_written, write_error, written_again};

    #[test]
    fn messages_are_worded_so() {
        let error = |number| write_error(&io::Error::from_raw_os_error(number));
        for (message, expected) in [
            (ignored("/s", "it is empty"), "state file \"/s\" ignored: it is empty"),
            (loaded("2 peers", 7, "/s"), "2 peers of revision 7 loaded from state file \"/s\""),
            (
                left_out(2, "/s", "a", "the value is not UTF-8"),
                "entries of state file \"/s\" left out: 2, the first is \"a\": the value is not \
                 UTF-8",
            ),
            (written_again("/s", 7), "state file \"/s\" written again at revision 7"),
            (
                not_written("/s", &error(libc::ENOSPC)),
                "could not write state file \"/s\": No space left on device (os error 28); free \
                 disk space; the old file is kept",
            ),
            (
                error(libc::EACCES),
                "Permission denied (os error 13); its directory must be writable for nginx's \
                 master, or for the workers if the master is not root",
            ),
            (
                error(libc::ENOENT),
                "No such file or directory (os error 2); its directory does not exist",
            ),
            (error(libc::EDQUOT), "Disk quota exceeded (os error 122); free disk space"),
            // These say it themselves.
            (error(libc::EISDIR), "Is a directory (os error 21)"),
            (error(libc::EROFS), "Read-only file system (os error 30)"),
        ] {
            assert_eq!(message, expected);
        }
    }
}
