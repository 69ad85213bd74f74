//! Flags that are numbers.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use crate::messages;

/// A parser of numbers within a range, for clap.
pub(crate) fn within<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: Clone + Display + FromStr + PartialOrd + Send + Sync + 'static,
{
    move |text| {
        let (least, most) = (range.start(), range.end());
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            // What is too large for the type, or negative, is a number as well.
            Ok(_) => Err(messages::out_of_range(least, most)),
            Err(_) if text.parse::<i128>().is_ok() => Err(messages::out_of_range(least, most)),
            Err(_) => Err(messages::not_a_number(least, most)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn numbers_within_a_range() {
        let parse = within(2_u32..=9);
        assert_eq!((parse("2"), parse("9")), (Ok(2), Ok(9)));
        for text in ["0", "1", "10", "-1", "99999999999"] {
            assert_eq!(parse(text), Err("must be from 2 to 9".to_owned()), "{text}");
        }
        for text in ["", "a", "2s", "2.5"] {
            assert_eq!(parse(text), Err("must be a number from 2 to 9".to_owned()), "{text}");
        }
    }
}
