//! Labels of samples, escaped.

use core::fmt::Write;

/// Labels as they stand between the braces of a sample, without the last comma.
#[derive(Debug, Default)]
pub(super) struct Labels(String);

impl Labels {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        push_escaped(&mut self.0, value);
        self.0.push('"');
    }

    /// What [`return_to`](Self::return_to) takes back what is added from now on to.
    pub(super) fn mark(&self) -> usize {
        self.0.len()
    }

    pub(super) fn return_to(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Both formats have escapes for quotes, backslashes and newlines alone, and take any other
/// character as it is. Programs that read lines may take other characters for the end of one: a
/// control character becomes `\x0d`, a text of four characters.
pub(super) fn push_escaped(text: &mut String, value: &str) {
    for next in value.chars() {
        match next {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            // A string takes all.
            next if next.is_control() => drop(write!(text, "\\\\x{:02x}", u32::from(next))),
            '\u{2028}' | '\u{2029}' => drop(write!(text, "\\\\u{:04x}", u32::from(next))),
            next => text.push(next),
        }
    }
}
