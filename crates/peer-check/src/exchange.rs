//! What a check sends once it is connected, and what must come back.

use std::fmt;

use nginx_syntax::quoted;
use thiserror::Error;

use crate::escapes::{TextError, escape, unescape};

/// What is appended to a line that has no end.
const LINE_END: &[u8] = b"\r\n";

/// A few bytes that are sent, and others that are expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    send: Option<Vec<u8>>,
    expect: Vec<u8>,
}

/// Why an exchange is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExchangeError {
    /// The text of a parameter is not one.
    #[error("invalid value {} of \"{parameter}\", {error}", quoted(.text))]
    Text {
        /// `send` or `expect`.
        parameter: &'static str,
        /// As it was given.
        text: String,
        /// What is wrong with it.
        error: TextError,
    },
    /// Something is sent and nothing is expected: whatever the peer answers, nothing would come of
    /// it.
    #[error("\"send\" cannot be used without \"expect\"")]
    NothingExpected,
}

impl Exchange {
    /// Reads `send=` and `expect=`; `None` where neither is given.
    ///
    /// `send=` of a text that does not end with a carriage return or a line feed is a line, to
    /// which `\r\n` is appended. Bytes that no line has (control characters, or what is not UTF-8)
    /// are another protocol's, and sent as they are.
    ///
    /// # Errors
    ///
    /// Where a text is none, or nothing is expected.
    pub fn parse(send: Option<&str>, expect: Option<&str>) -> Result<Option<Self>, ExchangeError> {
        let read = |parameter, text: Option<&str>| {
            text.map(|text| {
                unescape(text).map_err(|error| ExchangeError::Text {
                    parameter,
                    text: text.to_owned(),
                    error,
                })
            })
            .transpose()
        };
        match (read("send", send)?, read("expect", expect)?) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(ExchangeError::NothingExpected),
            (send, Some(expect)) => Ok(Some(Self { send: send.map(with_line_end), expect })),
        }
    }

    /// What is sent first, if anything.
    pub fn sent(&self) -> Option<&[u8]> {
        self.send.as_deref()
    }

    /// What must be in the answer.
    pub fn expected(&self) -> &[u8] {
        &self.expect
    }
}

/// As it would be given, line end included.
impl fmt::Display for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bytes) = &self.send {
            write!(formatter, "\"send={}\" ", escape(bytes))?;
        }
        write!(formatter, "\"expect={}\"", escape(&self.expect))
    }
}

fn with_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    let is_of_lines = str::from_utf8(&bytes).is_ok_and(|text| {
        text.chars().all(|character| !character.is_control() || "\r\n\t".contains(character))
    });
    if is_of_lines && !bytes.ends_with(b"\r") && !bytes.ends_with(b"\n") {
        bytes.extend_from_slice(LINE_END);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Exchange, ExchangeError};
    use crate::escapes::TextError;

    #[test]
    fn lines_get_their_end_and_other_bytes_do_not() {
        for (given, sent) in [
            ("PING", b"PING\r\n".as_slice()),
            (r"PING\n", b"PING\n"),
            ("PING\r\n", b"PING\r\n"),
            (r"PING\r", b"PING\r"),
            (r"EHLO a\r\nQUIT", b"EHLO a\r\nQUIT\r\n"),
            (r"a\tb", b"a\tb\r\n"),
            ("é", b"\xc3\xa9\r\n"),
            (r"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"\0\0\0\x08\x04\xd2\x16\x2f"),
            (r"\xff", b"\xff"),
            (r"a\x7f", b"a\x7f"),
        ] {
            let exchange = Exchange::parse(Some(given), Some("x"));
            let exchange = exchange.expect(given).expect("it is given");
            assert_eq!(exchange.sent(), Some(sent), "{given}");
            assert_eq!(exchange.expected(), b"x");
        }
        let banner = Exchange::parse(None, Some("SSH-2.0-")).expect("a text").expect("one");
        assert_eq!((banner.sent(), banner.expected()), (None, b"SSH-2.0-".as_slice()));
        assert_eq!(Exchange::parse(None, None), Ok(None));
    }

    #[test]
    fn mistakes_are_worded_so() {
        assert_eq!(Exchange::parse(Some("PING"), None), Err(ExchangeError::NothingExpected));
        assert_eq!(
            ExchangeError::NothingExpected.to_string(),
            "\"send\" cannot be used without \"expect\""
        );
        for (send, expect, parameter, error, message) in [
            (
                Some(r"\q"),
                "x",
                "send",
                TextError::Escape,
                "invalid value \"\\q\" of \"send\", it must be a text in which every \"\\\" \
                 begins one of the escapes \\r, \\n, \\t, \\\\, \\\", \\' and \\xHH; \\x5C is a \
                 \"\\\" of the text",
            ),
            (
                None,
                "\"x\"",
                "expect",
                TextError::Quote,
                "invalid value \"\"x\"\" of \"expect\", it must be a text that does not begin \
                 with a quote: quotes are around the whole parameter, as in \"send=A B\", and \
                 \\x22 is a quote of the text",
            ),
            (
                Some("a"),
                "",
                "expect",
                TextError::Length,
                "invalid value \"\" of \"expect\", it must be a text of 1 to 1024 bytes",
            ),
        ] {
            let found = Exchange::parse(send, Some(expect)).expect_err(message);
            assert_eq!(found.to_string(), message);
            let text = if parameter == "send" { send.unwrap_or_default() } else { expect };
            assert_eq!(found, ExchangeError::Text { parameter, text: text.to_owned(), error });
        }
    }
}
