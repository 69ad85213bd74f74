//! What keeps a node's key from being changed.

use nginx_syntax::quoted;
use thiserror::Error;
use upstream_peers::ValueError;

use super::edit::EditError;
use crate::keys::{Failure, KeysError};

/// Why nothing was done, or not all of it.
#[derive(Debug, Error)]
pub(super) enum NodesError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(
        "key {} exists, with the value {}: change it with \"nodes set\", or remove it first",
        quoted(key),
        quoted(value)
    )]
    Exists { key: String, value: String },
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
    #[error("{0}")]
    Router(String),
    #[error("{0}")]
    NotEmpty(String),
    #[error("{0}")]
    Cancelled(String),
}

impl Failure for NodesError {
    fn common(&self) -> Option<&KeysError> {
        match self {
            Self::Keys(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use upstream_peers::parse_server;

    use super::NodesError;
    use crate::keys::{Failure, KeysError};

    #[test]
    fn messages_are_worded_so() {
        let key = || "/firehose/upstream/a\u{1b}".to_owned();
        let shown = "\"/firehose/upstream/a\\u{1b}\"";
        let reason = parse_server("a", b"a:80 wait").expect_err("an error");
        for (error, expected) in [
            (
                NodesError::Exists { key: key(), value: "b:80\n".to_owned() },
                format!(
                    "key {shown} exists, with the value \"b:80\\n\": change it with \"nodes set\", \
                     or remove it first"
                ),
            ),
            (
                NodesError::Rejected { key: key(), reason },
                format!(
                    "the router would reject key {shown} with this value: unknown parameter \
                     \"wait\""
                ),
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
        assert!(NodesError::from(KeysError::Usage(String::new())).common().is_some());
        assert!(NodesError::Router(String::new()).common().is_none());
    }
}
