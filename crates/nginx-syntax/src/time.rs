//! Times.

/// A unit of time: how it is written, and its seconds.
type Unit = (char, i64);

/// The units from the longest to the shortest, in which order a time has them.
const UNITS: [Unit; 7] = [
    ('y', 365 * 86_400),
    ('M', 30 * 86_400),
    ('w', 7 * 86_400),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

/// What a time is counted in, and with which units it may be written.
struct Scale {
    units: &'static [Unit],
    /// How many of what it is counted in make up a second.
    second: i64,
    /// Whether there are milliseconds.
    has_milliseconds: bool,
}

/// The milliseconds of a time as `ngx_parse_time` takes it where nginx counts in milliseconds, as
/// in `proxy_read_timeout`: `500ms`, `10s`, `1m30s`, `1w2d`, and `10` for seconds.
///
/// Each unit is shorter than the one before it; there may be spaces behind a unit, and a last
/// number without a unit is of seconds. nginx has no months and years here.
///
/// `None` for any other text, and for a time above [`i64::MAX`] milliseconds.
pub fn milliseconds(text: &str) -> Option<u64> {
    /// Those of weeks and below.
    const UNITS_BELOW_MONTHS: &[Unit] = UNITS.split_at(2).1;
    parse(text, &Scale { units: UNITS_BELOW_MONTHS, second: 1_000, has_milliseconds: true })
}

/// The seconds of a time as `ngx_parse_time` takes it where nginx counts in seconds, as in
/// `fail_timeout=` and `expires=`: as [`milliseconds`], with months (`1M`, of 30 days) and years
/// (`1y`, of 365), and without `ms`.
///
/// `None` for any other text, and for a time above [`i64::MAX`] seconds.
pub fn seconds(text: &str) -> Option<u64> {
    parse(text, &Scale { units: &UNITS, second: 1, has_milliseconds: false })
}

fn parse(text: &str, scale: &Scale) -> Option<u64> {
    // Units that may still come. nginx takes a unit without a number, as 0.
    let mut units = scale.units;
    let mut takes_milliseconds = scale.has_milliseconds;
    let mut has_digits = false;
    let mut total = 0_i64;
    let mut rest = text;
    loop {
        let behind = rest.trim_start_matches(|character: char| character.is_ascii_digit());
        let digits = &rest[..rest.len() - behind.len()];
        has_digits |= !digits.is_empty();
        let number: i64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        let factor;
        (factor, rest) = if behind.is_empty() {
            (scale.second, behind)
        } else if let Some(behind) = behind.strip_prefix("ms") {
            if !std::mem::take(&mut takes_milliseconds) {
                return None;
            }
            units = &[];
            (1, behind)
        } else if let Some(behind) = behind.strip_prefix(' ') {
            // A space ends a number of seconds, of which there is only one.
            if units.is_empty() {
                return None;
            }
            (units, takes_milliseconds) = (&[], false);
            (scale.second, behind)
        } else {
            let place = units.iter().position(|(letter, _)| behind.starts_with(*letter))?;
            let (_, seconds) = units[place];
            units = &units[place + 1..];
            (seconds * scale.second, &behind[1..])
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        if behind.is_empty() {
            break;
        }
        rest = rest.trim_start_matches(' ');
    }
    // Without a digit it is none.
    if has_digits { u64::try_from(total).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, seconds};

    #[test]
    fn times_are_read_as_by_nginx() {
        for (text, expected) in [
            ("0", 0),
            ("10", 10),
            ("10s", 10),
            ("1m", 60),
            ("1m30s", 90),
            ("1m30", 90),
            ("1m 30s ", 90),
            ("1w1d1h1m1s", 694_861),
            ("4294967296", 4_294_967_296),
            // What nginx takes as well, though nobody would write it.
            ("10s5", 15),
            ("10s 5", 15),
            (" 5", 5),
            ("5 5", 10),
            ("1h m", 3_600),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
            assert_eq!(milliseconds(text), Some(expected * 1_000), "{text}");
        }
        for text in [
            "",
            " ",
            "s",
            "ms",
            "1s1m",
            "1m1m",
            "5ms5ms",
            "5ms1s",
            "-1",
            "1.5s",
            "1 m",
            "5 5 ",
            "+1",
            "1S",
            "٣",
            "1é",
            "9223372036854775808",
            "99999999999999999w",
        ] {
            assert_eq!((seconds(text), milliseconds(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn only_seconds_have_months_and_years() {
        for (text, expected) in [("1y1M1w1d1h1m1s", 34_822_861), ("2M", 5_184_000)] {
            assert_eq!((seconds(text), milliseconds(text)), (Some(expected), None), "{text}");
        }
    }

    #[test]
    fn only_milliseconds_have_milliseconds() {
        for (text, expected) in
            [("500ms", 500), ("1s500ms", 1_500), ("1m 5ms", 60_005), ("5ms5", 5_005)]
        {
            assert_eq!((seconds(text), milliseconds(text)), (None, Some(expected)), "{text}");
        }
    }
}
