//! Texts with escapes, as `send=` and `expect=` have them.
//!
//! nginx reads a configuration before the module does: it turns `\r`, `\n`, `\t`, `\\`, `\"` and
//! `\'` into what they stand for, in quotes and outside of them, and leaves every other backslash
//! (`ngx_conf_read_token`, src/core/ngx_conf_file.c). So a text is the same in its configuration
//! and where nothing was before, as on a command line: characters that nginx has turned stand for
//! themselves. Only a backslash itself is `\\` here and `\\\\` there, and `\x5C` in both.

use thiserror::Error;

/// The longest text, in bytes that it stands for.
pub const MAX_TEXT: usize = 1 << 10;

/// Why a text is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it must be {}", self.expects())]
pub enum TextError {
    /// It is empty, or longer than [`MAX_TEXT`].
    Length,
    /// A backslash does not begin an escape.
    Escape,
    /// It begins with a quote.
    Quote,
}

impl TextError {
    /// What it must be, behind the words "it must be".
    pub const fn expects(self) -> &'static str {
        match self {
            Self::Length => "a text of 1 to 1024 bytes",
            Self::Escape => {
                "a text in which every \"\\\" begins one of the escapes \\r, \\n, \\t, \\\\, \
                 \\\", \\' and \\xHH; \\x5C is a \"\\\" of the text"
            }
            Self::Quote => {
                "a text that does not begin with a quote: quotes are around the whole parameter, \
                 as in \"send=A B\", and \\x22 is a quote of the text"
            }
        }
    }
}

/// The bytes that the text stands for.
///
/// # Errors
///
/// Where it is empty or too long, has a backslash that begins no escape, or begins with a quote,
/// which nginx leaves in `send="PING"`.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, TextError> {
    if text.starts_with(['"', '\'']) {
        return Err(TextError::Quote);
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'\\' { escaped(&mut rest).ok_or(TextError::Escape)? } else { byte });
    }
    if (1..=MAX_TEXT).contains(&bytes.len()) { Ok(bytes) } else { Err(TextError::Length) }
}

/// What follows a backslash.
fn escaped(rest: &mut impl Iterator<Item = u8>) -> Option<u8> {
    match rest.next()? {
        b'r' => Some(b'\r'),
        b'n' => Some(b'\n'),
        b't' => Some(b'\t'),
        same @ (b'\\' | b'"' | b'\'') => Some(same),
        b'x' => Some(digit(rest.next()?)? << 4 | digit(rest.next()?)?),
        _ => None,
    }
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// The bytes as a text of printable ASCII, which [`unescape`] reads.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let escaped = |&byte| if byte == b'\'' { "\\'".to_owned() } else { escape_of(byte) };
    bytes.iter().map(escaped).collect()
}

/// A byte as a message shows it.
pub(crate) fn escape_of(byte: u8) -> String {
    match byte {
        b'\r' => "\\r".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b'"' => "\\\"".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_TEXT, TextError, escape, unescape};

    #[test]
    fn escapes_are_read_or_rejected() {
        for (text, bytes) in [
            ("PING", b"PING".as_slice()),
            ("+PONG", b"+PONG"),
            (r"PING\r\n", b"PING\r\n"),
            ("PING\r\n", b"PING\r\n"),
            (r"\ta\x00\xfF\x5c\\\'\x22", b"\ta\x00\xff\\\\'\""),
            ("a\"b'c d", b"a\"b'c d"),
            ("é", "é".as_bytes()),
        ] {
            assert_eq!(unescape(text).as_deref(), Ok(bytes), "{text}");
        }
        for text in
            [r"\", r"a\", r"\q", r"\ ", r"\0", r"\x", r"\x1", r"\x1g", r"\xé", r"\X41", r"\R"]
        {
            assert_eq!(unescape(text), Err(TextError::Escape), "{text}");
        }
        for text in ["\"PING\"", "'PING'", "\""] {
            assert_eq!(unescape(text), Err(TextError::Quote), "{text}");
        }
        assert_eq!(unescape(""), Err(TextError::Length));
        assert_eq!(unescape(&"a".repeat(MAX_TEXT + 1)), Err(TextError::Length));
        assert!(unescape(&r"\x00".repeat(MAX_TEXT)).is_ok());
        assert!(TextError::Length.expects().contains(&MAX_TEXT.to_string()));
    }

    proptest! {
        #[test]
        fn bytes_are_read_as_they_were_escaped(
            bytes in prop::collection::vec(any::<u8>(), 1..MAX_TEXT),
        ) {
            let text = escape(&bytes);
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(unescape(&text), Ok(bytes));
        }

        #[test]
        fn no_text_panics_and_none_grows(text in "(.|\\\\[rntx\\\\\"']|[0-9a-f]{2}){0,40}") {
            if let Ok(bytes) = unescape(&text) {
                prop_assert!(bytes.len() <= text.len());
                prop_assert_eq!(unescape(&escape(&bytes)), Ok(bytes));
            }
        }
    }
}
