//! What is to be done about the key, by what is wanted and what is in etcd.

use upstream_peers::parse_server;

/// What the key in etcd is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySpec {
    /// It does not exist, or belongs to another announcer.
    Absent,
    /// It exists with this value, and belongs to this announcer.
    Present(String),
}

/// The key as it was read; any client may have set it.
#[derive(Clone, Debug)]
pub(super) struct StoredKey {
    pub(super) value: String,
    /// The id of the lease that it goes with; 0: none.
    pub(super) lease: i64,
    pub(super) mod_revision: i64,
}

/// What is to be done about the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyAction {
    /// It is as it should be.
    Nothing,
    /// Somebody has changed parameters in it, and left it its lease: that is meant to last.
    Keep,
    /// It is set, if its last revision still is `mod_revision`; 0: if there is none.
    Put { value: String, mod_revision: i64 },
    /// It is this announcer's, and is deleted, if its last revision still is `mod_revision`.
    Delete { mod_revision: i64 },
    /// It is somebody else's.
    Wait,
}

/// What to do for `wanted`, where `stored` was read, `is_own` says which leases are or were this
/// announcer's, `lease` is its present one, and `written` what it has written last.
pub(super) fn next_action(
    wanted: &KeySpec,
    stored: Option<&StoredKey>,
    is_own: impl Fn(i64) -> bool,
    lease: i64,
    written: Option<&str>,
) -> KeyAction {
    match (wanted, stored) {
        (KeySpec::Absent, None) => KeyAction::Nothing,
        (KeySpec::Absent, Some(stored)) if is_own(stored.lease) => {
            KeyAction::Delete { mod_revision: stored.mod_revision }
        }
        (KeySpec::Absent, Some(_)) => KeyAction::Nothing,
        (KeySpec::Present(value), None) => KeyAction::Put { value: value.clone(), mod_revision: 0 },
        (KeySpec::Present(value), Some(stored))
            if stored.lease == lease && stored.value == *value =>
        {
            KeyAction::Nothing
        }
        (KeySpec::Present(value), Some(stored))
            if stored.lease == lease
                && written == Some(value)
                && is_same_node(value, &stored.value) =>
        {
            KeyAction::Keep
        }
        (KeySpec::Present(value), Some(stored)) if is_own(stored.lease) => {
            KeyAction::Put { value: value.clone(), mod_revision: stored.mod_revision }
        }
        (KeySpec::Present(_), Some(_)) => KeyAction::Wait,
    }
}

/// Whether a value, which anybody may have written, names the same address as this announcer's own.
fn is_same_node(own: &str, stored: &str) -> bool {
    // The name of the key says nothing of the address.
    let target = |value: &str| parse_server("node", value.as_bytes()).map(|value| value.target);
    target(own).is_ok_and(|own| target(stored).is_ok_and(|stored| own == stored))
}

/// Whether nobody renews a lease any more, of whose `granted` seconds so many are left: an
/// announcer that runs renews it each third of its time. etcd counts whole seconds; -1 is a lease
/// that has expired, whose keys are gone with it.
pub(super) fn is_abandoned(left: i64, granted: i64) -> bool {
    left >= 0 && left <= (granted / 6).max(1) && left < granted
}

#[cfg(test)]
mod tests {
    use super::{KeyAction, KeySpec, StoredKey, is_abandoned, next_action};

    fn stored(value: &str, lease: i64) -> StoredKey {
        StoredKey { value: value.to_owned(), lease, mod_revision: 9 }
    }

    #[test]
    fn actions_follow_from_the_stored_key() {
        let is_own = |lease| lease == 7 || lease == 8;
        let (absent, present) = (KeySpec::Absent, KeySpec::Present("a".to_owned()));
        let put = |mod_revision| KeyAction::Put { value: "a".to_owned(), mod_revision };
        for (wanted, stored, action) in [
            (&absent, None, KeyAction::Nothing),
            (&absent, Some(stored("a", 8)), KeyAction::Delete { mod_revision: 9 }),
            (&absent, Some(stored("a", 3)), KeyAction::Nothing),
            (&present, None, put(0)),
            (&present, Some(stored("a", 8)), KeyAction::Nothing),
            (&present, Some(stored("b", 8)), put(9)),
            // Of a lease before: it would expire with that one.
            (&present, Some(stored("a", 7)), put(9)),
            (&present, Some(stored("a", 3)), KeyAction::Wait),
            (&present, Some(stored("a", 0)), KeyAction::Wait),
        ] {
            assert_eq!(
                next_action(wanted, stored.as_ref(), is_own, 8, Some("a")),
                action,
                "{wanted:?} {stored:?}"
            );
        }
    }

    #[test]
    fn only_parameters_that_were_changed_under_the_lease_are_kept() {
        let own = "10.0.0.7:80 weight=5";
        let action = |value: &str, lease, written| {
            let wanted = KeySpec::Present(own.to_owned());
            next_action(&wanted, Some(&stored(value, lease)), |lease| lease == 7, 7, written)
        };
        let put = KeyAction::Put { value: own.to_owned(), mod_revision: 9 };
        for (value, lease, written, expected) in [
            ("10.0.0.7:80 drain", 7, Some(own), KeyAction::Keep),
            ("10.0.0.7:80", 7, Some(own), KeyAction::Keep),
            (own, 7, Some(own), KeyAction::Nothing),
            ("10.0.0.8:80", 7, Some(own), put.clone()),
            ("10.0.0.7:80 wait", 7, Some(own), put.clone()),
            ("", 7, Some(own), put.clone()),
            // What it has written itself before.
            ("10.0.0.7:80", 7, Some("10.0.0.7:80"), put.clone()),
            ("10.0.0.7:80", 7, None, put),
            ("10.0.0.7:80 drain", 0, Some(own), KeyAction::Wait),
        ] {
            assert_eq!(action(value, lease, written), expected, "{value} {lease} {written:?}");
        }
    }

    #[test]
    fn an_announcer_that_runs_renews_each_third() {
        for granted in 2..=600 {
            // Renewed a third of the time ago, and a second of etcd's rounding.
            let least = granted - granted / 3 - 1;
            assert!(granted < 4 || !is_abandoned(least, granted), "{least} of {granted}");
            assert!(is_abandoned(0, granted));
            assert!(!is_abandoned(-1, granted));
        }
        assert!(is_abandoned(10, 60) && !is_abandoned(11, 60));
    }
}
