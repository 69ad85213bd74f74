//! nginx's syntax of times.

/// Units with their milliseconds, in the order in which nginx takes them.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("M", 30 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
];

/// The seconds of a time as [`milliseconds`] takes it, if these are whole seconds without `ms`.
///
/// `None` for what is not such a time, and for one of more seconds than a `u32` holds.
pub(super) fn seconds(text: &str) -> Option<u32> {
    if text.contains("ms") {
        return None;
    }
    u32::try_from(milliseconds(text)? / 1000).ok()
}

/// The milliseconds of a time in nginx's syntax (`ngx_parse_time` in `src/core/ngx_parse.c`):
/// numbers with units, each smaller than the one before it, perhaps spaces between them, and at the
/// end perhaps a number without a unit, which is of seconds.
///
/// `None` for what is not such a time (nginx also takes a unit without a number), and for one that
/// a `u64` does not hold.
pub fn milliseconds(text: &str) -> Option<u64> {
    let mut units = Some(UNITS.as_slice());
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let left = units?;
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let (factor, after, below) = match after.strip_prefix("ms") {
            // Nothing may follow milliseconds, nor a number without a unit.
            Some(after) => (1, after, None),
            None if left.is_empty() => return None,
            None if after.is_empty() => (1000, after, None),
            None => {
                let place = left.iter().position(|(name, _)| after.starts_with(name))?;
                (left[place].1, &after[1..], Some(&left[place + 1..]))
            }
        };
        units = below;
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = after.trim_start_matches(' ');
    }
    // Without a digit there was no turn.
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, seconds};

    #[test]
    fn times() {
        for (text, expected) in [
            ("0", 0),
            ("10", 10),
            ("10s", 10),
            ("1m", 60),
            ("1m30s", 90),
            ("1m30", 90),
            ("1m 30s ", 90),
            ("1y1M1w1d1h1m1s", 34_822_861),
            ("4294967295", u32::MAX),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
            assert_eq!(milliseconds(text), Some(u64::from(expected) * 1000), "{text}");
        }
        for text in ["500ms", "1s500ms", "4294967296", "999y"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        for text in [
            "", " ", "s", "ms", "m5", "1s1m", "1m1m", "10s5", "5ms5", "5ms1s", "5ms5ms", "-1",
            "1.5s", "1 m", "+1", "1S", "٣", "1é",
        ] {
            assert_eq!((seconds(text), milliseconds(text)), (None, None), "{text}");
        }
        for (text, expected) in [
            ("500ms", 500),
            ("1s500ms", 1500),
            ("1m 5ms", 60_005),
            ("4294967296", 4_294_967_296_000),
        ] {
            assert_eq!(milliseconds(text), Some(expected), "{text}");
        }
        assert_eq!(seconds(&"9".repeat(300)), None);
        assert_eq!(milliseconds("99999999999999999y"), None);
    }
}
