//! Texts in messages.

/// The text between quotation marks, for a message of one line. It is shown as it is, except for
/// characters that would change how the line is read: control characters, separators of lines, and
/// those that turn the direction of writing.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        let disturbs = matches!(
            character,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        );
        if disturbs || character.is_control() {
            quoted.extend(character.escape_debug());
        } else {
            quoted.push(character);
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn only_what_disturbs_a_line_is_escaped() {
        for (text, expected) in [
            ("", "\"\""),
            ("/a b\\é'", "\"/a b\\é'\""),
            ("a\"b", "\"a\"b\""),
            ("a\r\n\tb\0", "\"a\\r\\n\\tb\\0\""),
            ("\u{1b}[31m\u{202e}", "\"\\u{1b}[31m\\u{202e}\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
