//! What is said of a key that was changed. Values are given as they are shown, see
//! [`Store::shown`](super::store::Store::shown).

use nginx_syntax::quoted;

/// The key is new.
pub(crate) fn added(key: &str, value: &str, revision: i64) -> String {
    format!("key {} is added with the value {value}, revision {revision}", quoted(key))
}

/// The key has another value than `before`.
pub(super) fn changed(key: &str, before: &str, value: &str, revision: i64) -> String {
    format!("key {} is changed from {before} to {value}, revision {revision}", quoted(key))
}

/// The key has the value already.
pub(super) fn unchanged(key: &str, value: &str) -> String {
    format!("key {} has the value {value} already", quoted(key))
}

/// The key is gone. The revision is 0 if the answer that names it was lost.
pub(crate) fn removed(key: &str, before: &str, revision: i64) -> String {
    format!("key {} is removed, its value was {before}{}", quoted(key), at(revision))
}

/// All keys of a service are gone.
pub(crate) fn service_removed(name: &str, keys: usize, revision: i64) -> String {
    let keys = if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") };
    format!("service {} is removed: {keys}{}", quoted(name), at(revision))
}

/// The settings of a service whose nodes are removed are still there, in this key.
pub(crate) fn settings_stay(name: &str, key: &str) -> String {
    format!(
        "settings of service {} stay in key {}: remove them with \"firehose-router services \
         unset\"",
        quoted(name),
        quoted(key)
    )
}

/// A service has no node.
pub(crate) fn no_node(name: &str, prefix: &str) -> String {
    format!("service {} has no node below {}", quoted(name), quoted(prefix))
}

/// At which revision something was done, where that is known.
fn at(revision: i64) -> String {
    if revision == 0 { String::new() } else { format!(", revision {revision}") }
}

/// The key keeps its lease, which somebody else holds.
pub(super) fn has_lease(key: &str, lease: i64) -> String {
    format!(
        "key {} keeps its lease {lease:x}: the change lasts until the program that holds the lease \
         writes the key again",
        quoted(key)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_reads_as_it_does_here() {
        for (message, expected) in [
            (added("/k", "\"a:80\"", 7), "key \"/k\" is added with the value \"a:80\", revision 7"),
            (
                changed("/k", "\"a:80\"", "\"a:80 drain\"", 7),
                "key \"/k\" is changed from \"a:80\" to \"a:80 drain\", revision 7",
            ),
            (unchanged("/k\n", "\"a:80\""), "key \"/k\\n\" has the value \"a:80\" already"),
            (
                removed("/k", "(9 bytes)", 7),
                "key \"/k\" is removed, its value was (9 bytes), revision 7",
            ),
            (removed("/k", "(9 bytes)", 0), "key \"/k\" is removed, its value was (9 bytes)"),
            (service_removed("web", 2, 7), "service \"web\" is removed: 2 keys, revision 7"),
            (service_removed("web", 1, 0), "service \"web\" is removed: 1 key"),
            (
                settings_stay("web", "/s/web"),
                "settings of service \"web\" stay in key \"/s/web\": remove them with \
                 \"firehose-router services unset\"",
            ),
            (no_node("web", "/services/"), "service \"web\" has no node below \"/services/\""),
            (
                has_lease("/k", 0x7b),
                "key \"/k\" keeps its lease 7b: the change lasts until the program that holds the \
                 lease writes the key again",
            ),
        ] {
            assert_eq!(message, expected);
        }
    }
}
