//! What is said of a node's key that was changed.

use nginx_syntax::quoted;

/// The key is new.
pub(super) fn added(key: &str, value: &str, revision: i64) -> String {
    format!("key {} is added with the value {}, revision {revision}", quoted(key), quoted(value))
}

/// The key has another value than `before`.
pub(super) fn changed(key: &str, before: &str, value: &str, revision: i64) -> String {
    format!(
        "key {} is changed from {} to {}, revision {revision}",
        quoted(key),
        quoted(before),
        quoted(value)
    )
}

/// The key has the value already.
pub(super) fn unchanged(key: &str, value: &str) -> String {
    format!("key {} has the value {} already", quoted(key), quoted(value))
}

/// The key is gone.
pub(super) fn removed(key: &str, before: &str, revision: i64) -> String {
    format!("key {} is removed, its value was {}, revision {revision}", quoted(key), quoted(before))
}

/// The key keeps its lease, which somebody else holds.
pub(super) fn has_lease(key: &str, lease: i64) -> String {
    format!(
        "key {} keeps its lease {lease:x}: the change lasts until the program that holds the lease \
         writes the key again",
        quoted(key)
    )
}

/// No connection to the node is open at any router.
pub(super) fn is_empty(name: &str) -> String {
    format!("node {} has no open connection", quoted(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_reads_as_it_does_here() {
        for (message, expected) in [
            (added("/k", "a:80", 7), "key \"/k\" is added with the value \"a:80\", revision 7"),
            (
                changed("/k", "a:80", "a:80 drain", 7),
                "key \"/k\" is changed from \"a:80\" to \"a:80 drain\", revision 7",
            ),
            (unchanged("/k\n", "a:80"), "key \"/k\\n\" has the value \"a:80\" already"),
            (removed("/k", "a:80", 7), "key \"/k\" is removed, its value was \"a:80\", revision 7"),
            (
                has_lease("/k", 0x7b),
                "key \"/k\" keeps its lease 7b: the change lasts until the program that holds the \
                 lease writes the key again",
            ),
            (is_empty("a"), "node \"a\" has no open connection"),
        ] {
            assert_eq!(message, expected);
        }
    }
}
