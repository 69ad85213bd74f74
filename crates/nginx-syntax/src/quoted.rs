//! Texts in messages.

/// Characters that a text is shown with at most, those that escaping adds included: enough for the
/// file names and addresses of practice. With four bytes each they take half of a line of nginx's
/// log (NGX_MAX_ERROR_STR, 2 048 bytes), so that what a message says behind the text is not cut.
const LONGEST: usize = 256;

/// Whether a character may change how the line around it is read: a control character, a separator
/// of lines or paragraphs, or one that turns the direction of writing (those with Bidi_Control in
/// Unicode's PropList.txt), behind which a log shows something else than it says.
pub fn disturbs_a_line(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    turns || character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The text between quotation marks, for a message of one line. It is shown as it is, except for
/// characters that [would change how the line is read](disturbs_a_line). Of a long text its
/// beginning and its end are shown, with a mark between them.
pub fn quoted(text: &str) -> String {
    let (start, mark, end) = if fitting(text.chars(), LONGEST) == text.len() {
        (text, "", "")
    } else {
        let start = fitting(text.chars(), LONGEST / 2);
        // The mark has the place of one character.
        let end = fitting(text.chars().rev(), LONGEST / 2 - 1);
        (text.split_at(start).0, "…", text.split_at(text.len() - end).1)
    };
    let inside = start.chars().flat_map(shown).chain(mark.chars());
    "\"".chars().chain(inside).chain(end.chars().flat_map(shown)).chain(['"']).collect()
}

/// The bytes of the characters, from the first one on, that take at most `room` characters as they
/// are shown.
fn fitting(characters: impl Iterator<Item = char>, room: usize) -> usize {
    let mut taken = 0;
    let fit = characters.take_while(|&character| {
        taken += shown(character).count();
        taken <= room
    });
    fit.map(char::len_utf8).sum()
}

/// A character as it is shown.
fn shown(character: char) -> impl Iterator<Item = char> {
    let escaped = disturbs_a_line(character).then(|| character.escape_debug());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST, disturbs_a_line, quoted};

    #[test]
    fn only_what_disturbs_a_line_is_escaped() {
        for (text, expected) in [
            ("", "\"\""),
            ("/a b\\é'", "\"/a b\\é'\""),
            ("a\"b", "\"a\"b\""),
            ("a\r\n\tb\0\u{7f}", "\"a\\r\\n\\tb\\0\\u{7f}\""),
            ("\u{1b}[31m\u{202e}", "\"\\u{1b}[31m\\u{202e}\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut_in_its_middle() {
        let longest = "x".repeat(LONGEST);
        assert_eq!(quoted(&longest), format!("\"{longest}\""));
        let longer = format!("/a{longest}b");
        let expected = format!("\"/a{}…{}b\"", "x".repeat(126), "x".repeat(126));
        assert_eq!(quoted(&longer), expected);
    }

    proptest! {
        #[test]
        fn a_text_is_bounded_and_stays_on_its_line(text in any::<String>(), times in 0_usize..40) {
            let shown = quoted(&text.repeat(times));
            prop_assert!(!shown.contains(disturbs_a_line), "{shown:?}");
            prop_assert!(shown.chars().count() <= LONGEST + 2, "{shown:?}");
        }
    }
}
