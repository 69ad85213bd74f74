//! Whether the router would take a key with a value, beside those that there are.

use map_keys::{Entries, Rules};

use super::error::RoutesError;
use crate::keys::Prefix;

/// A value that is valid whatever the rules are.
const ANY: &[u8] = b"x";

/// Sees that the router would take it, and would not reject another one for it. What values the
/// other keys have makes no difference.
///
/// # Errors
///
/// Where it would.
pub(super) fn check(
    rules: Rules,
    names: &[Vec<u8>],
    prefix: &Prefix,
    name: &str,
    value: &[u8],
) -> Result<(), RoutesError> {
    let mut entries = Entries::beside(rules);
    // Those that are rejected already are not the matter here.
    let _ = entries.replace(names.iter().map(|name| (&name[..], ANY)));
    let key = prefix.key(name);
    match entries.put(name.as_bytes(), value).rejected.into_iter().next() {
        None => Ok(()),
        Some(rejected) if rejected.key == name.as_bytes() => {
            Err(RoutesError::Rejected { key, reason: rejected.reason })
        }
        Some(rejected) => {
            let other = prefix.key(&String::from_utf8_lossy(&rejected.key));
            Err(RoutesError::Displaces { key, other })
        }
    }
}

#[cfg(test)]
mod tests {
    use map_keys::Rules;

    use super::check;
    use crate::keys::Prefix;

    const PLAIN: Rules =
        Rules { has_hostnames: false, is_split: false, is_secret: false, max_length: 8 };
    const HOSTS: Rules = Rules { has_hostnames: true, ..PLAIN };
    const LISTS: Rules = Rules { is_split: true, ..PLAIN };
    const SECRETS: Rules = Rules { is_secret: true, ..PLAIN };

    fn said(rules: Rules, there: &[&str], name: &str, value: &[u8]) -> String {
        let names: Vec<_> = there.iter().map(|name| name.as_bytes().to_vec()).collect();
        let prefix = Prefix::new("/routes/".to_owned(), "--routes");
        match check(rules, &names, &prefix, name, value) {
            Ok(()) => "taken".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_the_module_takes_is_taken() {
        for (rules, there, name, value) in [
            (PLAIN, &[][..], "", &b"web"[..]),
            (PLAIN, &["a"], "a", b"eight by\r\n"),
            (PLAIN, &["A"], "A", b""),
            (PLAIN, &[], "*.a.*", b"web"),
            (HOSTS, &["a.example"], "*.example", b"web"),
            (HOSTS, &[], ".example", b"web"),
            (LISTS, &[], "a", b"a 9, b"),
            (SECRETS, &[], "a", b"a\nb\tc"),
        ] {
            assert_eq!(said(rules, there, name, value), "taken", "{name} {value:?}");
        }
    }

    #[test]
    fn what_the_module_rejects_is_refused() {
        let long = "k".repeat(513);
        for (rules, there, name, value, words) in [
            (PLAIN, &[][..], "a", &b"nine byte"[..], "too long: 9 bytes, the maximum is 8"),
            (PLAIN, &[], "a", b"a\nb", "contains a control character"),
            (PLAIN, &[], "a", b"\xff", "not valid UTF-8"),
            (PLAIN, &[], &long, b"web", "the key is too long: 513 bytes"),
            (PLAIN, &["A"], "a", b"web", "key \"A\", which differs in case alone, comes first"),
            (PLAIN, &["a"], "A", b"web", "would then reject key \"/routes/a\""),
            (HOSTS, &[], "*.a.*", b"web", "not a host name or mask"),
            (HOSTS, &[], "a..b", b"web", "a label is empty"),
            (LISTS, &[], "a", b"a x", "item 1 of the list is not NAME or NAME WEIGHT"),
            (LISTS, &[], "a", b"a, a", "item 2 of the list has the name of another item"),
        ] {
            let said = said(rules, there, name, value);
            assert!(said.contains(words), "{said}");
        }
    }
}
