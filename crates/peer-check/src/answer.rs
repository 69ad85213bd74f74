//! The head of an answer, read as nginx reads it.
//!
//! A check must not be stricter than the requests that come after it, so this follows
//! `ngx_http_parse_status_line` and `ngx_http_parse_header_line` (src/http/ngx_http_parse.c) byte
//! by byte: a status without a reason, `403.1`, lines that end with a line feed alone, headers
//! without a colon, names with odd characters, a second status line among the headers. Neither the
//! number of headers nor their size is limited but by [`MAX_ANSWER_HEAD`], since nginx's buffers
//! are as large as their operator wants. Where nginx takes what is no HTTP for an answer of HTTP
//! 0.9, and logs an error, the check fails.

use thiserror::Error;

/// An answer whose status line and headers have more bytes than this, interim answers (1xx)
/// included, fails the check: what is read is bounded. It is many times what any buffer of nginx's
/// is set to.
pub const MAX_ANSWER_HEAD: usize = 1 << 20;

/// What every status line begins with.
const PROTOCOL: &[u8] = b"HTTP/";

/// Why an answer has no status.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    #[error("invalid response: no HTTP status line")]
    StatusLine,
    #[error("invalid response: malformed header")]
    Header,
    #[error("invalid response: the header exceeds {MAX_ANSWER_HEAD} bytes")]
    TooLong,
}

/// How far the head has been read; the names are those of nginx's states.
#[derive(Clone, Copy, Debug)]
enum ParserState {
    /// So many bytes of [`PROTOCOL`].
    Protocol(usize),
    FirstMajorDigit,
    MajorDigit(u8),
    FirstMinorDigit,
    MinorDigit(u8),
    /// So many digits.
    Status(u8),
    AfterStatus,
    StatusText,
    StatusLineEnd,
    HeaderStart,
    /// So many bytes of the name that are those of `HTTP`, or `None` where it is another name.
    Name(Option<usize>),
    Value,
    HeaderEnd,
    HeadEnd,
    IgnoredLine,
}

/// Reads the head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    state: ParserState,
    status: u16,
    taken: usize,
}

impl Head {
    pub(crate) fn new() -> Self {
        Self { state: ParserState::Protocol(0), status: 0, taken: 0 }
    }

    /// Reads what comes next; gives the final status when the head is complete. Interim answers
    /// (1xx) are passed over, but for 101, behind which comes another protocol.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Option<u16>, NoAnswer> {
        for &byte in bytes {
            self.taken += 1;
            if self.taken > MAX_ANSWER_HEAD {
                return Err(NoAnswer::TooLong);
            }
            if self.is_complete_with(byte)? {
                if self.status == 101 || self.status >= 200 {
                    return Ok(Some(self.status));
                }
                *self = Self { taken: self.taken, ..Self::new() };
            }
        }
        Ok(None)
    }

    fn is_complete_with(&mut self, byte: u8) -> Result<bool, NoAnswer> {
        self.state = match (self.state, byte) {
            (ParserState::Protocol(at), _) if PROTOCOL.get(at) == Some(&byte) => {
                if at + 1 == PROTOCOL.len() {
                    ParserState::FirstMajorDigit
                } else {
                    ParserState::Protocol(at + 1)
                }
            }
            (ParserState::FirstMajorDigit, b'1'..=b'9') => ParserState::MajorDigit(1),
            (ParserState::MajorDigit(_), b'.') => ParserState::FirstMinorDigit,
            (ParserState::MajorDigit(1), b'0'..=b'9') => ParserState::MajorDigit(2),
            (ParserState::FirstMinorDigit, b'0'..=b'9') => ParserState::MinorDigit(1),
            (ParserState::MinorDigit(_), b' ') => ParserState::Status(0),
            (ParserState::MinorDigit(1), b'0'..=b'9') => ParserState::MinorDigit(2),
            (ParserState::Status(_), b' ') => self.state,
            (ParserState::Status(digits), b'0'..=b'9') => {
                self.status = self.status * 10 + u16::from(byte - b'0');
                if digits == 2 { ParserState::AfterStatus } else { ParserState::Status(digits + 1) }
            }
            // IIS sends 403.1 and the like.
            (ParserState::AfterStatus, b' ' | b'.') => ParserState::StatusText,
            (ParserState::AfterStatus | ParserState::StatusText, b'\r') => {
                ParserState::StatusLineEnd
            }
            (
                ParserState::AfterStatus | ParserState::StatusText | ParserState::StatusLineEnd,
                b'\n',
            ) => ParserState::HeaderStart,
            (ParserState::StatusText, _) => ParserState::StatusText,
            (
                ParserState::Protocol(_)
                | ParserState::FirstMajorDigit
                | ParserState::MajorDigit(_)
                | ParserState::FirstMinorDigit
                | ParserState::MinorDigit(_)
                | ParserState::Status(_)
                | ParserState::AfterStatus
                | ParserState::StatusLineEnd,
                _,
            ) => return Err(NoAnswer::StatusLine),

            (ParserState::HeaderStart, b'\r') => ParserState::HeadEnd,
            (ParserState::HeaderStart | ParserState::HeadEnd, b'\n') => return Ok(true),
            (ParserState::HeaderStart, b':') => return Err(NoAnswer::Header),
            (ParserState::Name(_), b':') => ParserState::Value,
            (ParserState::Name(_) | ParserState::Value, b'\r') => ParserState::HeaderEnd,
            (
                ParserState::Name(_)
                | ParserState::Value
                | ParserState::HeaderEnd
                | ParserState::IgnoredLine,
                b'\n',
            ) => ParserState::HeaderStart,
            (ParserState::HeaderStart | ParserState::Name(_), 0..=b' ' | 0x7f) => {
                return Err(NoAnswer::Header);
            }
            (ParserState::HeaderStart, _) => ParserState::Name((byte == PROTOCOL[0]).then_some(1)),
            // IIS sends a second status line among the headers.
            (ParserState::Name(Some(4)), b'/') => ParserState::IgnoredLine,
            (ParserState::Name(same), _) => ParserState::Name(
                same.filter(|&same| PROTOCOL.get(same) == Some(&byte)).map(|same| same + 1),
            ),
            (ParserState::Value, 0) => return Err(NoAnswer::Header),
            (ParserState::Value, _) => ParserState::Value,
            (ParserState::HeaderEnd, b'\r') => ParserState::HeaderEnd,
            (ParserState::HeaderEnd | ParserState::HeadEnd, _) => return Err(NoAnswer::Header),
            (ParserState::IgnoredLine, _) => ParserState::IgnoredLine,
        };
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Head, MAX_ANSWER_HEAD, NoAnswer};

    fn read(answer: &[u8]) -> Result<Option<u16>, NoAnswer> {
        Head::new().read(answer)
    }

    #[test]
    fn what_nginx_takes() {
        let many: String = (0..5_000).map(|number| format!("X-{number}: {number}\r\n")).collect();
        for (answer, status) in [
            ("HTTP/1.1 200 OK\r\n\r\n", 200),
            ("HTTP/1.0 204\r\n\r\n", 204),
            ("HTTP/1.1 200 \n\n", 200),
            ("HTTP/1.1  404 Not Found\r\n\r\n", 404),
            ("HTTP/1.1 403.1 Forbidden\r\n\r\n", 403),
            ("HTTP/2.0 200 OK\r\n\r\n", 200),
            ("HTTP/1.1 999 \u{7}\u{e9}\r\n\r\n", 999),
            ("HTTP/1.1 200 OK\r\nno-colon\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\nX-Empty:\r\nX_Under@score(): a\tb\u{1b}\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nHTTPS: on\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", 200),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: \
                 </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
                200,
            ),
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 101),
            (&format!("HTTP/1.1 200 OK\r\n{many}\r\nbody"), 200),
            (&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(MAX_ANSWER_HEAD / 2)), 200),
        ] {
            assert_eq!(
                read(answer.as_bytes()),
                Ok(Some(status)),
                "{:?}",
                answer.get(..80).unwrap_or(answer)
            );
        }
    }

    #[test]
    fn what_it_does_not() {
        for answer in [
            "SSH-2.0-OpenSSH_9.2p1\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/0.9 200 OK\r\n\r\n",
            "HTTP/1 200 OK\r\n",
            "HTTP/1.1\t200 OK\r\n",
            "HTTP/1.1 2000 OK\r\n",
            "HTTP/1.1 20 OK\r\n",
            "HTTP/1.1 200OK\r\n",
            "HTTP/1.1 200 OK\rX",
            "HTTP/100.1 200 OK\r\n",
            "http/1.1 200 OK\r\n",
        ] {
            assert_eq!(read(answer.as_bytes()), Err(NoAnswer::StatusLine), "{answer:?}");
        }
        for header in [
            ": no name\r\n",
            " folded\r\n",
            "a b: c\r\n",
            "a: \0\r\n",
            "a\u{7f}: b\r\n",
            "a: b\rc\r\n",
            "\rX",
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{header}\r\n");
            assert_eq!(read(answer.as_bytes()), Err(NoAnswer::Header), "{answer:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(MAX_ANSWER_HEAD / 6));
        assert_eq!(read(endless.as_bytes()), Err(NoAnswer::TooLong));
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_ANSWER_HEAD / 25 + 1);
        assert_eq!(read(interim.as_bytes()), Err(NoAnswer::TooLong));
        for part in [
            "",
            "HTTP/1.1 200",
            "HTTP/1.1 200 OK\r\nServer: x\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            assert_eq!(read(part.as_bytes()), Ok(None), "{part:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_same_in_pieces(
            answer in "(HTTP/1\\.1 [12]0[03] ?[A-Z]{0,3}\r?\n\
                       ([A-Za-z/@]{0,6}:? ?[ -~\\x00]{0,5}\r?\n){0,4}){1,3}",
            cut in 0..60_usize,
        ) {
            let bytes = answer.as_bytes();
            let (first, rest) = bytes.split_at(cut.min(bytes.len()));
            let mut head = Head::new();
            let in_pieces = match head.read(first) {
                Ok(None) => head.read(rest),
                ended => ended,
            };
            prop_assert_eq!(in_pieces, read(bytes));
        }
    }
}
