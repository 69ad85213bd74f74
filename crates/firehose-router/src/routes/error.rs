//! What keeps a route from being changed.

use map_keys::Reason;
use nginx_syntax::quoted;
use thiserror::Error;

use crate::keys::{Failure, KeysError};

/// Why nothing was done, or not all of it. `shown` is a value as messages show it.
#[derive(Debug, Error)]
pub(super) enum RoutesError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("key {} exists, with the value {shown}: omit --if-absent to change it", quoted(key))]
    Exists { key: String, shown: String },
    #[error("the router would reject key {} with this value: {reason}", quoted(key))]
    Rejected { key: String, reason: Reason },
    #[error(
        "key {} is not written: the router would then reject key {}, which differs in case alone: \
         change that one, or remove it first",
        quoted(key),
        quoted(other)
    )]
    Displaces { key: String, other: String },
}

impl Failure for RoutesError {
    fn common(&self) -> Option<&KeysError> {
        match self {
            Self::Keys(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RoutesError;

    #[test]
    fn messages_are_worded_so() {
        let key = || "/routes/A".to_owned();
        for (error, expected) in [
            (
                RoutesError::Exists { key: key(), shown: "(17 bytes)".to_owned() },
                "key \"/routes/A\" exists, with the value (17 bytes): omit --if-absent to change \
                 it",
            ),
            (
                RoutesError::Displaces { key: key(), other: "/routes/a\n".to_owned() },
                "key \"/routes/A\" is not written: the router would then reject key \
                 \"/routes/a\\n\", which differs in case alone: change that one, or remove it \
                 first",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
