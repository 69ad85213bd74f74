//! What keeps a key from being changed, whatever it is for.

use std::io;

use nginx_syntax::quoted;
use thiserror::Error;

use crate::etcd::EtcdOptionsError;

/// Why nothing was done, or not all of it. `list` is the task that lists the keys, and `shown` is a
/// value as messages show it.
#[derive(Debug, Error)]
pub(crate) enum KeysError {
    #[error("{0}")]
    Options(#[from] EtcdOptionsError),
    #[error("{0}")]
    Usage(String),
    #[error("etcd: {0}")]
    Etcd(String),
    #[error("etcd: {0}; nothing was changed")]
    Refused(String),
    #[error("etcd: {reason}; the change may have been made: see \"firehose-router {list}\"")]
    Unknown { reason: String, list: &'static str },
    #[error("there is no key {}: see \"firehose-router {list}\"", quoted(key))]
    Missing { key: String, list: &'static str },
    #[error(
        "key {} was changed by other clients {times} times in between: run this again",
        quoted(key)
    )]
    Contended { key: String, times: usize },
    #[error(
        "key {} has a lease, and the program that holds it has written {shown} at once: let that \
         program write the change, or stop it",
        quoted(key)
    )]
    WrittenBack { key: String, shown: String },
    #[error("cannot read the value from standard input: {0}")]
    Input(io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl KeysError {
    /// Whether the command line is at fault.
    pub(super) fn is_usage(&self) -> bool {
        matches!(self, Self::Options(_) | Self::Usage(_))
    }
}

#[cfg(test)]
mod tests {
    use super::KeysError;

    #[test]
    fn messages_are_worded_so() {
        let key = || "/firehose/upstream/a\u{1b}".to_owned();
        let shown = "\"/firehose/upstream/a\\u{1b}\"";
        let list = "nodes list";
        for (error, expected) in [
            (
                KeysError::Unknown { reason: "no answer".to_owned(), list },
                "etcd: no answer; the change may have been made: see \"firehose-router nodes list\""
                    .to_owned(),
            ),
            (
                KeysError::Missing { key: key(), list },
                format!("there is no key {shown}: see \"firehose-router nodes list\""),
            ),
            (
                KeysError::WrittenBack { key: key(), shown: "\"b:80\"".to_owned() },
                format!(
                    "key {shown} has a lease, and the program that holds it has written \"b:80\" \
                     at once: let that program write the change, or stop it"
                ),
            ),
            (
                KeysError::Contended { key: key(), times: 10 },
                format!("key {shown} was changed by other clients 10 times in between: run this \
                         again"),
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
        assert!(KeysError::Usage(String::new()).is_usage());
        assert!(!KeysError::Etcd(String::new()).is_usage());
    }
}
