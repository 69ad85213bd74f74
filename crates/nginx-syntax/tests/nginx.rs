//! The functions beside nginx's own (`src/core/ngx_parse.c` of nginx 1.30.4), written down as they
//! stand in C: any text is taken by both or by none, and is the same number.

use nginx_syntax::{milliseconds, offset, seconds, size};
use proptest::prelude::*;

/// `ngx_atosz` and `ngx_atoof`.
fn ngx_atosz(line: &[u8]) -> Option<i64> {
    if line.is_empty() {
        return None;
    }
    let (cutoff, cutlim) = (i64::MAX / 10, i64::MAX % 10);
    let mut value = 0_i64;
    for &byte in line {
        if !byte.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(byte - b'0');
        if value >= cutoff && (value > cutoff || digit > cutlim) {
            return None;
        }
        value = value * 10 + digit;
    }
    Some(value)
}

/// `ngx_parse_size`, and with `takes_g` `ngx_parse_offset`.
fn ngx_parse_size(line: &[u8], takes_g: bool) -> Option<i64> {
    let scale = match line.last()? {
        b'K' | b'k' => 1 << 10,
        b'M' | b'm' => 1 << 20,
        b'G' | b'g' if takes_g => 1 << 30,
        _ => 1,
    };
    let digits = if scale == 1 { line } else { &line[..line.len() - 1] };
    let size = ngx_atosz(digits)?;
    (size <= i64::MAX / scale).then(|| size * scale)
}

/// `ngx_parse_time`.
fn ngx_parse_time(line: &[u8], is_sec: bool) -> Option<i64> {
    const START: u8 = 0;
    const YEAR: u8 = 1;
    const MONTH: u8 = 2;
    const WEEK: u8 = 3;
    const DAY: u8 = 4;
    const HOUR: u8 = 5;
    const MIN: u8 = 6;
    const SEC: u8 = 7;
    const MSEC: u8 = 8;
    const LAST: u8 = 9;
    let (cutoff, cutlim) = (i64::MAX / 10, i64::MAX % 10);
    let (mut valid, mut value, mut total) = (false, 0_i64, 0_i64);
    let mut step = if is_sec { START } else { MONTH };
    let mut p = 0;
    while p < line.len() {
        if line[p].is_ascii_digit() {
            let digit = i64::from(line[p] - b'0');
            if value >= cutoff && (value > cutoff || digit > cutlim) {
                return None;
            }
            value = value * 10 + digit;
            p += 1;
            valid = true;
            continue;
        }
        let unit = line[p];
        p += 1;
        let is_msec = unit == b'm' && line.get(p) == Some(&b's');
        let (fits, next, mut scale) = match unit {
            b'y' => (step == START, YEAR, 60 * 60 * 24 * 365),
            b'M' => (step < MONTH, MONTH, 60 * 60 * 24 * 30),
            b'w' => (step < WEEK, WEEK, 60 * 60 * 24 * 7),
            b'd' => (step < DAY, DAY, 60 * 60 * 24),
            b'h' => (step < HOUR, HOUR, 60 * 60),
            b'm' if is_msec => (!is_sec && step < MSEC, MSEC, 1),
            b'm' => (step < MIN, MIN, 60),
            b's' => (step < SEC, SEC, 1),
            b' ' => (step < SEC, LAST, 1),
            _ => return None,
        };
        if !fits {
            return None;
        }
        p += usize::from(is_msec);
        step = next;
        let mut max = i64::MAX / scale;
        if step != MSEC && !is_sec {
            scale *= 1_000;
            max /= 1_000;
        }
        if value > max {
            return None;
        }
        value *= scale;
        if total > i64::MAX - value {
            return None;
        }
        total += value;
        value = 0;
        while line.get(p) == Some(&b' ') {
            p += 1;
        }
    }
    if !valid {
        return None;
    }
    if !is_sec {
        if value > i64::MAX / 1_000 {
            return None;
        }
        value *= 1_000;
    }
    (total <= i64::MAX - value).then(|| total + value)
}

fn unsigned(number: Option<i64>) -> Option<u64> {
    number.map(i64::unsigned_abs)
}

/// Texts of what nginx looks at, most of them close to a time.
fn texts() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        4 => "[0-9]{0,3}",
        1 => "[0-9]{15,20}",
        1 => (-1_000_000_i64..=1_000_000).prop_map(|above| (i64::MAX / 1_000 + above).to_string()),
        1 => (0_i64..100).prop_map(|below| (i64::MAX - below).to_string()),
    ];
    let unit = prop_oneof![
        6 => prop::sample::select(vec!["y", "M", "w", "d", "h", "m", "s", "ms", " ", ""])
            .prop_map(str::to_owned),
        1 => "[ ]{0,2}",
        1 => prop::sample::select(vec!["k", "K", "g", "G", "-", "+", ".", "é", "S"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec((number, unit), 0..6)
        .prop_map(|parts| parts.into_iter().map(|(number, unit)| number + &unit).collect())
}

/// Times that are in order.
fn ordered() -> impl Strategy<Value = String> {
    let units = ["y", "M", "w", "d", "h", "m", "s", "ms", " ", ""];
    (
        prop::sample::subsequence(units.to_vec(), 0..=units.len()),
        prop::collection::vec("[0-9]{1,4} {0,1}", 10),
    )
        .prop_map(|(units, numbers)| {
            numbers
                .iter()
                .zip(units)
                .map(|(number, unit)| format!("{}{unit}", number.trim()))
                .collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn times_are_those_of_nginx(text in prop_oneof![texts(), ordered()]) {
        let expected = |is_sec| unsigned(ngx_parse_time(text.as_bytes(), is_sec));
        prop_assert_eq!(milliseconds(&text), expected(false), "{:?}", text);
        prop_assert_eq!(seconds(&text), expected(true), "{:?}", text);
    }

    #[test]
    fn sizes_are_those_of_nginx(text in prop_oneof![
        texts(),
        "[0-9]{0,19}[kKmMgGt]{0,2}",
        (0_u32..=30, 0_i64..4, "[kKmMgG]?")
            .prop_map(|(shift, more, unit)| {
                format!("{}{unit}", (i64::MAX >> shift).saturating_add(more - 2))
            }),
    ]) {
        let expected = |takes_g| unsigned(ngx_parse_size(text.as_bytes(), takes_g));
        prop_assert_eq!(size(&text), expected(false), "{:?}", text);
        prop_assert_eq!(offset(&text), expected(true), "{:?}", text);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = (milliseconds(&text), seconds(&text), size(&text), offset(&text));
        prop_assert_eq!(milliseconds(&text), unsigned(ngx_parse_time(text.as_bytes(), false)));
    }
}
