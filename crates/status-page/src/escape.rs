//! Texts in markup.

/// Adds a text, so that no character of it is read as markup, and none is invisible or changes the
/// order of the others.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.extend(b"&amp;"),
            '<' => out.extend(b"&lt;"),
            '>' => out.extend(b"&gt;"),
            '"' => out.extend(b"&quot;"),
            '\'' => out.extend(b"&#39;"),
            _ if is_hidden(character) => {
                out.extend(format!("\u{27e8}U+{:04X}\u{27e9}", u32::from(character)).as_bytes());
            }
            _ => out.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// The characters that cannot be seen, or change how others are shown; the script has them from the
/// same file.
const HIDDEN: &[(u32, u32)] = include!(concat!(env!("OUT_DIR"), "/hidden"));

fn is_hidden(character: char) -> bool {
    let number = u32::from(character);
    // Most are these.
    !(0x20..0x7f).contains(&number)
        && HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&number))
}

/// A text with its special characters escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    push_text(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}
