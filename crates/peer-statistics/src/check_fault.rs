//! Why an active check failed, as one number in shared memory.

use core::fmt::{self, Display, Formatter};

/// Why an active check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckFault {
    /// No answer came in time.
    Timeout,
    /// The peer closed the connection before the end of its answer.
    Closed,
    /// The answer is not one of HTTP.
    InvalidAnswer,
    /// The answer has this status, which `status=` does not permit.
    Status(u16),
    /// The system's error with this number, such as a refused connection.
    System(u16),
    /// The answer has not what `expect=` requires.
    UnexpectedAnswer,
    /// There is no TLS with the peer.
    Tls,
    /// Anything else.
    Other,
}

/// Bits for the number of a status or of a system's error.
const NUMBER: u32 = 12;
const LARGEST: u16 = (1 << NUMBER) - 1;

impl CheckFault {
    /// The fault as a number, which is never 0.
    pub(crate) fn to_code(self) -> u16 {
        let (kind, number) = match self {
            Self::Timeout => (1, 0),
            Self::Closed => (2, 0),
            Self::InvalidAnswer => (3, 0),
            Self::Status(number) => (4, number),
            Self::System(number) => (5, number),
            Self::Other => (6, 0),
            Self::UnexpectedAnswer => (7, 0),
            Self::Tls => (8, 0),
        };
        kind << NUMBER | number.min(LARGEST)
    }

    /// The fault of a number.
    pub(crate) fn of_code(code: u16) -> Self {
        let number = code & LARGEST;
        match code >> NUMBER {
            1 => Self::Timeout,
            2 => Self::Closed,
            3 => Self::InvalidAnswer,
            4 => Self::Status(number),
            5 => Self::System(number),
            7 => Self::UnexpectedAnswer,
            8 => Self::Tls,
            _ => Self::Other,
        }
    }
}

impl Display for CheckFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("timeout"),
            Self::Closed => f.write_str("connection closed"),
            Self::InvalidAnswer => f.write_str("invalid answer"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::System(number) => {
                let error = std::io::Error::from_raw_os_error((*number).into());
                let text = error.to_string().to_lowercase();
                f.write_str(text.split(" (os error").next().unwrap_or(&text))
            }
            Self::UnexpectedAnswer => f.write_str("unexpected answer"),
            Self::Tls => f.write_str("TLS failed"),
            Self::Other => f.write_str("check failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_was_written() {
        for (fault, text) in [
            (CheckFault::Timeout, "timeout"),
            (CheckFault::Closed, "connection closed"),
            (CheckFault::InvalidAnswer, "invalid answer"),
            (CheckFault::Status(503), "status 503"),
            (CheckFault::System(111), "connection refused"),
            (CheckFault::UnexpectedAnswer, "unexpected answer"),
            (CheckFault::Tls, "TLS failed"),
            (CheckFault::Other, "check failed"),
        ] {
            let code = fault.to_code();
            assert_ne!(code, 0);
            assert_eq!(CheckFault::of_code(code), fault);
            assert_eq!(fault.to_string(), text);
        }
        assert_eq!(
            CheckFault::of_code(CheckFault::Status(u16::MAX).to_code()).to_string(),
            "status 4095"
        );
    }
}
