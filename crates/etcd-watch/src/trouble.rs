//! Why an attempt to follow a prefix ended.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::Error;
use tokio::time::Instant;
use tonic::Code;

use crate::update::Cause;

mod kind;

pub(crate) use kind::Kind;

/// The longest reason in characters: one line of a log, whatever etcd sends.
pub(crate) const REASON_LENGTH: usize = 300;

/// What ended an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) cause: Cause,
    pub(crate) kind: Kind,
    /// What failed and how, in etcd's or the system's words.
    pub(crate) said: String,
    /// The endpoint is at fault, so that another one may do better; not where etcd itself answered
    /// with a refusal.
    pub(crate) turn: bool,
    /// An answer did not come within its deadline.
    pub(crate) is_late: bool,
    /// The URL of the endpoint.
    pub(crate) endpoint: Option<Arc<str>>,
    /// When all who share the connection try again, where one attempt was made for all of them.
    pub(crate) retry_at: Option<Instant>,
}

impl Trouble {
    /// The endpoint failed.
    pub(crate) fn endpoint(cause: Cause, kind: Kind, said: &str) -> Self {
        Self {
            cause,
            kind,
            said: one_line(said),
            turn: true,
            is_late: false,
            endpoint: None,
            retry_at: None,
        }
    }

    /// etcd refused.
    pub(crate) fn refused(cause: Cause, kind: Kind, said: &str) -> Self {
        Self { turn: false, ..Self::endpoint(cause, kind, said) }
    }

    /// The endpoint sent what makes no sense.
    pub(crate) fn nonsense(said: &str) -> Self {
        Self::endpoint(Cause::Broken, Kind::Nonsense, said)
    }

    /// The connection or the stream ended.
    pub(crate) fn broken(said: &str) -> Self {
        Self::endpoint(Cause::Broken, Kind::Broken, said)
    }

    /// An answer did not come in time.
    pub(crate) fn late(cause: Cause, what: &str, deadline: Duration) -> Self {
        let said = format!("{what}: no answer within {} s", deadline.as_secs());
        Self { is_late: true, ..Self::endpoint(cause, Kind::Late, &said) }
    }

    /// A call that failed, where `otherwise` is the cause if the error itself does not tell.
    pub(crate) fn call(what: &str, error: &Error, otherwise: Cause) -> Self {
        let kind = Kind::of(error);
        let said = format!("{what}: {}", kind::describe(error));
        let is_refusal = matches!(error, Error::GRpcStatus(status) if matches!(
            status.code(),
            Code::PermissionDenied
                | Code::Unauthenticated
                | Code::InvalidArgument
                | Code::FailedPrecondition
                | Code::OutOfRange
        ));
        match kind {
            Kind::Compacted => Self::refused(Cause::Compacted, kind, &said),
            _ if is_refusal || kind.asks_for_login() => Self::refused(Cause::Canceled, kind, &said),
            _ => Self::endpoint(otherwise, kind, &said),
        }
    }
}

/// Whether a message was refused for its size, by the limit that this side set (tonic's codec,
/// which has no type for it).
pub(crate) fn is_too_large(error: &Error) -> bool {
    matches!(error, Error::GRpcStatus(status)
        if status.code() == Code::OutOfRange
            && status.message().contains("message length too large"))
}

/// One line without control characters, of limited length.
pub(crate) fn one_line(text: &str) -> String {
    let text = text.trim();
    let line = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    line.take(REASON_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use etcd_client::Error;
    use tonic::Status;

    use super::{Kind, Trouble, is_too_large, one_line};
    use crate::update::Cause;

    fn call(status: Status) -> Trouble {
        Trouble::call("list", &Error::GRpcStatus(status), Cause::Unreachable)
    }

    #[test]
    fn what_etcd_refuses_does_not_turn() {
        let trouble =
            call(Status::out_of_range("etcdserver: mvcc: required revision has been compacted"));
        assert_eq!((trouble.cause, trouble.turn), (Cause::Compacted, false));
        let trouble = call(Status::permission_denied("etcdserver: permission denied"));
        assert_eq!((trouble.cause, trouble.turn), (Cause::Canceled, false));
        assert_eq!(trouble.said, "list: etcdserver: permission denied");
        let trouble = call(Status::unknown("auth: revision in header is old"));
        assert_eq!((trouble.kind, trouble.turn), (Kind::TokenVoid, false));
    }

    #[test]
    fn what_fails_turns() {
        let trouble = call(Status::unavailable("etcdserver: no leader"));
        assert_eq!(
            (trouble.cause, trouble.kind, trouble.turn),
            (Cause::Unreachable, Kind::NoQuorum, true)
        );
        let trouble = call(Status::unknown(""));
        assert_eq!(
            (trouble.cause, trouble.kind, trouble.turn),
            (Cause::Unreachable, Kind::Other, true)
        );
        assert_eq!(trouble.said, "list: no reason given");
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
        assert_eq!(one_line(&"ä".repeat(500)).chars().count(), 300);
    }
}
