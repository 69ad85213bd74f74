//! The names of groups, as those of the entries of a map in which the case of letters does not
//! matter.

/// What stands before a letter that is a capital one, and before itself.
const MARK: u8 = b'^';

/// The name of the entry of a group.
pub(crate) fn spell(group: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(group.len());
    for byte in group.bytes() {
        if byte == MARK || byte.is_ascii_uppercase() {
            name.push(MARK);
        }
        name.push(byte.to_ascii_lowercase());
    }
    name
}

/// The group of an entry of this name; `None` if it is that of none.
pub(crate) fn read(name: &[u8]) -> Option<String> {
    let mut group = Vec::with_capacity(name.len());
    let mut bytes = name.iter().copied();
    while let Some(byte) = bytes.next() {
        group.push(if byte == MARK { bytes.next()?.to_ascii_uppercase() } else { byte });
    }
    String::from_utf8(group).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{read, spell};

    proptest! {
        #[test]
        fn a_name_is_read_as_it_was_and_has_no_capital_letters(group in "[a-cA-C^é/]{0,12}") {
            let name = spell(&group);
            prop_assert!(!name.iter().any(u8::is_ascii_uppercase));
            prop_assert_eq!(read(&name), Some(group));
        }
    }
}
