//! What the log says of an upstream's peers.

/// No peer is kept beyond its lease any longer.
pub const NONE_KEPT: &str = "\"expiry_guard\" no longer keeps any peer";

/// The default that a variable sets has changed.
#[must_use]
pub fn default_max_conns(max_conns: u32) -> String {
    format!("default max_conns of peers is {max_conns}")
}

/// Peers outlive a wiped etcd for `seconds` at most. `etcd` says what has become of it: `etcd was
/// replaced by another cluster`; each `(id, revision)` is a state of a cluster.
#[must_use]
pub fn held(etcd: &str, now: (u64, i64), before: (u64, i64), seconds: u64) -> String {
    format!(
        "{etcd} (cluster {:x}, revision {}; before: cluster {:x}, revision {}); current peers are \
         kept until it has a valid one, for {seconds} s at most (\"hold\")",
        now.0, now.1, before.0, before.1
    )
}

/// The time is over for which they outlive it; so many keys go.
#[must_use]
pub fn hold_ended(etcd: &str, keys: usize) -> String {
    format!("\"hold\" is over: {etcd} and has no valid peer, {keys} keys removed")
}

/// Leases have run out together, and their peers are kept for `seconds` at most.
#[must_use]
pub fn leases_expired(seconds: u64) -> String {
    format!(
        "too many leases expired at once (\"expiry_guard\"): their peers are kept while they are \
         healthy, or for {seconds} s (\"hold\")"
    )
}

/// A key, with its prefix, is rejected.
#[must_use]
pub fn rejected(key: &str, reason: &str) -> String {
    format!("key \"{key}\" rejected: {reason}")
}

/// So many more of `all` values are rejected, without a line each; the status shows `shown` keys.
#[must_use]
pub fn more_rejected(left_out: u64, all: u64, shown: usize) -> String {
    format!(
        "{left_out} more values rejected, {all} in total; the status lists the first {shown} keys"
    )
}

/// So many servers of values are no peers, since their labels are others.
#[must_use]
pub fn unselected(count: usize) -> String {
    format!("servers left out by \"etcd_select\": {count}")
}

/// The host name of a key has no address any longer that is not allowed.
#[must_use]
pub fn all_allowed(name: &str, key: &str) -> String {
    format!("all addresses of host \"{name}\" of key \"{key}\" are allowed again")
}

#[cfg(test)]
mod tests {
    use super::{
        all_allowed, default_max_conns, held, hold_ended, leases_expired, more_rejected, rejected,
        unselected,
    };

    #[test]
    fn messages_are_worded_so() {
        let (other, older) =
            ("etcd was replaced by another cluster", "etcd was wiped or restored from a backup");
        for (message, expected) in [
            (default_max_conns(7), "default max_conns of peers is 7"),
            (
                held(other, (0xab, 3), (0xcd, 9), 60),
                "etcd was replaced by another cluster (cluster ab, revision 3; before: cluster cd, \
                 revision 9); current peers are kept until it has a valid one, for 60 s at most \
                 (\"hold\")",
            ),
            (
                hold_ended(older, 3),
                "\"hold\" is over: etcd was wiped or restored from a backup and has no \
                 valid peer, 3 keys removed",
            ),
            (
                leases_expired(60),
                "too many leases expired at once (\"expiry_guard\"): their peers are kept while \
                 they are healthy, or for 60 s (\"hold\")",
            ),
            (rejected("/a/b", "invalid port"), "key \"/a/b\" rejected: invalid port"),
            (
                more_rejected(5, 25, 100),
                "5 more values rejected, 25 in total; the status lists the first 100 keys",
            ),
            (unselected(2), "servers left out by \"etcd_select\": 2"),
            (
                all_allowed("web", "/a/b"),
                "all addresses of host \"web\" of key \"/a/b\" are allowed again",
            ),
        ] {
            assert_eq!(message, expected);
        }
    }
}
