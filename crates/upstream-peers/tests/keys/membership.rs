//! Members of a prefix, as they come, change and go.

mod changed;
mod fixture;
mod several;
mod takeover;
mod traefik;

use std::net::IpAddr;
use std::sync::Arc;

use upstream_peers::{Allow, Membership, MembershipChange, Parameters, Peer};

use fixture::{MADE, list, printed, resolve, seed, unresolved};

#[test]
fn put_change_delete() {
    let mut members = Membership::new(Parameters { weight: 3, ..Parameters::default() });
    assert!(members.is_empty());
    assert!(members.put(b"b", b"10.0.0.2:80", MADE).changed);
    assert!(members.put(b"a", b"10.0.0.1:80 weight=1", MADE).changed);
    assert!(members.put(b"B", b"[::1]:80", MADE).changed);
    assert_eq!(printed(&members, resolve), ["B [::1]:80 3", "a 10.0.0.1:80 1", "b 10.0.0.2:80 3"]);
    assert_eq!(members.len(), 3);

    // The same, and the same said otherwise.
    for value in [
        "10.0.0.2:80",
        r#"{"addr":"10.0.0.2:80"}"#,
        r#"{"host":"10.0.0.2","port":80}"#,
        "10.0.0.2:80 weight=3;",
    ] {
        assert_eq!(
            members.put(b"b", value.as_bytes(), MADE),
            MembershipChange::default(),
            "{value}"
        );
    }
    assert!(members.put(b"b", b"10.0.0.2:80 down", MADE).changed);
    assert!(members.delete(b"a").changed);
    assert!(!members.delete(b"a").changed);
    assert_eq!(printed(&members, resolve), ["B [::1]:80 3", "b 10.0.0.2:80 3"]);
}

fn only_rejections_changed() -> MembershipChange {
    MembershipChange { rejections_changed: true, ..MembershipChange::default() }
}

#[test]
fn a_list_replaces_what_was_known() {
    let mut members = Membership::new(Parameters::default());
    let items = [("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "?")];
    let outcome = list(&mut members, &items);
    assert!(outcome.changed);
    assert_eq!(outcome.rejected.len(), 1);
    assert_eq!(list(&mut members, &items), MembershipChange::default());
    assert!(list(&mut members, &[("b", "10.0.0.2"), ("c", "?")]).changed);
    assert_eq!(printed(&members, resolve), ["b 10.0.0.2:80 1"]);
    // A key that had no peer goes without a change.
    assert_eq!(list(&mut members, &[("b", "10.0.0.2")]), only_rejections_changed());
    assert_eq!(members.rejected().count(), 0);
    assert!(list(&mut members, &[]).changed);
    assert!(members.is_empty());
}

#[test]
fn a_malformed_value_keeps_the_last_good_peer() {
    let mut members = Membership::new(Parameters::default());
    let good = ["a 10.0.0.1:80 1"];
    assert!(members.put(b"a", b"10.0.0.1", MADE).changed);
    let outcome = members.put(b"a", b"10.0.0.1:0", MADE);
    assert!(!outcome.changed);
    let (key, error) = &outcome.rejected[0];
    assert_eq!(
        (key.as_str(), error.to_string().as_str()),
        ("a", "invalid port \"0\": it must be a number from 1 to 65535")
    );
    assert_eq!(printed(&members, resolve), good);

    // Reported once, whether it comes again as an event or in a list; another one is reported.
    assert_eq!(members.put(b"a", b"10.0.0.1:0", MADE), MembershipChange::default());
    assert_eq!(list(&mut members, &[("a", "10.0.0.1:0")]), MembershipChange::default());
    assert_eq!(members.rejected_total(), 1);
    assert_eq!(members.put(b"a", b"10.0.0.1:x", MADE).rejected.len(), 1);
    assert_eq!(members.rejected_total(), 2);
    assert_eq!(members.rejected().map(|(key, _)| key).collect::<Vec<_>>(), ["a"]);
    assert_eq!(printed(&members, resolve), good);

    // The good value again changes nothing, but clears the rejection.
    assert_eq!(members.put(b"a", b"10.0.0.1", MADE), only_rejections_changed());
    assert_eq!(members.rejected().count(), 0);

    // With the key both go.
    assert_eq!(members.put(b"a", b"?", MADE).rejected.len(), 1);
    assert!(members.delete(b"a").changed);
    assert_eq!((members.rejected().count(), members.len(), members.rejected_total()), (0, 0, 3));
    // And what was good before is not good for the key that comes again.
    assert!(!members.put(b"a", b"?", MADE).changed);
    assert!(printed(&members, resolve).is_empty());
}

#[test]
fn keys_that_cannot_name_a_peer() {
    let mut members = Membership::new(Parameters::default());
    let long = [b'k'; 300];
    let mut longer = long.to_vec();
    longer.push(b'x');
    for key in [&b""[..], b"a\nb", b"a\xffb", &long, &longer] {
        let outcome = members.put(key, b"10.0.0.1:80", MADE);
        assert!(!outcome.changed);
        assert_eq!(outcome.rejected.len(), 1);
        assert!(
            !outcome.rejected[0].0.contains(char::is_control) && outcome.rejected[0].0.len() < 100
        );
        assert_eq!(members.put(key, b"10.0.0.2:80", MADE), MembershipChange::default());
    }
    assert_eq!((members.rejected().count(), members.rejected_total()), (5, 5));
    assert_eq!(members.delete(&longer), only_rejections_changed());
    assert_eq!(members.rejected().count(), 4);
    let items = [(&long[..], &b"x"[..], MADE), (b"", b"", MADE)];
    assert_eq!(members.replace(items), only_rejections_changed());
    assert_eq!(members.rejected().count(), 2);
    assert_eq!(members.replace(items), MembershipChange::default());
}

#[test]
fn host_names_become_their_addresses() {
    let mut members = Membership::new(Parameters::default());
    assert!(members.put(b"a", b"Node.example:81", MADE).changed);
    assert!(members.put(b"b", b"node.example weight=2", MADE).changed);
    assert!(members.put(b"c", b"other.example", MADE).changed);
    assert_eq!(members.names().collect::<Vec<_>>(), ["node.example", "other.example"]);
    let expected = [
        "a 10.9.0.1:81 1",
        "a 10.9.0.2:81 1",
        "b 10.9.0.1:80 2",
        "b 10.9.0.2:80 2",
        "c 10.9.0.1:80 1",
        "c 10.9.0.2:80 1",
    ];
    assert_eq!(printed(&members, resolve), expected);
    assert!(printed(&members, unresolved).is_empty());
    let twice: [IpAddr; 2] = [[10, 9, 0, 1].into(); 2];
    assert_eq!(printed(&members, |_| twice).len(), 3);

    // A name is there as long as any member uses it.
    assert!(members.put(b"a", b"10.0.0.1", MADE).changed);
    assert_eq!(members.names().count(), 2);
    assert!(members.put(b"b", b"NODE.example weight=4", MADE).changed);
    assert!(members.delete(b"c").changed);
    assert_eq!(members.names().collect::<Vec<_>>(), ["node.example"]);
    assert!(list(&mut members, &[("a", "10.0.0.1")]).changed);
    assert_eq!(members.names().count(), 0);
}

#[test]
fn the_server_is_kept_as_it_is_written() {
    let mut members = Membership::new(Parameters::default());
    let servers = |members: &Membership| -> Vec<String> {
        members.peers(resolve).iter().map(|peer| peer.server.to_string()).collect()
    };
    assert!(members.put(b"a", b"10.0.0.1:80", MADE).changed);
    assert!(members.put(b"b", b"Node.example", MADE).changed);
    assert_eq!(servers(&members), ["10.0.0.1:80", "Node.example", "Node.example"]);
    // The same address, but another server to a method that hashes.
    assert!(members.put(b"a", b"10.0.0.1", MADE).changed);
    assert!(!members.put(b"a", br#"{"addr":"10.0.0.1"}"#, MADE).changed);
    assert!(members.put(b"b", b"node.example", MADE).changed);
    assert_eq!(servers(&members), ["10.0.0.1", "node.example", "node.example"]);
    assert_eq!(members.names().collect::<Vec<_>>(), ["node.example"]);
    // One string, whatever else changes.
    let of = |members: &Membership| members.peers(resolve)[0].server.clone();
    let before = of(&members);
    assert!(members.put(b"a", b"10.0.0.1 weight=2", MADE).changed);
    assert!(Arc::ptr_eq(&of(&members), &before));
}

#[test]
fn a_key_that_is_made_anew_is_a_change() {
    let made = |members: &Membership| -> Vec<i64> {
        members.peers(resolve).iter().map(|peer| peer.create_revision).collect()
    };
    let mut members = Membership::new(Parameters::default());
    members.seed(Peer { create_revision: 3, ..seed("a", "10.0.0.1:80", 1) });
    assert_eq!(made(&members), [3]);
    assert!(!members.put(b"a", b"10.0.0.1", 3).changed);
    assert!(members.put(b"a", b"10.0.0.1", 5).changed);
    assert_eq!(made(&members), [5]);
    // The key was made, whatever is written there; the last good peer has its place.
    let outcome = members.replace([(&b"a"[..], &b"?"[..], 7), (b"b", b"?", 8)]);
    assert!(outcome.changed);
    assert_eq!(made(&members), [7]);
    assert!(!members.put(b"b", b"!", 9).changed, "it has no peer");
    assert!(members.put(b"b", b"node.example", 9).changed);
    assert_eq!(made(&members), [7, 9, 9]);
    // A seed says nothing of a key that is known.
    members.seed(Peer { create_revision: 2, ..seed("b", "10.0.0.1:80", 1) });
    assert_eq!(made(&members), [7, 9, 9]);
}

#[test]
fn keys_without_an_address_are_told() {
    let mut members = Membership::new(Parameters::default());
    for (key, value, made) in
        [("a", "10.0.0.1", 1), ("b", "node:80", 2), ("c", "?", 3), ("d", "other:80", 4)]
    {
        let _ = members.put(key.as_bytes(), value.as_bytes(), made);
    }
    members.seed(seed("e", "10.0.0.1:80", 1));
    assert!(members.put(b"e", b"node:80", 5).changed);
    let keys = |unresolved: Vec<(&Arc<str>, i64)>| -> Vec<(String, i64)> {
        unresolved.into_iter().map(|(key, made)| (key.to_string(), made)).collect()
    };
    let told = keys(members.unresolved(unresolved).collect());
    assert_eq!(told, [("b".to_owned(), 2), ("d".to_owned(), 4)], "the seed stands in for the last");
    let told = members.unresolved(|name| {
        Some([10, 9, 0, 1].into()).filter(|_| name == "node").into_iter().collect::<Vec<_>>()
    });
    assert_eq!(keys(told.collect()), [("d".to_owned(), 4)]);
}

#[test]
fn addresses_stand_in_until_a_name_is_resolved() {
    let mut members = Membership::new(Parameters::default());
    members.seed(seed("a", "10.9.0.7:80", 1));
    members.seed(seed("a", "10.9.0.6:80", 1));
    assert!(members.put(b"b", b"10.0.0.1", MADE).changed);
    for key in [&b"a"[..], b"b"] {
        assert!(members.put(key, b"node.example", MADE).changed);
        // Parameters are known without the name.
        assert!(members.put(key, b"node.example weight=2", MADE).changed);
    }
    assert_eq!(
        printed(&members, unresolved),
        ["a 10.9.0.6:80 2", "a 10.9.0.7:80 2", "b 10.0.0.1:80 2"]
    );
    assert_eq!(printed(&members, resolve)[..2], ["a 10.9.0.1:80 2", "a 10.9.0.2:80 2"]);
}

#[test]
fn seeds_stay_until_a_list() {
    let mut members = Membership::new(Parameters::default());
    assert!(members.put(b"known", b"10.0.0.9", MADE).changed);
    for (key, address) in [
        ("same", "10.0.0.1:80"),
        ("other", "10.0.0.2:80"),
        ("bad", "10.0.0.3:80"),
        ("gone", "10.0.0.4:80"),
        ("known", "10.0.0.5:80"),
    ] {
        members.seed(seed(key, address, 1));
    }
    members.seed(seed("bad", "10.0.0.1:80", 7));
    members.seed(seed("bad", "10.0.0.1:80", 8));
    assert_eq!(members.len(), 5);
    let good = [("same", "10.0.0.1"), ("known", "10.0.0.9")];
    // Only the malformed one is new, and nothing changed in the peers but what is gone.
    assert_eq!(members.put(b"same", b"10.0.0.1", MADE), MembershipChange::default());
    let outcome =
        list(&mut members, &[good[0], good[1], ("other", "10.0.0.2 weight=2"), ("bad", "?")]);
    assert!(outcome.changed);
    assert_eq!(outcome.rejected.len(), 1);
    let expected = [
        "bad 10.0.0.1:80 8",
        "bad 10.0.0.3:80 1",
        "known 10.0.0.9:80 1",
        "other 10.0.0.2:80 2",
        "same 10.0.0.1:80 1",
    ];
    assert_eq!(printed(&members, resolve), expected);
    assert!(members.put(b"bad", b"10.0.0.3", MADE).changed);
    assert_eq!(printed(&members, resolve)[0], "bad 10.0.0.3:80 1");
}

#[test]
fn a_hundred_thousand_members() {
    let items: Vec<(String, String)> = (0..100_000)
        .map(|n| (format!("node-{n}"), format!("10.{}.{}.{}:80", n >> 16, n >> 8 & 255, n & 255)))
        .collect();
    let bytes = || items.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes(), MADE));
    let mut members = Membership::new(Parameters::default());
    assert!(members.replace(bytes()).changed);
    assert_eq!(members.replace(bytes()), MembershipChange::default());
    assert_eq!(members.peers(resolve).len(), 100_000);
    for (key, _) in &items {
        assert!(members.delete(key.as_bytes()).changed);
    }
    assert!(members.is_empty());
}

fn within(words: &[&str]) -> Membership {
    let mut allow = Allow::default();
    for word in words {
        assert!(allow.add(word).is_ok(), "{word}");
    }
    Membership::new(Parameters::default()).within(allow)
}

#[test]
fn a_value_outside_is_as_a_malformed_one() {
    let mut members = within(&["10.0.0.0/8"]);
    assert!(members.put(b"a", b"10.0.0.1:80", MADE).changed);
    let outcome = members.put(b"a", b"11.0.0.1:80", MADE);
    assert!(!outcome.changed && outcome.rejections_changed);
    let (key, error) = &outcome.rejected[0];
    assert_eq!(key, "a");
    assert_eq!(error.to_string(), "the address 11.0.0.1:80 is outside of \"etcd_allow\"");
    assert_eq!(members.put(b"a", b"11.0.0.1:80", MADE), MembershipChange::default(), "said once");
    assert_eq!(printed(&members, resolve), ["a 10.0.0.1:80 1"]);
    assert_eq!(members.put(b"b", b"unix:/run/a.sock", MADE).rejected.len(), 1);
    assert_eq!((members.len(), members.rejected().count(), members.rejected_total()), (1, 2, 2));
    // Inside again, as it was.
    assert_eq!(members.put(b"a", b"10.0.0.1:80", MADE), only_rejections_changed());
}

#[test]
fn of_a_name_s_addresses_those_outside_are_left_out() {
    // `resolve` gives 10.9.0.1 and 10.9.0.2.
    let mut members = within(&["10.9.0.2", "10.1.0.0/16"]);
    assert!(members.put(b"a", b"10.1.0.1:80", MADE).changed);
    assert!(members.put(b"a", b"node.example", MADE).changed);
    assert_eq!(printed(&members, resolve), ["a 10.9.0.2:80 1"]);
    let outside = members.outside(resolve);
    let words: Vec<_> = outside.iter().map(|(key, outside)| format!("{key}: {outside}")).collect();
    assert_eq!(
        words,
        [r#"a: the host name "node.example" has the address 10.9.0.1 outside of "etcd_allow""#]
    );
    assert!(members.outside(unresolved).is_empty());
    // With nothing left it has no address, and the one before stands in.
    let nothing_left = |_: &str| [IpAddr::from([10, 9, 0, 1])];
    assert_eq!(printed(&members, nothing_left), ["a 10.1.0.1:80 1"]);
    assert_eq!(members.unresolved(nothing_left).count(), 0);
    assert!(members.delete(b"a").changed);
    assert!(members.put(b"b", b"node.example", MADE).changed);
    assert_eq!(printed(&members, nothing_left), [""; 0]);
    assert_eq!(members.unresolved(nothing_left).count(), 1);
    // A value with an address instead.
    assert!(members.put(b"b", b"10.1.0.2:80", MADE).changed);
    assert!(members.outside(resolve).is_empty());
}

#[test]
fn peers_from_before_are_not_taken_over_from_outside() {
    let mut members = within(&["10.0.0.0/8"]);
    members.seed(seed("a", "10.0.0.1:80", 1));
    members.seed(seed("a", "11.0.0.1:80", 1));
    members.seed(seed("b", "11.0.0.2:80", 1));
    assert_eq!(printed(&members, resolve), ["a 10.0.0.1:80 1"]);
    assert_eq!(members.len(), 1);
    // Nor does what stood outside stand in for a name.
    assert!(members.put(b"b", b"node.example", MADE).changed);
    assert_eq!(printed(&members, unresolved), ["a 10.0.0.1:80 1"]);
}

#[test]
fn a_route_is_of_its_value() {
    let mut members = Membership::new(Parameters::default());
    let routes = |members: &Membership| -> Vec<Option<Arc<str>>> {
        members.peers(|_| Vec::new()).into_iter().map(|peer| peer.route).collect()
    };
    members.seed(Peer { route: Some("seeded".into()), ..seed("a", "10.0.0.1:80", 1) });
    assert_eq!(routes(&members), [Some("seeded".into())]);
    assert!(!list(&mut members, &[("a", "10.0.0.1 route=seeded")]).changed);
    assert!(list(&mut members, &[("a", "10.0.0.1 route=other")]).changed);
    assert_eq!(routes(&members), [Some("other".into())]);
    // What is malformed changes nothing.
    assert!(!list(&mut members, &[("a", r#"{"addr":"10.0.0.1","route":true}"#)]).changed);
    assert!(list(&mut members, &[("a", r#"{"addr":"10.0.0.1","route":"third"}"#)]).changed);
    assert!(members.set_defaults(Parameters { weight: 7, ..Parameters::default() }));
    assert_eq!(routes(&members), [Some("third".into())]);
    assert!(list(&mut members, &[("a", "10.0.0.1")]).changed);
    assert_eq!(routes(&members), [None]);
}
