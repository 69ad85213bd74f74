//! What the log says of keys that are watched. `keys` names them: `prefix "/a/"`.

use crate::{origin::Continuity, update::Cause};

/// The keys cannot be watched, as before if this `is_still` so; current `nouns` are kept.
#[must_use]
pub fn lost(keys: &str, is_still: bool, cause: Cause, reason: &str, nouns: &str) -> String {
    let still = if is_still { "still " } else { "" };
    format!("{still}cannot watch {keys} ({cause}: {reason}); current {nouns} are kept")
}

/// The keys are watched again.
#[must_use]
pub fn restored(keys: &str, revision: i64) -> String {
    format!("watching {keys} again at revision {revision}")
}

/// There are no more keys than are taken, `count`.
#[must_use]
pub fn within_limits(keys: &str, count: usize) -> String {
    format!("{keys} is within its limits again, all {count} keys are used")
}

/// What has become of an etcd that does not go on from where it was before.
#[must_use]
pub const fn state_of_etcd(continuity: Continuity) -> &'static str {
    match continuity {
        Continuity::Same => "etcd goes on from its last revision",
        Continuity::OtherCluster => "etcd was replaced by another cluster",
        Continuity::OlderRevision => "etcd was wiped or restored from a backup",
    }
}

#[cfg(test)]
mod tests {
    use super::{lost, restored, state_of_etcd, within_limits};
    use crate::{origin::Continuity, update::Cause};

    #[test]
    fn messages_are_worded_so() {
        let keys = "prefix \"/a/\"";
        let lost = |is_still| lost(keys, is_still, Cause::Silent, "why", "peers");
        for (message, expected) in [
            (lost(false), "cannot watch prefix \"/a/\" (silent: why); current peers are kept"),
            (lost(true), "still cannot watch prefix \"/a/\" (silent: why); current peers are kept"),
            (restored(keys, 7), "watching prefix \"/a/\" again at revision 7"),
            (
                within_limits(keys, 7),
                "prefix \"/a/\" is within its limits again, all 7 keys are used",
            ),
            (
                state_of_etcd(Continuity::OtherCluster).to_owned(),
                "etcd was replaced by another cluster",
            ),
            (
                state_of_etcd(Continuity::OlderRevision).to_owned(),
                "etcd was wiped or restored from a backup",
            ),
        ] {
            assert_eq!(message, expected);
        }
    }
}
