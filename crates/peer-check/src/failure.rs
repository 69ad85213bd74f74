//! Why a check failed.

use std::io;

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The check took too long.
    TimedOut,
    /// The connection was closed before there was an answer.
    Closed,
    /// The answer is not one of HTTP.
    InvalidAnswer,
    /// The answer has not what `expect=` requires.
    UnexpectedAnswer,
    /// There is no TLS with the peer.
    Tls,
    /// The answer has this status, which is not one of those that pass.
    Status(u16),
    /// A call of the system failed with this error.
    System(i32),
    /// Anything else.
    Other,
}

/// A failure, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) reason: String,
}

impl Failure {
    pub(crate) fn new(fault: Fault, reason: impl ToString) -> Self {
        Self { fault, reason: reason.to_string() }
    }

    pub(crate) fn closed() -> Self {
        Self::new(Fault::Closed, "connection closed without a response")
    }

    pub(crate) fn of_status(status: u16) -> Self {
        Self::new(Fault::Status(status), format!("status {status}"))
    }

    pub(crate) fn of_system(error: &io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "connection reset".to_owned()
            }
            // The system's own, when it gives up before the check does.
            io::ErrorKind::TimedOut => "connection timed out".to_owned(),
            _ => error.to_string(),
        };
        Self::new(error.raw_os_error().map_or(Fault::Other, Fault::System), reason)
    }
}
