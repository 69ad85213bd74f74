//! What a request asks for: the parameters of its query.

use std::borrow::Cow;

use crate::accept::Format;

/// How much of a wrong text an error repeats, in characters.
const EXCERPT: usize = 60;

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The format; `None`: the one that the client accepts.
    pub format: Option<Format>,
    /// The names of the upstreams; none: all.
    pub upstreams: Vec<String>,
    /// The keys of the peers; none: all. An empty one stands for the peers of `server` lines.
    pub peers: Vec<String>,
    /// The answer has no rows of peers.
    pub leaves_out_peers: bool,
    /// Only the last changes.
    pub is_changes: bool,
}

/// A query that cannot be answered: what is wrong, and what is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuery(String);

impl core::fmt::Display for BadQuery {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text of a request as errors repeat it: in quotes, without control characters, and cut.
pub fn quoted(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    format!("{excerpt:?}")
}

impl Query {
    /// Reads the part of a URL behind the question mark.
    ///
    /// # Errors
    ///
    /// The first parameter or value that is wrong.
    pub fn parse(arguments: &[u8]) -> Result<Self, BadQuery> {
        let mut query = Self::default();
        let mut seen = Vec::new();
        for pair in arguments.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|&byte| byte == b'=');
            let (name, value) = at.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
            let (name, value) = (decoded(name)?, decoded(value)?);
            query.set(&name, value.into_owned())?;
            if ["format", "peers", "part"].contains(&&*name) {
                if seen.contains(&name) {
                    return Err(BadQuery(format!("parameter \"{name}\" is given twice")));
                }
                seen.push(name);
            }
        }
        query.checked()
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), BadQuery> {
        let invalid = |valid: &str| {
            let value = quoted(&value);
            Err(BadQuery(format!("invalid value {value} of parameter \"{name}\": use {valid}")))
        };
        match (name, &*value) {
            ("format", "json") => self.format = Some(Format::Json),
            ("format", "prometheus") => self.format = Some(Format::Prometheus),
            ("format", "openmetrics") => self.format = Some(Format::OpenMetrics),
            ("format", "html") => self.format = Some(Format::Html),
            ("format", _) => return invalid("json, prometheus, openmetrics or html"),
            ("peers", "0") => self.leaves_out_peers = true,
            ("peers", "1") => self.leaves_out_peers = false,
            ("peers", _) => return invalid("0 (no rows of peers) or 1"),
            ("part", "changes") => self.is_changes = true,
            ("part", _) => return invalid("changes"),
            ("upstream", _) => self.upstreams.push(value),
            ("peer", _) => self.peers.push(value),
            _ => {
                return Err(BadQuery(format!(
                    "unknown parameter {}: use format, upstream, peer, peers or part",
                    quoted(name)
                )));
            }
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, BadQuery> {
        if self.is_changes && self.format.is_some_and(|format| format != Format::Json) {
            return Err(BadQuery("\"part=changes\" is available with \"format=json\" only".into()));
        }
        if self.is_changes && (self.leaves_out_peers || !self.peers.is_empty()) {
            return Err(BadQuery(
                "\"part=changes\" has no peers: leave out \"peer\" and \"peers\"".into(),
            ));
        }
        Ok(self)
    }
}

/// Percent-encoded text, with a plus sign for a space.
fn decoded(text: &[u8]) -> Result<Cow<'_, str>, BadQuery> {
    let wrong = |what: &str| {
        let text = quoted(&String::from_utf8_lossy(text));
        BadQuery(format!("{text} in the query {what}"))
    };
    let not_utf8 = || wrong("is not UTF-8, percent-encoded");
    if !text.iter().any(|byte| b"%+".contains(byte)) {
        return core::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| not_utf8());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let number = digit().zip(digit()).map(|(high, low)| high << 4 | low);
                let number = number.and_then(|number| u8::try_from(number).ok());
                number.ok_or_else(|| wrong("has a \"%\" without two hexadecimal digits"))?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| not_utf8())
}
