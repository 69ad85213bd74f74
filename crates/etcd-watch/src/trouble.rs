//! Why an attempt to follow a prefix ended.

use std::error::Error as _;

use etcd_client::Error;
use tonic::Code;

use crate::update::Cause;

/// The longest reason in characters: one line of a log, whatever etcd sends.
const REASON_LENGTH: usize = 200;

/// What ended an attempt.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) cause: Cause,
    pub(crate) reason: String,
    /// The endpoint is at fault, so that another one may do better; not where etcd itself answered with a refusal.
    pub(crate) turn: bool,
}

impl Trouble {
    /// The endpoint failed.
    pub(crate) fn endpoint(cause: Cause, reason: &str) -> Self {
        Self { cause, reason: one_line(reason), turn: true }
    }

    /// etcd refused.
    pub(crate) fn refused(cause: Cause, reason: &str) -> Self {
        Self { cause, reason: one_line(reason), turn: false }
    }

    /// A call that failed, where `otherwise` is the cause if the error itself does not tell.
    pub(crate) fn call(what: &str, error: &Error, otherwise: Cause) -> Self {
        let reason = format!("{what}: {}", describe(error));
        let Error::GRpcStatus(status) = error else {
            return Self::endpoint(otherwise, &reason);
        };
        match status.code() {
            Code::OutOfRange if status.message().contains(COMPACTED) => {
                Self::refused(Cause::Compacted, &reason)
            }
            Code::PermissionDenied
            | Code::Unauthenticated
            | Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::OutOfRange => Self::refused(Cause::Canceled, &reason),
            _ => Self::endpoint(otherwise, &reason),
        }
    }
}

/// What etcd says of a revision that is gone (`ErrCompacted` of its package mvcc).
const COMPACTED: &str = "required revision has been compacted";

/// Whether a message was refused for its size, by the limit that this side set (tonic's codec, which has no type
/// for it).
pub(crate) fn is_too_large(error: &Error) -> bool {
    matches!(error, Error::GRpcStatus(status)
        if status.code() == Code::OutOfRange && status.message().contains("message length too large"))
}

/// The message and what lies at the root of it: tonic's own is often no more than "transport error".
fn describe(error: &Error) -> String {
    let (message, mut source) = match error {
        // The display of a status adds the response's metadata, which is not for a log.
        Error::GRpcStatus(status) => (status.message().to_owned(), status.source()),
        Error::TransportError(error) => (error.to_string(), error.source()),
        other => (other.to_string(), None),
    };
    let mut root = None;
    while let Some(error) = source {
        root = Some(error.to_string());
        source = error.source();
    }
    match root {
        Some(root) if message.is_empty() => root,
        Some(root) if !message.contains(&root) => format!("{message}: {root}"),
        _ if message.is_empty() => "no reason given".to_owned(),
        _ => message,
    }
}

/// One line without control characters, of limited length.
fn one_line(text: &str) -> String {
    let text = text.trim();
    let line = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    line.take(REASON_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use etcd_client::Error;
    use tonic::Status;

    use super::{Trouble, is_too_large, one_line};
    use crate::update::Cause;

    fn call(status: Status) -> Trouble {
        Trouble::call("list", &Error::GRpcStatus(status), Cause::Unreachable)
    }

    #[test]
    fn what_etcd_refuses_does_not_turn() {
        let trouble = call(Status::out_of_range("etcdserver: mvcc: required revision has been compacted"));
        assert_eq!((trouble.cause, trouble.turn), (Cause::Compacted, false));
        let trouble = call(Status::permission_denied("etcdserver: permission denied"));
        assert_eq!((trouble.cause, trouble.turn), (Cause::Canceled, false));
        assert_eq!(trouble.reason, "list: etcdserver: permission denied");
    }

    #[test]
    fn what_fails_turns() {
        let trouble = call(Status::unavailable("etcdserver: no leader"));
        assert_eq!((trouble.cause, trouble.turn), (Cause::Unreachable, true));
        let trouble = call(Status::unknown(""));
        assert_eq!((trouble.cause, trouble.turn), (Cause::Unreachable, true));
        assert_eq!(trouble.reason, "list: no reason given");
    }

    #[test]
    fn size_is_told_from_compaction() {
        let large = "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes";
        assert!(is_too_large(&Error::GRpcStatus(Status::out_of_range(large))));
        let compacted = "etcdserver: mvcc: required revision has been compacted";
        assert!(!is_too_large(&Error::GRpcStatus(Status::out_of_range(compacted))));
    }

    #[test]
    fn reasons_are_one_line() {
        assert_eq!(one_line(" a\nb\tc\u{1b}[0m "), "a b c [0m");
        assert_eq!(one_line(&"ä".repeat(500)).chars().count(), 200);
    }
}
