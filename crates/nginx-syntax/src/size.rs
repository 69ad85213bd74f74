//! Sizes.

use crate::number;

/// The letters behind a number of kibibytes, and so on, with the power of two that each stands for.
const KIBI: (char, u32) = ('k', 10);
const MEBI: (char, u32) = ('m', 20);
const GIBI: (char, u32) = ('g', 30);

/// The bytes of a size as `ngx_parse_size` takes it, for shared memory and buffers: `4096`, `64k`,
/// `1m`; the letters may be capitals.
///
/// `None` for any other text, and for a size above [`i64::MAX`].
pub fn size(text: &str) -> Option<u64> {
    scaled(text, &[KIBI, MEBI])
}

/// The bytes of a size as `ngx_parse_offset` takes it, for files and bodies: those of [`size`], and
/// `1g`.
///
/// `None` for any other text, and for a size above [`i64::MAX`].
pub fn offset(text: &str) -> Option<u64> {
    scaled(text, &[KIBI, MEBI, GIBI])
}

fn scaled(text: &str, units: &[(char, u32)]) -> Option<u64> {
    let unit = units
        .iter()
        .find(|(letter, _)| text.ends_with(*letter) || text.ends_with(letter.to_ascii_uppercase()));
    let (digits, shift) = unit.map_or((text, 0), |(_, shift)| (&text[..text.len() - 1], *shift));
    let bytes = number::<i64>(digits)?.checked_mul(1 << shift)?;
    u64::try_from(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{offset, size};

    #[test]
    fn sizes_are_read_as_by_nginx() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64k", 65_536),
            ("64K", 65_536),
            ("1m", 1 << 20),
            ("1M", 1 << 20),
            ("9223372036854775807", i64::MAX as u64),
            ("8796093022207m", 8_796_093_022_207 << 20),
        ] {
            assert_eq!((size(text), offset(text)), (Some(bytes), Some(bytes)), "{text}");
        }
        for text in [
            "",
            "k",
            "m",
            "1kk",
            "1km",
            "1t",
            "1 m",
            "1m ",
            "-1",
            "+1",
            "1.5m",
            "1kb",
            "1é",
            "9223372036854775808",
            "8796093022208m",
        ] {
            assert_eq!((size(text), offset(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn only_offsets_have_gibibytes() {
        for (text, bytes) in [("1g", 1 << 30), ("2G", 2 << 30)] {
            assert_eq!((size(text), offset(text)), (None, Some(bytes)), "{text}");
        }
        assert_eq!(offset("8589934592g"), None);
    }
}
