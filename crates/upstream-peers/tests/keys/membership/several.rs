//! Several servers of one key, and what is taken of them.

use std::sync::Arc;

use upstream_peers::{Labels, Membership, MembershipChange, Parameters, Peer, Reading, Select};

use super::fixture::{MADE, list, printed, resolve, seed, unresolved};

fn nodes(nodes: &[(&str, u32)]) -> String {
    let nodes: Vec<_> = nodes.iter().map(|(node, weight)| format!("\"{node}\":{weight}")).collect();
    format!("{{\"nodes\":{{{}}}}}", nodes.join(","))
}

fn put(members: &mut Membership, key: &str, value: &str) -> MembershipChange {
    members.put(key.as_bytes(), value.as_bytes(), MADE)
}

#[test]
fn a_key_may_have_several_peers() {
    let mut members = Membership::new(Parameters::default());
    let value = nodes(&[("10.0.0.2:80", 2), ("10.0.0.1:80", 1), ("node.example:80", 3)]);
    assert!(put(&mut members, "a", &value).changed);
    assert_eq!(put(&mut members, "a", &value), MembershipChange::default());
    let expected = ["a 10.0.0.1:80 1", "a 10.0.0.2:80 2", "a 10.9.0.1:80 3", "a 10.9.0.2:80 3"];
    assert_eq!(printed(&members, resolve), expected);
    assert_eq!(printed(&members, unresolved), expected[..2]);
    let waiting: Vec<_> = members.unresolved(unresolved).map(|(key, _)| key.to_string()).collect();
    assert_eq!(waiting, ["a"]);
    let named: Vec<_> = members.named(resolve).map(|(_, name, peers)| (name, peers)).collect();
    assert_eq!((named, members.len()), (vec![("node.example", 2)], 1));

    // What is the same stays as it is; a malformed value changes nothing.
    let text = |members: &Membership| Arc::clone(&members.peers(resolve)[0].server);
    let before = text(&members);
    assert!(put(&mut members, "a", &nodes(&[("10.0.0.1:80", 1), ("10.0.0.9:80", 1)])).changed);
    assert!(Arc::ptr_eq(&before, &text(&members)));
    assert_eq!(members.names().count(), 0);
    assert_eq!(put(&mut members, "a", &nodes(&[("10.0.0.1:0", 1)])).rejected.len(), 1);
    assert_eq!(printed(&members, resolve), ["a 10.0.0.1:80 1", "a 10.0.0.9:80 1"]);

    // An address counts once, and the first server of it.
    assert!(put(&mut members, "a", &nodes(&[("10.9.0.1:80", 1), ("node.example:80", 3)])).changed);
    assert_eq!(printed(&members, resolve), ["a 10.9.0.1:80 1", "a 10.9.0.2:80 3"]);
    assert!(members.delete(b"a").changed && members.names().count() == 0);
}

#[test]
fn peers_from_before_are_known_by_their_servers() {
    let mut members = Membership::new(Parameters::default());
    for address in ["10.0.0.1:8080", "10.0.0.2:8080"] {
        members.seed(seed("a", address, 1));
    }
    members.seed(Peer { server: "node.example:80".into(), ..seed("a", "10.9.0.7:80", 1) });
    assert!(
        put(
            &mut members,
            "a",
            &nodes(&[("10.0.0.1:8080", 1), ("node.example:80", 1), ("other.example:80", 1)]),
        )
        .changed
    );
    // Only what stood at the name stands in for it.
    assert_eq!(printed(&members, unresolved), ["a 10.0.0.1:8080 1", "a 10.9.0.7:80 1"]);

    let mut members = Membership::new(Parameters::default());
    for address in ["10.0.0.2:8080", "10.0.0.1:8080"] {
        members.seed(seed("a", address, 1));
    }
    let same = nodes(&[("10.0.0.2:8080", 1), ("10.0.0.1:8080", 1)]);
    assert_eq!(put(&mut members, "a", &same), MembershipChange::default());
}

#[test]
fn servers_of_a_higher_priority_number_are_backup() {
    let backups = |members: &Membership| -> Vec<String> {
        let peers = members.peers(resolve).into_iter();
        peers.filter(|peer| peer.parameters.backup).map(|peer| peer.key.to_string()).collect()
    };
    let mut members = Membership::new(Parameters::default());
    let skydns = |priority: u32| format!(r#"{{"host":"10.0.0.1","priority":{priority}}}"#);
    let items = [("a", skydns(10)), ("b", skydns(20)), ("c", "10.0.0.3:80".to_owned())];
    for (key, value) in &items {
        assert!(put(&mut members, key, value).changed);
    }
    assert_eq!(backups(&members), ["b"]);
    assert!(put(&mut members, "d", &skydns(5)).changed);
    assert_eq!(backups(&members), ["a", "b", "c"], "it is before the default as well");
    for key in [b"a", b"c", b"d"] {
        assert!(members.delete(key).changed);
    }
    assert_eq!(backups(&members), [""; 0], "the only one left serves");
    let nodes = concat!(
        r#"{"nodes":[{"host":"10.0.0.7","port":80,"weight":1,"priority":1},"#,
        r#"{"host":"10.0.0.8","port":80,"weight":1}]}"#
    );
    let mut members = Membership::new(Parameters::default());
    assert!(put(&mut members, "1", nodes).changed);
    let peers = members.peers(resolve);
    assert_eq!(peers.iter().map(|peer| peer.parameters.backup).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn of_a_name_only_the_first_address() {
    let mut members = Membership::new(Parameters::default()).with_one_address(true);
    members.seed(seed("a", "10.9.0.7:80", 1));
    assert!(put(&mut members, "a", "node.example").changed);
    assert_eq!(printed(&members, resolve), ["a 10.9.0.1:80 1"], "in their order");
    assert_eq!(printed(&members, unresolved), ["a 10.9.0.7:80 1"]);
    assert_eq!(members.named(resolve).map(|(_, _, peers)| peers).collect::<Vec<_>>(), [1]);
}

fn selecting(word: &str) -> Membership {
    let mut select = Select::default();
    assert_eq!(select.add(word), Ok(true));
    Membership::new(Parameters::default()).reading(Reading { select, ..Reading::default() })
}

fn unselected(members: &Membership) -> usize {
    members.unselected(|_| false)
}

fn own(address: &str, role: &str) -> String {
    format!(r#"{{"addr":"{address}","labels":{{"role":"{role}"}}}}"#)
}

#[test]
fn only_peers_with_the_labels_that_are_wanted() {
    let mut members = selecting("role=replica");
    let outcome = put(&mut members, "a", &own("10.0.0.1:80", "primary"));
    let expected = MembershipChange { unselected_changed: true, ..MembershipChange::default() };
    assert_eq!(outcome, expected, "it is not rejected");
    assert!(members.is_empty() && members.is_aside("a") && unselected(&members) == 1);
    assert!(put(&mut members, "b", &own("10.0.0.2:80", "replica")).changed);
    assert_eq!(put(&mut members, "c", "node.example"), expected, "it has no label");
    assert_eq!((unselected(&members), members.names().count()), (2, 0));
    assert_eq!(printed(&members, resolve), ["b 10.0.0.2:80 1"]);

    // The label changes.
    let outcome = put(&mut members, "a", &own("10.0.0.1:80", "replica"));
    assert!(outcome.changed && outcome.unselected_changed);
    let outcome = put(&mut members, "b", &own("10.0.0.2:80", "primary"));
    assert!(outcome.changed && outcome.unselected_changed && members.is_aside("x"));
    assert_eq!(printed(&members, resolve), ["a 10.0.0.1:80 1"]);
    assert_eq!(members.peers(resolve)[0].labels, Labels::of_pairs([("role", "replica")]));
    assert_eq!(members.unselected(|key| key == "b"), 1, "a key that is kept has no value");
    // A malformed value has no servers, and no peer is left of one that was not wanted.
    let outcome = put(&mut members, "b", "?");
    assert!(outcome.rejected.len() == 1 && outcome.unselected_changed && !outcome.changed);
    assert_eq!((unselected(&members), members.len()), (1, 1));
    let outcome = list(&mut members, &[]);
    assert!(outcome.changed && outcome.unselected_changed && unselected(&members) == 0);
}

#[test]
fn rejected_keys_stand_for_no_peer() {
    let mut members = Membership::new(Parameters::default());
    assert_eq!(put(&mut members, "a", "?").rejected.len(), 1);
    assert!(members.is_aside("a") && members.is_aside("missing"));
    assert!(members.remove_aside("a", |_| false).rejections_changed);
    assert_eq!(members.rejected().count(), 0);
}

#[test]
fn host_names_without_an_address_push_no_peer_back() {
    let mut members = Membership::new(Parameters::default());
    assert!(put(&mut members, "a", r#"{"host":"node.example","port":80,"priority":1}"#).changed);
    assert!(put(&mut members, "b", "10.0.0.4:80").changed);
    let is_backup = |peers: &[Peer]| peers.last().map(|peer| peer.parameters.backup);
    assert_eq!(is_backup(&members.peers(resolve)), Some(true));
    assert_eq!(is_backup(&members.peers(unresolved)), Some(false));
}

#[test]
fn peers_from_before_must_have_the_labels_as_well() {
    let mut members = selecting("role=replica");
    let with =
        |role| Peer { labels: Labels::of_pairs([("role", role)]), ..seed(role, "10.0.0.1:80", 1) };
    members.seed(with("replica"));
    members.seed(with("primary"));
    members.seed(seed("none", "10.0.0.1:80", 1));
    // Until the list comes, or is known not to come soon: a moment without peers costs requests.
    assert_eq!(printed(&members, resolve).len(), 3);
    assert!(members.drop_unwanted() && !members.drop_unwanted());
    assert_eq!(printed(&members, resolve), ["replica 10.0.0.1:80 1"]);
    // The same with its labels is no change, and others are one.
    assert!(!put(&mut members, "replica", &own("10.0.0.1", "replica")).changed);
    let more = r#"{"addr":"10.0.0.1","labels":{"role":"replica","zone":"a"}}"#;
    assert!(put(&mut members, "replica", more).changed);
}
