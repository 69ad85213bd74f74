//! Numbers for people, in the same words as the page's script.

use status_document::Histogram;

/// What stands for a figure that is not known.
pub(crate) const NOTHING: &str = "\u{2013}";

/// A number with a comma at each thousand.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what it counts.
pub(crate) fn several(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// How long something has lasted.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{:.1} s", (seconds.max(0.0) * 10.0).floor() / 10.0);
    }
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    // A number of seconds; one that is too large becomes the largest.
    let whole = seconds as u64;
    let at = UNITS.iter().position(|(size, _)| whole >= *size).unwrap_or(UNITS.len() - 1);
    let (size, unit) = UNITS[at];
    let (next, name) = UNITS[(at + 1).min(UNITS.len() - 1)];
    let rest = if at < 2 { whole % size / next } else { 0 };
    let more = if rest > 0 { format!(" {rest} {name}") } else { String::new() };
    format!("{} {unit}{more}", whole / size)
}

/// How long ago in a table, or a dash: the largest unit is enough there.
pub(crate) fn age(seconds: Option<f64>) -> String {
    match seconds {
        None => NOTHING.to_owned(),
        Some(seconds) if seconds < 1.0 => "now".to_owned(),
        Some(seconds) => duration(seconds).split(' ').take(2).collect::<Vec<_>>().join(" "),
    }
}

/// How long ago, or a dash.
pub(crate) fn ago(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| NOTHING.to_owned(), |seconds| format!("{} ago", duration(seconds)))
}

/// How long something takes: two or three digits.
pub(crate) fn short_time(seconds: f64) -> String {
    let (number, unit) = if seconds < 0.9995 { (seconds * 1_000.0, "ms") } else { (seconds, "s") };
    if number < 9.95 { format!("{number:.1} {unit}") } else { format!("{number:.0} {unit}") }
}

/// A number of bytes.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut at, mut left) = (0, number as f64);
    while left >= 1_023.5 && at + 1 < UNITS.len() {
        left /= 1_024.0;
        at += 1;
    }
    if at > 0 && left < 9.95 {
        format!("{left:.1} {}", UNITS[at])
    } else {
        format!("{left:.0} {}", UNITS[at])
    }
}

/// The time that a part of the answers has not exceeded, as `histogram_quantile` of Prometheus
/// estimates it: evenly within a bucket.
fn quantile(part: f64, histogram: &Histogram, bounds: &[f64; 7]) -> Option<f64> {
    let all = histogram.count();
    if all == 0 {
        return None;
    }
    let (mut left, mut lower) = (part * all as f64, 0.0);
    for (&number, &bound) in histogram.counts.iter().zip(bounds) {
        let number = number as f64;
        if number > 0.0 && number >= left {
            return Some(lower + (bound - lower) * (left / number));
        }
        left -= number;
        lower = bound;
    }
    Some(lower)
}

/// A [`quantile`] as a text.
pub(crate) fn quantile_text(part: f64, histogram: &Histogram, bounds: &[f64; 7]) -> String {
    match quantile(part, histogram, bounds) {
        None => NOTHING.to_owned(),
        Some(seconds) if seconds >= bounds[6] => format!("> {}", short_time(bounds[6])),
        Some(seconds) => short_time(seconds),
    }
}

/// Half, nine tenths, and 99 % of the answers.
pub(crate) fn quantiles(histogram: &Histogram, bounds: &[f64; 7]) -> String {
    if histogram.count() == 0 {
        return NOTHING.to_owned();
    }
    [0.5, 0.9, 0.99].map(|part| quantile_text(part, histogram, bounds)).join(" / ")
}

/// Names and figures, without those that are 0.
pub(crate) fn nonzero(figures: &[(&str, u64)]) -> String {
    let found: Vec<_> = figures
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| format!("{} {}", name.replace('_', " "), count(*number)))
        .collect();
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let lasted = [0.34, 9.99, 42.9, 60.0, 3_599.0, 3_600.0, 11_100.0, 93_600.0, 172_800.0];
        assert_eq!(
            lasted.map(duration),
            ["0.3 s", "9.9 s", "42 s", "1 min", "59 min", "1 h", "3 h 5 min", "1 d 2 h", "2 d"]
        );
        let takes = [0.000_4, 0.009_9, 0.012_3, 0.999_4, 1.0, 12.4];
        assert_eq!(takes.map(short_time), ["0.4 ms", "9.9 ms", "12 ms", "999 ms", "1.0 s", "12 s"]);
        let sizes = [0, 1_023, 1_024, 20_480, 1 << 20, u64::MAX];
        assert_eq!(
            sizes.map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "20 KiB", "1.0 MiB", "16384 PiB"]
        );
    }

    #[test]
    fn quantiles_are_even_within_a_bucket() {
        let bounds = [0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0];
        let of = |counts| Histogram { counts, sum: 0.0 };
        assert_eq!(quantile(0.5, &of([0; 8]), &bounds), None);
        assert_eq!(quantile_text(0.5, &of([0, 10, 0, 0, 0, 0, 0, 0]), &bounds), "5.5 ms");
        assert_eq!(quantile(0.5, &of([5, 5, 0, 0, 0, 0, 0, 0]), &bounds), Some(0.001));
        assert_eq!(quantile_text(0.99, &of([1, 0, 0, 0, 0, 0, 0, 99]), &bounds), "> 10 s");
    }
}
