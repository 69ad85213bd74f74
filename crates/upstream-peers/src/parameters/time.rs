//! nginx's syntax of times.

/// Units with their seconds, in the order in which nginx takes them.
const UNITS: [(char, u64); 7] = [
    ('y', 365 * 86_400),
    ('M', 30 * 86_400),
    ('w', 7 * 86_400),
    ('d', 86_400),
    ('h', 3600),
    ('m', 60),
    ('s', 1),
];

/// The seconds of a time in nginx's syntax (`ngx_parse_time` in `src/core/ngx_parse.c`, for whole seconds): numbers with units, each
/// smaller than the one before it, perhaps spaces between them, and at the end perhaps a number without a unit, which is of seconds.
///
/// `None` for what is not such a time (nginx also takes a unit without a number), and for one of more seconds than a `u32` holds.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let mut units = UNITS.as_slice();
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let mut characters = after.chars();
        let factor = match characters.next() {
            None if units.is_empty() => return None,
            None => 1,
            Some(unit) => {
                let place = units.iter().position(|&(name, _)| name == unit)?;
                let (_, factor) = units[place];
                units = &units[place + 1..];
                factor
            }
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = characters.as_str().trim_start_matches(' ');
    }
    // Without a digit there was no turn.
    if text.is_empty() { None } else { u32::try_from(total).ok() }
}

#[cfg(test)]
mod tests {
    use super::seconds;

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
        }
        for text in [
            "",
            " ",
            "s",
            "m5",
            "500ms",
            "1s1m",
            "1m1m",
            "10s5",
            "-1",
            "1.5s",
            "1 m",
            "+1",
            "4294967296",
            "999y",
            "1S",
            "٣",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(seconds(&"9".repeat(300)), None);
    }
}
