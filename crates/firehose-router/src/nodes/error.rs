//! What keeps a node's key from being changed.

use std::io;

use nginx_syntax::quoted;
use thiserror::Error;
use upstream_peers::ValueError;

use super::edit::EditError;
use crate::etcd::EtcdOptionsError;

/// Why nothing was done, or not all of it.
#[derive(Debug, Error)]
pub(super) enum NodesError {
    #[error("{0}")]
    Options(#[from] EtcdOptionsError),
    #[error("{0}")]
    Usage(String),
    #[error("etcd: {0}")]
    Etcd(String),
    #[error("etcd: {0}; nothing was changed")]
    Refused(String),
    #[error("etcd: {0}; the change may have been made: see \"firehose-router nodes list\"")]
    Unknown(String),
    #[error(
        "key {} exists, with the value {}: change it with \"nodes set\", or remove it first",
        quoted(key),
        quoted(value)
    )]
    Exists { key: String, value: String },
    #[error("there is no key {}: see \"firehose-router nodes list\"", quoted(.0))]
    Missing(String),
    #[error("the router would reject key {} with this value: {reason}", quoted(key))]
    Rejected { key: String, reason: ValueError },
    #[error("key {} is not changed: {reason}", quoted(key))]
    Edit { key: String, reason: EditError },
    #[error(
        "key {} is not changed: its weight is 0, by which a node drains too: set a weight",
        quoted(.0)
    )]
    DrainsByWeight(String),
    #[error(
        "key {} is not changed: its value is not valid UTF-8, so that the router rejects it",
        quoted(.0)
    )]
    NotUtf8(String),
    #[error(
        "key {} was changed by other clients {times} times in between: run this again",
        quoted(key)
    )]
    Contended { key: String, times: usize },
    #[error(
        "key {} has a lease, and the program that holds it has written {} at once: let that \
         program write the change, or stop it",
        quoted(key),
        quoted(value)
    )]
    WrittenBack { key: String, value: String },
    #[error("{0}")]
    Router(String),
    #[error("{0}")]
    NotEmpty(String),
    #[error("{0}")]
    Cancelled(String),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl NodesError {
    /// Whether the command line is at fault.
    pub(super) fn is_usage(&self) -> bool {
        matches!(self, Self::Options(_) | Self::Usage(_))
    }
}

#[cfg(test)]
mod tests {
    use super::NodesError;
    use upstream_peers::parse_server;

    #[test]
    fn messages_are_worded_so() {
        let key = || "/firehose/upstream/a\u{1b}".to_owned();
        let shown = "\"/firehose/upstream/a\\u{1b}\"";
        let reason = parse_server("a", b"a:80 wait").expect_err("an error");
        for (error, expected) in [
            (
                NodesError::Unknown("no answer".to_owned()),
                "etcd: no answer; the change may have been made: see \"firehose-router nodes list\""
                    .to_owned(),
            ),
            (
                NodesError::Exists { key: key(), value: "b:80\n".to_owned() },
                format!(
                    "key {shown} exists, with the value \"b:80\\n\": change it with \"nodes set\", \
                     or remove it first"
                ),
            ),
            (
                NodesError::Missing(key()),
                format!("there is no key {shown}: see \"firehose-router nodes list\""),
            ),
            (
                NodesError::Rejected { key: key(), reason },
                format!(
                    "the router would reject key {shown} with this value: unknown parameter \
                     \"wait\""
                ),
            ),
            (
                NodesError::WrittenBack { key: key(), value: "b:80".to_owned() },
                format!(
                    "key {shown} has a lease, and the program that holds it has written \"b:80\" \
                     at once: let that program write the change, or stop it"
                ),
            ),
            (
                NodesError::Contended { key: key(), times: 10 },
                format!("key {shown} was changed by other clients 10 times in between: run this \
                         again"),
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
        assert!(NodesError::Usage(String::new()).is_usage());
        assert!(!NodesError::Missing(String::new()).is_usage());
    }
}
