//! Networks in a file: one or more in a line, with spaces or commas between them; what follows a
//! `#` is a comment.

use thiserror::Error;
use upstream_peers::Excerpt;

use crate::ranges::network;

/// A line that names something else.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}: {word} is not a network")]
pub struct LineError {
    /// The number of the line, from 1.
    pub line: usize,
    /// The word that is not a network.
    pub word: Excerpt,
}

/// The networks of a file, as they are written there.
///
/// # Errors
///
/// [`LineError`] for the first word that is not a network.
pub fn parse_lines(text: &str) -> Result<Vec<&str>, LineError> {
    let mut words = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_without_comment = line.split('#').next().unwrap_or_default();
        for word in
            line_without_comment.split([' ', '\t', '\r', ',']).filter(|word| !word.is_empty())
        {
            if network(word).is_none() {
                return Err(LineError { line: index + 1, word: Excerpt::new(word) });
            }
            words.push(word);
        }
    }
    Ok(words)
}

/// The text of such a file, with one network in a line.
pub fn to_lines<'a>(networks: impl Iterator<Item = &'a str>) -> String {
    networks.flat_map(|network| [network, "\n"]).collect()
}
