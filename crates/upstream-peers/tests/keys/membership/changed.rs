//! What is said to have changed is all that has.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use upstream_peers::{ChangedPeers, Membership, Overrides, Parameters, Peer, Removed, Source};

use super::fixture::{MADE, resolve, seed};

const KEYS: [&str; 6] = ["a", "b", "b/c", "d/url", "d/weight", "e"];

/// Values that stand for one peer, for several, for none, and for those that others have a say in.
const VALUES: [&str; 12] = [
    "10.0.0.1:80",
    "10.0.0.1:80",
    "10.0.0.2:80 weight=3 backup",
    r#"["10.0.0.4:80","10.0.0.3:80"]"#,
    "node.example:80",
    r#"{"host":"10.0.0.5","port":80,"priority":7}"#,
    r#"{"host":"10.0.0.6","port":80}"#,
    "http://10.0.0.7:80",
    "2",
    "not a peer",
    "10.0.0.8:80 drain",
    "",
];

#[derive(Clone, Debug)]
enum Step {
    Put(usize, usize, i64),
    Delete(usize),
    Remove(usize),
    PutBack,
    List(Vec<(usize, usize)>),
    Defaults(u32),
    Seed(usize),
    DropUnwanted,
}

fn step() -> impl Strategy<Value = Step> {
    let (key, value) = (0..KEYS.len(), 0..VALUES.len());
    prop_oneof![
        8 => (key.clone(), value.clone(), 1_i64..4)
            .prop_map(|(key, value, made)| Step::Put(key, value, made)),
        3 => key.clone().prop_map(Step::Delete),
        2 => key.clone().prop_map(Step::Remove),
        2 => Just(Step::PutBack),
        1 => prop::collection::vec((key.clone(), value), 0..6).prop_map(Step::List),
        1 => (1_u32..4).prop_map(Step::Defaults),
        1 => key.prop_map(Step::Seed),
        1 => Just(Step::DropUnwanted),
    ]
}

fn by_key(peers: Vec<Peer>) -> BTreeMap<Arc<str>, Vec<Peer>> {
    let mut by_key: BTreeMap<Arc<str>, Vec<Peer>> = BTreeMap::new();
    for peer in peers {
        by_key.entry(Arc::clone(&peer.key)).or_default().push(peer);
    }
    by_key
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_keys_are_all_that_has_changed(
        steps in prop::collection::vec((step(), any::<bool>()), 1..60),
        is_simple in any::<bool>(),
    ) {
        let mut members = Membership::new(Parameters::default());
        let mut removed: Option<Removed> = None;
        let mut known: BTreeMap<Arc<str>, Vec<Peer>> = BTreeMap::new();
        let value_of = |value: usize| if is_simple { value % 4 } else { value };
        let mut is_first = true;
        for (step, is_asked) in steps {
            match step {
                Step::Put(key, value, made) => {
                    let value = VALUES[value_of(value)];
                    let _ = members.put(KEYS[key].as_bytes(), value.as_bytes(), made);
                }
                Step::Delete(key) => {
                    let _ = members.delete(KEYS[key].as_bytes());
                }
                Step::Remove(key) => removed = members.remove(KEYS[key]).1,
                Step::PutBack => {
                    if let Some(removed) = removed.take() {
                        let _ = members.put_back(removed);
                    }
                }
                Step::List(items) => {
                    let items: BTreeMap<usize, usize> = items.into_iter().collect();
                    let items = items.iter().map(|(&key, &value)| {
                        (KEYS[key].as_bytes(), VALUES[value_of(value)].as_bytes(), 1)
                    });
                    let _ = members.replace(items.collect::<Vec<_>>());
                }
                Step::Defaults(weight) => {
                    members.set_defaults(Parameters { weight, ..Parameters::default() });
                }
                Step::Seed(key) => members.seed(seed(KEYS[key], "10.0.0.9:80", 1)),
                Step::DropUnwanted => {
                    members.drop_unwanted();
                }
            }
            let peers = by_key(members.peers(resolve));
            let rejected = members.rejected().count();
            prop_assert!(rejected <= KEYS.len());
            if !is_asked {
                continue;
            }
            match members.take_changed() {
                ChangedPeers::All => known = peers,
                ChangedPeers::OfKeys(keys) => {
                    prop_assert!(!is_first, "before the first look nothing is known");
                    prop_assert!(keys.is_sorted_by_key(|(key, _)| Arc::clone(key)));
                    for (key, peers) in keys {
                        if peers.is_empty() {
                            known.remove(&key);
                        } else {
                            known.insert(key, peers);
                        }
                    }
                    prop_assert_eq!(&known, &peers);
                }
            }
            is_first = false;
            let mut all = known.values().flatten();
            let is_independent = all.all(|peer| peer.source == Source::default());
            if is_simple && is_independent && !members.names().any(|_| true) {
                prop_assert_eq!(members.take_changed(), ChangedPeers::OfKeys(Vec::new()));
            }
        }
    }
}

#[test]
fn one_key_of_many_is_one_key() {
    let mut members = Membership::new(Parameters::default());
    for key in 0..1_000 {
        let _ = members.put(format!("node-{key:04}").as_bytes(), b"10.0.0.1:80", 1);
    }
    assert_eq!(members.take_changed(), ChangedPeers::All);
    let _ = members.put(b"node-0500", b"10.0.0.2:80", 1);
    let _ = members.delete(b"node-0700");
    let ChangedPeers::OfKeys(keys) = members.take_changed() else { panic!("all") };
    let found: Vec<_> = keys.iter().map(|(key, peers)| (&**key, peers.len())).collect();
    assert_eq!(found, [("node-0500", 1), ("node-0700", 0)]);
    // So many that it pays to look at all.
    for key in 0..500 {
        let _ = members.put(format!("node-{key:04}").as_bytes(), b"10.0.0.3:80", 1);
    }
    assert_eq!(members.take_changed(), ChangedPeers::All);
}

/// A group's defaults come between those of its upstream and what a value says, which is told apart
/// also where it says what the defaults say.
#[test]
fn defaults_of_a_group_leave_what_a_value_says() {
    let defaults = Parameters { max_fails: 1, fail_timeout: 10, ..Parameters::default() };
    let mut members = Membership::new(defaults);
    let of_group = Overrides { max_conns: Some(5), max_fails: Some(3), ..Overrides::default() };
    let limits = |members: &Membership| {
        let peer = members.peers(resolve).remove(0);
        let Parameters { max_conns, max_fails, fail_timeout, .. } =
            peer.own.with_group(&of_group, peer.parameters);
        (max_conns, max_fails, fail_timeout)
    };
    for (value, expected) in [
        ("10.0.0.1:80", (5, 3, 10)),
        ("10.0.0.1:80 max_fails=1", (5, 1, 10)),
        ("10.0.0.1:80 max_fails=1 max_conns=0", (0, 1, 10)),
        ("10.0.0.1:80 fail_timeout=5s", (5, 3, 5)),
    ] {
        let change = members.put(b"a", value.as_bytes(), MADE);
        assert!(change.changed, "{value}");
        assert_eq!(limits(&members), expected, "{value}");
    }
    members.take_changed();
    members.look_again(&"a".into());
    let ChangedPeers::OfKeys(keys) = members.take_changed() else { panic!("all") };
    assert_eq!(keys.len(), 1);
}
