//! Text from outside, made fit for a log line.

use std::fmt;

/// Characters that an excerpt has at most, those that escaping adds included: enough for an address
/// or a parameter to be recognised.
pub const MAX_EXCERPT: usize = 64;

/// The beginning of a text that somebody else wrote, escaped and cut to [`MAX_EXCERPT`] characters.
///
/// It is printed in quotation marks. It holds no control character, so that it cannot forge a line
/// of a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excerpt(String);

impl Excerpt {
    /// The excerpt of `text`.
    pub fn new(text: &str) -> Self {
        let mut excerpt = String::new();
        let mut length = 0;
        for character in text.chars() {
            let escaped = character.escape_debug();
            // An escape is kept whole or left out, and the mark of the cut has its place.
            length += escaped.len();
            if length >= MAX_EXCERPT {
                excerpt.push('…');
                break;
            }
            match character {
                '\'' => excerpt.push(character),
                _ => excerpt.extend(escaped),
            }
        }
        Self(excerpt)
    }

    /// The excerpt of bytes that may not be UTF-8.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        // Nothing beyond this can come into the excerpt, and the whole may be long.
        let start = bytes.get(..MAX_EXCERPT * 4).unwrap_or(bytes);
        Self::new(&String::from_utf8_lossy(start))
    }

    /// Without quotation marks.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_cuts() {
        assert_eq!(Excerpt::new("node-1").to_string(), "\"node-1\"");
        assert_eq!(Excerpt::new("a\nb\r\0\"'\\é").to_string(), "\"a\\nb\\r\\0\\\"'\\\\é\"");
        assert_eq!(
            Excerpt::new("\u{1b}[31m\u{2028}\u{202e}").to_string(),
            "\"\\u{1b}[31m\\u{2028}\\u{202e}\""
        );
        assert_eq!(Excerpt::new(&"x".repeat(63)).into_text(), "x".repeat(63));
        assert_eq!(Excerpt::new(&"x".repeat(65)).into_text(), "x".repeat(63) + "…");
        assert!(Excerpt::new(&"\u{1}".repeat(4096)).into_text().chars().count() <= MAX_EXCERPT);
        assert_eq!(Excerpt::of_bytes(b"a\xffb").to_string(), "\"a\u{fffd}b\"");
    }
}
