//! The statuses with which a check passes.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use nginx_syntax::quoted;
use thiserror::Error;

/// Statuses of HTTP have three digits (RFC 9110, section 15).
const STATUSES: RangeInclusive<u16> = 100..=599;

/// A set of HTTP statuses, written as `200-399` or `200,204,300-399`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

/// Why a text is not a [`StatusSet`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StatusError {
    /// A part that is not a status; may be empty.
    #[error("invalid status {}: it must be a number from 100 to 599", quoted(.0))]
    Status(String),
    /// A range whose end is before its beginning.
    #[error("invalid range {0}-{1}: it ends before it begins")]
    Range(u16, u16),
}

impl StatusSet {
    /// Reads statuses and ranges of them, separated by commas.
    ///
    /// # Errors
    ///
    /// Anything else, spaces and an empty text included.
    pub fn parse(text: &str) -> Result<Self, StatusError> {
        let mut ranges = text.split(',').map(range).collect::<Result<Vec<_>, _>>()?;
        ranges.sort_unstable_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u16>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end() + 1 => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        Ok(Self(merged))
    }

    /// Whether `status` is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, StatusError> {
    let Some((first, last)) = text.split_once('-') else {
        let status = status(text)?;
        return Ok(status..=status);
    };
    let (first, last) = (status(first)?, status(last)?);
    if last < first { Err(StatusError::Range(first, last)) } else { Ok(first..=last) }
}

fn status(text: &str) -> Result<u16, StatusError> {
    // `u16` alone would take "+200" and "0200".
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(status) if digits && STATUSES.contains(&status) => Ok(status),
        _ => Err(StatusError::Status(text.to_owned())),
    }
}

/// `200-399`: what is neither an error nor informational, redirections included.
impl Default for StatusSet {
    fn default() -> Self {
        Self(vec![200..=399])
    }
}

impl FromStr for StatusSet {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        Self::parse(text)
    }
}

/// What [`StatusSet::parse`] reads: sorted, with overlapping and adjoining ranges as one.
impl fmt::Display for StatusSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if range.start() == range.end() {
                write!(formatter, "{comma}{}", range.start())?;
            } else {
                write!(formatter, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_one_writes() {
        for (text, shown) in [
            ("200", "200"),
            ("200-399", "200-399"),
            ("200,204,300-399", "200,204,300-399"),
            ("300-399,204,200", "200,204,300-399"),
            ("200-250,240-260,261", "200-261"),
            ("200-299,210", "200-299"),
            ("599,100", "100,599"),
        ] {
            assert_eq!(StatusSet::parse(text).expect(text).to_string(), shown);
        }
        assert_eq!(StatusSet::default().to_string(), "200-399");
        assert_eq!("200-399".parse(), Ok(StatusSet::default()));
    }

    #[test]
    fn refuses_anything_else() {
        for text in [
            "",
            ",",
            "200,",
            "2xx",
            "99",
            "1000",
            "0200",
            "+20",
            "200-",
            "-200",
            "200-300-400",
            "200 ",
            "٢٠٠",
            "65736",
        ] {
            assert!(matches!(StatusSet::parse(text), Err(StatusError::Status(_))), "{text:?}");
        }
        assert_eq!(StatusSet::parse("399-200"), Err(StatusError::Range(399, 200)));
        let error = StatusSet::parse("200,2xx").expect_err("not a number");
        assert_eq!(
            error.to_string(),
            "invalid status \"2xx\": it must be a number from 100 to 599"
        );
    }

    proptest! {
        #[test]
        fn holds_exactly_what_was_written(
            parts in prop::collection::vec((100_u16..=599, 0_u16..300), 1..8),
        ) {
            let ranges: Vec<_> = parts
                .iter()
                .map(|(first, more)| *first..=(first + more).min(*STATUSES.end()))
                .collect();
            let text: Vec<_> =
                ranges.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect();
            let set = StatusSet::parse(&text.join(",")).expect("ranges of statuses");
            for status in 0..=1100 {
                prop_assert_eq!(
                    set.contains(status),
                    ranges.iter().any(|range| range.contains(&status))
                );
            }
            prop_assert_eq!(StatusSet::parse(&set.to_string()), Ok(set));
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = StatusSet::parse(&text);
        }
    }
}
