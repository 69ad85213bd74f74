//! Numbers.

use std::str::FromStr;

/// The number that `text` writes in decimal digits, as `ngx_atoi` takes it: no sign, no space, at
/// least one digit; leading zeros are allowed.
///
/// `None` for any other text, and for a number above the greatest of `T`. `T` is an integer type
/// of Rust's.
pub fn number<T: FromStr>(text: &str) -> Option<T> {
    // Rust itself takes a sign as well.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn only_digits_are_numbers() {
        assert_eq!(number("0"), Some(0_u32));
        assert_eq!(number("007"), Some(7_u32));
        assert_eq!(number("4294967295"), Some(u32::MAX));
        assert_eq!(number::<u32>("4294967296"), None);
        assert_eq!(number("4294967296"), Some(4_294_967_296_u64));
        for text in ["", "+1", "-1", " 1", "1 ", "1.0", "0x1", "1k", "٣"] {
            assert_eq!(number::<u64>(text), None, "{text:?}");
        }
    }
}
