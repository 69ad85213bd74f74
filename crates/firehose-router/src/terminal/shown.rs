//! Text from outside, as a terminal can be given it.

use nginx_syntax::disturbs_a_line;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text with escapes in place of characters that would steer a terminal, end the line, or turn
/// the direction of writing.
pub(crate) fn shown(text: &str) -> String {
    if !text.contains(disturbs_a_line) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if disturbs_a_line(character) {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// How many columns of a terminal a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of a text that fits into so many columns, with a mark where it was cut.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut taken = 1;
    for character in text.chars() {
        taken += character.width().unwrap_or(0);
        if taken > columns {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

/// The same of a text that is painted: colors take no columns, and end where it is cut.
pub(crate) fn cut_painted(text: &str, columns: usize) -> String {
    let mut parts = Vec::new();
    for (index, part) in text.split('\x1b').enumerate() {
        let at = if index == 0 { 0 } else { part.find('m').map_or(0, |at| at + 1) };
        parts.push((if index == 0 { "" } else { "\x1b" }, part.split_at(at)));
    }
    let all: usize = parts.iter().map(|(_, (_, plain))| width(plain)).sum();
    if all <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut taken = 0;
    for (escape, (code, plain)) in parts {
        kept.extend([escape, code]);
        if taken + width(plain) > columns.saturating_sub(1) {
            kept += &cut(&format!("{plain} "), columns - taken);
            break;
        }
        kept += plain;
        taken += width(plain);
    }
    if text.contains('\x1b') { kept + "\x1b[0m" } else { kept }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{cut, cut_painted, shown, width};

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        assert_eq!(shown("node-1 é 節点"), "node-1 é 節点");
        assert_eq!(shown("\u{1b}[31m\r\n\t\u{9b}1A"), "\\u{1b}[31m\\r\\n\\t\\u{9b}1A");
        assert_eq!(shown("a\u{202e}b\u{2028}"), "a\\u{202e}b\\u{2028}");
    }

    #[test]
    fn texts_are_cut_by_their_columns() {
        assert_eq!(cut("node-1", 6), "node-1");
        assert_eq!(cut("node-1", 5), "node…");
        assert_eq!(cut("節点節点", 6), "節点…");
        assert_eq!(cut("節点節点", 5), "節点…");
        assert_eq!(width("節点"), 4);
    }

    #[test]
    fn painted_texts_are_cut_by_what_is_seen() {
        let painted = "\u{1b}[32mup\u{1b}[0m node";
        assert_eq!(cut_painted(painted, 7), painted);
        assert_eq!(cut_painted(painted, 5), "\u{1b}[32mup\u{1b}[0m n…\u{1b}[0m");
        assert_eq!(cut_painted(painted, 1), "\u{1b}[32m…\u{1b}[0m");
        assert_eq!(cut_painted("node-1  up", 8), "node-1 …");
    }

    proptest! {
        #[test]
        fn nothing_shown_steers_a_terminal(text in any::<String>(), columns in 1_usize..80) {
            let shown = shown(&text);
            prop_assert!(!shown.contains(char::is_control), "{shown:?}");
            let cut = cut(&shown, columns);
            prop_assert!(width(&cut) <= columns, "{cut:?} in {columns}");
        }
    }
}
