//! Keys whose peers have another name, and keys that say together what a peer is.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use upstream_peers::{Membership, MembershipChange, Parameters};

use super::fixture::{MADE, list, printed, resolve};

fn put(members: &mut Membership, key: &str, value: &str) -> MembershipChange {
    members.put(key.as_bytes(), value.as_bytes(), MADE)
}

fn shown(members: &Membership) -> Vec<String> {
    printed(members, resolve)
}

#[test]
fn url_and_weight_make_a_peer_together() {
    let mut members = Membership::new(Parameters { weight: 3, ..Parameters::default() });
    // A weight alone is neither a peer nor an error.
    assert_eq!(put(&mut members, "0/weight", "5"), MembershipChange::default());
    assert!(members.is_empty() && members.is_aside("0/weight"));
    assert!(put(&mut members, "0/url", "http://10.0.0.1:80/").changed);
    assert_eq!(shown(&members), ["0 10.0.0.1:80 5"]);
    assert_eq!((members.len(), members.peer_name("0/url")), (1, "0"));
    assert!(put(&mut members, "0/weight", "7").changed);
    assert_eq!(shown(&members), ["0 10.0.0.1:80 7"]);
    assert_eq!(put(&mut members, "0/preservePath", "true"), MembershipChange::default());
    // A malformed weight leaves the last one; a deletion returns to the default.
    assert_eq!(put(&mut members, "0/weight", "many").rejected.len(), 1);
    assert_eq!(shown(&members), ["0 10.0.0.1:80 7"]);
    assert!(members.delete(b"0/weight").changed);
    assert_eq!(shown(&members), ["0 10.0.0.1:80 3"]);
    assert!(members.set_defaults(Parameters { weight: 4, ..Parameters::default() }));
    assert!(put(&mut members, "0/weight", "9").changed);
    assert!(members.delete(b"0/url").changed);
    assert_eq!(shown(&members), [""; 0]);
    assert!(!members.delete(b"0/weight").changed);
    // Another kind of value under the same key is what it says.
    assert!(put(&mut members, "0/url", "http://10.0.0.1:80").changed);
    assert!(put(&mut members, "0/url", "10.0.0.1:80").changed);
    assert_eq!(shown(&members), ["0/url 10.0.0.1:80 4"]);
    assert!(!put(&mut members, "0/weight", "2").changed, "it is about nobody");
    assert!(put(&mut members, "0/weight", "10.0.0.2:80").changed);
}

#[test]
fn peers_are_in_the_order_of_their_names() {
    let mut members = Membership::new(Parameters::default());
    for (key, value) in [("a-b", "10.0.0.1:80"), ("a/url", "http://10.0.0.2"), ("a", "10.0.0.3")] {
        assert!(put(&mut members, key, value).changed);
    }
    let expected = ["a 10.0.0.2:80 1", "a 10.0.0.3:80 1", "a-b 10.0.0.1:80 1"];
    assert_eq!(shown(&members), expected);
    // Two keys of one name and address are one peer: the newest counts.
    let url = |query: &str| format!("dubbo%3A%2F%2F10.0.0.7%3A20000%2Fa%3F{query}");
    let weight = |weight: u32| url(&format!("weight%3D{weight}"));
    let mut members = Membership::new(Parameters::default());
    assert!(members.put(weight(7).as_bytes(), b"", 5).changed);
    assert!(members.put(weight(3).as_bytes(), b"", 4).changed);
    assert_eq!(shown(&members), ["dubbo%3A%2F%2F10.0.0.7%3A20000%2Fa 10.0.0.7:20000 7"]);
    assert!(members.delete(weight(7).as_bytes()).changed);
    assert!(shown(&members)[0].ends_with(" 3"));
}

#[test]
fn what_is_kept_beyond_its_lease_keeps_its_weight() {
    let mut members = Membership::new(Parameters::default());
    assert!(put(&mut members, "0/url", "http://10.0.0.1:80").changed);
    assert!(put(&mut members, "0/weight", "5").changed);
    // The key with the address is kept, and the one with the weight is gone.
    let _ = members.remove_aside("0/weight", |key| key == "0/url");
    assert_eq!(shown(&members), ["0 10.0.0.1:80 5"]);
    assert!(put(&mut members, "0/weight", "6").changed);
    let kept = members.replace_but([], |key| key == "0/url");
    assert!(!kept.changed);
    assert_eq!(shown(&members), ["0 10.0.0.1:80 6"]);
    // It was let go, and is put back.
    let (_, removed) = members.remove("0/url");
    assert!(members.put_back(removed.expect("a peer")).changed);
    assert_eq!(shown(&members), ["0 10.0.0.1:80 6"]);
    let gone = members.remove_aside("0/weight", |_| false);
    assert_eq!(gone, MembershipChange::default(), "there is none");
}

proptest! {
    #[test]
    fn the_order_of_changes_does_not_matter(
        changes in prop::collection::vec((any::<Index>(), any::<Option<bool>>()), 0..40),
        others in select(vec!["10.0.0.9:80", "true", "9"]),
    ) {
        let values = [
            ("0/url", ["http://10.0.0.1:80", "http://10.0.0.2:80/a"]),
            ("0/weight", ["5", "7"]),
            ("0/scheme", ["http", others]),
            ("1/url", ["https://10.0.0.3", others]),
            ("1/weight", ["2", others]),
        ];
        let mut members = Membership::new(Parameters::default());
        let mut there = std::collections::BTreeMap::new();
        for (index, value) in &changes {
            let (key, values) = values[index.index(values.len())];
            let before = members.peers(resolve);
            let outcome = match value {
                Some(which) => {
                    // What is malformed would leave what was before.
                    let value = values[usize::from(*which)];
                    there.insert(key, value);
                    put(&mut members, key, value)
                }
                None => {
                    there.remove(key);
                    members.delete(key.as_bytes())
                }
            };
            prop_assert_eq!(outcome.changed, members.peers(resolve) != before);
        }
        if members.rejected().next().is_none() {
            let items: Vec<_> = there.iter().map(|(&key, &value)| (key, value)).collect();
            let mut fresh = Membership::new(Parameters::default());
            let _ = list(&mut fresh, &items);
            prop_assert_eq!(shown(&members), shown(&fresh));
            prop_assert_eq!(members.len(), fresh.len());
            prop_assert!(!list(&mut members, &items).changed);
        }
    }
}
