//! Peers from before: what a reload, another worker or a state file has of them.

use upstream_peers::{
    Labels, Membership, MembershipChange, OwnParameters, Parameters, Peer, Reading,
};

use super::fixture::{MADE, list, printed, resolve};

const URL: &str = "http://10.0.0.1:80";

fn membership() -> Membership {
    Membership::new(Parameters::default())
}

fn put(members: &mut Membership, key: &str, value: &str) -> MembershipChange {
    members.put(key.as_bytes(), value.as_bytes(), MADE)
}

/// What goes on from the peers of `before`: they are the same, until a list.
fn after(before: &Membership, after: Membership) -> Membership {
    let (mut after, peers) = (after, before.peers(resolve));
    peers.iter().cloned().for_each(|peer| after.seed(peer));
    assert_eq!(found(&after), found(before));
    after
}

/// The peers, as if all were found: what its value has set is not known of such a one.
fn found(members: &Membership) -> Vec<Peer> {
    let found = |peer| Peer { own: OwnParameters::ALL, ..peer };
    members.peers(resolve).into_iter().map(found).collect()
}

fn backups(members: &Membership) -> Vec<bool> {
    members.peers(resolve).iter().map(|peer| peer.parameters.backup).collect()
}

/// Keys of each form, with a value and one that is malformed.
const FORMS: [(&str, &str); 19] = [
    ("0/url", URL),
    ("0/weight", "5"),
    ("a", "10.0.0.7:80 weight=5 max_fails=3 fail_timeout=5s max_conns=100 backup route=a"),
    ("b", "http://10.0.0.7"),
    ("c", r#"{"addr":"10.0.0.7:80","weight":0,"labels":{"role":"replica"}}"#),
    ("d", r#"{"Op":0,"Addr":"10.0.0.7:80","Metadata":{"weight":5,"zone":"a","drain":true}}"#),
    ("e", r#"{"host":"10.0.0.7","port":80,"weight":5,"priority":20}"#),
    ("f", r#"{"host":"10.0.0.7","port":1234,"serverStatus":"BUSY","workerHostWeight":100}"#),
    (
        "g",
        r#"{"Host":"10.0.0.7","Port":2,"Enable":false,"Metadata":{"dubbo.endpoints":"[]","a":"b"}}"#,
    ),
    ("h", r#"{"version":"1","nodes":[{"address":"10.0.0.7:80"},{"address":"10.0.0.8:80"}]}"#),
    (
        "i",
        r#"{"nodes":[{"host":"10.0.0.7","port":80,"priority":1},{"host":"10.0.0.8","weight":0}]}"#,
    ),
    ("j", r#"{"endpoints":["https://10.0.0.7:8000","grpc://10.0.0.7:9000"],"version":"v1"}"#),
    ("k", r#"{"network":"tcp","address":"10.0.0.7:8888","weight":10,"tags":{"group":"a"}}"#),
    ("l", r#"{"conn_url":"postgres://10.0.0.7/postgres","state":"stopped","role":"master"}"#),
    ("m", r#"{"name":"a.example","ports":{"http":"80"},"private_hostname":"10.0.0.7"}"#),
    ("n/10.0.0.7:80", r#"{"weight":1,"max_fails":2,"fail_timeout":10,"down":1,"backup":0}"#),
    ("o/10.0.0.7:80,10.0.0.8:80", r#"{"insecure":true}"#),
    ("p/tcp@10.0.0.7:8972", "group=a&weight=5&state=inactive"),
    ("dubbo%3A%2F%2F10.0.0.7%3A20000%2Fa%3Fversion%3D1%26weight%3D7", ""),
];

#[test]
fn peers_of_each_form_are_the_same_afterwards() {
    let mut before = membership();
    let _ = list(&mut before, &FORMS);
    assert_eq!(before.rejected().count(), 0);
    assert_eq!(before.peers(resolve).len(), 21);

    // The same list makes no change.
    let mut same = after(&before, membership());
    let outcome = list(&mut same, &FORMS);
    assert_eq!((outcome.changed, outcome.rejected.len()), (false, 0));
    // Nor does one in which no value is valid.
    let mut rejected = after(&before, membership());
    let malformed = FORMS.map(|(key, _)| (key, "?"));
    assert_eq!(list(&mut rejected, &malformed).rejected.len(), FORMS.len());
    assert_eq!(found(&rejected), found(&before));
    let outcome = list(&mut rejected, &FORMS);
    assert!(!outcome.changed && rejected.rejected().next().is_none());

    // What is missing is missing by its key.
    let missing = |members: &Membership| -> Vec<String> {
        members.missing([]).iter().map(ToString::to_string).collect()
    };
    let again = after(&before, membership());
    assert_eq!(missing(&again), missing(&before));
    assert!(again.missing(FORMS.iter().map(|(key, _)| key.as_bytes())).is_empty());
    for (key, _) in FORMS {
        let mut again = after(&before, membership());
        assert_eq!(again.is_aside(key), before.is_aside(key), "{key}");
        assert_eq!(again.peer_name(key), before.peer_name(key));
        if !again.is_aside(key) {
            let (outcome, removed) = again.remove(key);
            assert!(outcome.changed, "{key}");
            assert!(again.put_back(removed.expect("a peer")).changed);
            assert_eq!(found(&again), found(&before), "{key}");
        }
        // Kept, though no key is there.
        let _ = again.replace_but([], |other| other == key);
        let kept = again.peers(resolve).iter().map(|peer| peer.key.to_string()).collect::<Vec<_>>();
        assert!(kept.iter().all(|name| name == before.peer_name(key)), "{key}: {kept:?}");
        assert_eq!(kept.is_empty(), before.is_aside(key), "{key}");
    }
}

#[test]
fn a_peer_stays_standby_while_its_value_is_malformed() {
    let skydns =
        |priority: u32| format!(r#"{{"host":"10.0.0.1","port":80,"priority":{priority}}}"#);
    let (first, second, third) = (skydns(5), skydns(7), skydns(20));
    let mut before = membership();
    let _ = list(&mut before, &[("a", &first), ("b", &second), ("c", &third)]);
    assert_eq!(backups(&before), [false, true, true]);
    for malformed in ["a", "b", "c"] {
        let value = |key, value| (key, if key == malformed { "?" } else { value });
        let items = [value("a", &*first), value("b", &*second), value("c", &*third)];
        let mut members = after(&before, membership());
        let outcome = list(&mut members, &items);
        assert!(!outcome.changed);
        assert_eq!(backups(&members), [false, true, true], "{malformed}");
        // The next one takes its place.
        assert!(members.delete(b"a").changed);
        assert_eq!(backups(&members), [false, true], "{malformed}");
        assert_eq!(backups(&after(&members, membership())), [false, true], "{malformed}");
        assert!(members.delete(b"b").changed);
        assert_eq!(backups(&members), [false], "{malformed}");
    }
    // A peer that is backup by itself stays so.
    let mut before = membership();
    let _ = list(&mut before, &[("a", &first), ("b", "10.0.0.2:80 backup")]);
    let mut members = after(&before, membership());
    let _ = list(&mut members, &[("b", "?")]);
    assert_eq!(backups(&members), [true]);
}

#[test]
fn the_weight_of_a_peer_stays_while_its_key_is_malformed() {
    let mut before = membership();
    let _ = list(&mut before, &[("0/url", URL), ("0/weight", "5"), ("1/url", URL)]);
    let shown = |members: &Membership| printed(members, resolve);
    let as_before = ["0 10.0.0.1:80 5", "1 10.0.0.1:80 1"];
    for (items, expected) in [
        ([("0/url", URL), ("0/weight", "many"), ("1/url", URL)], as_before),
        ([("0/url", "?"), ("0/weight", "many"), ("1/url", URL)], as_before),
        ([("0/url", "?"), ("0/weight", "5"), ("1/url", URL)], as_before),
        ([("0/url", "?"), ("0/weight", "7"), ("1/url", URL)], ["0 10.0.0.1:80 7", as_before[1]]),
        ([("0/url", "?"), ("0/weight", "0"), ("1/url", URL)], ["0 10.0.0.1:80 0", as_before[1]]),
        ([("0/url", "?"), ("1/weight", "2"), ("1/url", URL)], {
            ["0 10.0.0.1:80 1", "1 10.0.0.1:80 2"]
        }),
        (
            [("0/url", URL), ("1/weight", "?"), ("1/url", "?")],
            ["0 10.0.0.1:80 1", "1 10.0.0.1:80 1"],
        ),
    ] {
        let mut members = after(&before, membership());
        let _ = list(&mut members, &items);
        assert_eq!(shown(&members), expected, "{items:?}");
    }
    let mut members = after(&before, membership());
    let _ = list(&mut members, &[("0/url", "?"), ("0/weight", "many")]);
    let drains = |members: &Membership| members.peers(resolve)[0].parameters.drain;
    assert!(put(&mut members, "0/weight", "0").changed && drains(&members));
    let mut members = after(&members, membership());
    let _ = list(&mut members, &[("0/url", "?"), ("0/weight", "many")]);
    assert!(drains(&members));
    assert!(put(&mut members, "0/weight", "3").changed && !drains(&members));
    assert!(members.delete(b"0/weight").changed);
    assert_eq!(shown(&members), ["0 10.0.0.1:80 1"]);
    // A key of this name may be a peer as well.
    let items = [("0/url", URL), ("0/weight", "10.0.0.2:80 weight=4")];
    let mut before = membership();
    let _ = list(&mut before, &items);
    let mut members = after(&before, membership());
    assert!(!list(&mut members, &items).changed);
}

fn of_scheme(scheme: Option<&str>) -> Membership {
    let reading = Reading { scheme: scheme.map(str::to_owned), ..Reading::default() };
    membership().reading(reading)
}

#[test]
fn peers_of_another_scheme_go_with_the_list() {
    let kratos = r#"{"endpoints":["http://10.0.0.1:1","grpc://10.0.0.1:2"]}"#;
    let only_http = r#"{"endpoints":["http://10.0.0.2:1"]}"#;
    let dubbo = concat!(
        r#"{"Host":"10.0.0.3","Port":1,"Metadata":{"dubbo.endpoints":"#,
        r#""[{\"port\":1,\"protocol\":\"http\"}]"}}"#,
    );
    let scalingo = r#"{"name":"10.0.0.4","ports":{"http":"1"}}"#;
    let plain = "10.0.0.5:1";
    let items = [
        ("a", kratos),
        ("b", only_http),
        ("c", dubbo),
        ("d", scalingo),
        ("e", plain),
        ("f", plain),
    ];
    let shown = |members: &Membership| {
        let peers = printed(members, resolve);
        peers.iter().map(|peer| peer.replace(" 1", "").replace("0.0.0", "")).collect::<Vec<_>>()
    };
    for scheme in [None, Some("http")] {
        let mut before = of_scheme(scheme);
        let _ = list(&mut before, &items);
        assert_eq!(before.peers(resolve).len(), 6);
        let mut members = after(&before, of_scheme(Some("grpc")));
        let changed = items.map(|(key, value)| (key, if key == "f" { "?" } else { value }));
        assert!(list(&mut members, &changed).changed);
        let left: Vec<_> = members.peers(resolve).iter().map(|it| it.server.to_string()).collect();
        assert_eq!(left, ["10.0.0.1:2", "10.0.0.5:1", "10.0.0.5:1"], "{:?}", shown(&members));
        // None of them is missed, either.
        let members = after(&before, of_scheme(Some("grpc")));
        let missing = members.missing([]);
        assert_eq!(missing.iter().map(|key| &**key).collect::<Vec<_>>(), ["e", "f"]);
        // The same scheme, and values without it: the last good ones stay.
        let mut members = after(&before, of_scheme(scheme));
        let malformed = r#"{"endpoints":["tri://10.0.0.2:1"]}"#;
        let _ = list(&mut members, &items.map(|(key, _)| (key, malformed)));
        assert_eq!(found(&members), found(&before));
    }
    let mut before = of_scheme(Some("grpc"));
    let _ = list(&mut before, &items);
    let mut members = after(&before, of_scheme(None));
    assert!(members.drop_unwanted(), "etcd cannot be reached");
    assert_eq!(members.peers(resolve).len(), 2);
}

#[test]
fn peers_without_the_labels_go_with_a_malformed_value() {
    let with = |role: &str| {
        let mut select = upstream_peers::Select::default();
        assert_eq!(select.add(&format!("role={role}")), Ok(true));
        membership().reading(Reading { select, ..Reading::default() })
    };
    let items = [("a", r#"{"addr":"10.0.0.1:80","labels":{"role":"primary"}}"#)];
    let mut before = with("primary");
    let _ = list(&mut before, &items);
    let mut members = after(&before, with("replica"));
    assert!(list(&mut members, &[("a", "?")]).changed && members.is_empty());
    let mut members = after(&before, with("replica"));
    assert!(members.missing([]).is_empty());
    assert!(members.replace_but([], |_| true).changed && members.is_empty());
    let mut members = after(&before, with("primary"));
    assert!(!list(&mut members, &[("a", "?")]).changed);
    let labels = &members.peers(resolve)[0].labels;
    assert_eq!(*labels, Labels::of_pairs([("role", "primary")]));
}

#[test]
fn of_a_name_from_before_only_the_first_address() {
    let mut before = membership();
    let _ = list(&mut before, &[("a", "node.example"), ("b", "10.0.0.1:80")]);
    let mut members = membership().with_one_address(true);
    before.peers(resolve).into_iter().for_each(|peer: Peer| members.seed(peer));
    assert_eq!(printed(&members, resolve), ["a 10.9.0.1:80 1", "b 10.0.0.1:80 1"]);
    let _ = list(&mut members, &[("a", "?"), ("b", "10.0.0.1:80")]);
    assert_eq!(printed(&members, resolve), ["a 10.9.0.1:80 1", "b 10.0.0.1:80 1"]);
}
