//! Networks as keys name them, through lists, changes and the text between processes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use client_networks::{MAX_KEY_LENGTH, NamedNetworks, NetworkError, TooLong, allowed};
use proptest::prelude::*;

const ROOM: usize = 4096;

fn permits(networks: &NamedNetworks, address: &str) -> Option<bool> {
    let address: IpAddr = address.parse().expect("an address");
    Some(allowed(&networks.to_bytes(ROOM).expect("room"))?(address))
}

fn put(networks: &mut NamedNetworks, key: &str, value: &str) -> Result<bool, NetworkError> {
    let mut outcome = networks.put(key.as_bytes(), value.as_bytes());
    outcome.rejected.pop().map_or(Ok(outcome.changed), |rejected| Err(rejected.error))
}

#[test]
fn without_a_network_nobody_is_judged() {
    assert_eq!(permits(&NamedNetworks::default(), "192.0.2.1"), None);
}

#[test]
fn where_nothing_but_what_is_malformed_is_nobody_is_in() {
    let bad: [(&[u8], &[u8]); 6] = [
        (b"office", b"everybody"),
        (b"name", b""),
        (b"\xff", b"10.0.0.0/8"),
        (b"a\tb", b"10.0.0.0/8"),
        (b"", b"10.0.0.0/8"),
        (&[b'k'; MAX_KEY_LENGTH + 1], b"10.0.0.0/8"),
    ];
    for (key, value) in bad {
        let (mut put, mut listed) = (NamedNetworks::default(), NamedNetworks::default());
        let (one, other) = (put.put(key, value), listed.replace([(key, value)]));
        assert!(one.changed && one.rejected.len() == 1 && one == other, "{one:?} {other:?}");
        assert!(!put.put(key, value).changed && !listed.replace([(key, value)]).changed);
        for mut networks in [put, listed] {
            assert_eq!((networks.count(), networks.is_empty()), (0, false));
            assert_eq!(permits(&networks, "10.0.0.1"), Some(false), "{key:?}");
            let bytes = networks.to_bytes(ROOM).expect("room");
            assert_eq!(NamedNetworks::of_bytes(&bytes), networks);
            // One that is good beside it is in.
            assert!(networks.put(b"good", b"192.0.2.0/24").changed);
            assert_eq!(permits(&networks, "192.0.2.1"), Some(true));
            assert_eq!(permits(&networks, "10.0.0.1"), Some(false));
            assert!(networks.delete(b"good") && networks.delete(key) && !networks.delete(key));
            assert_eq!(permits(&networks, "10.0.0.1"), None);
        }
    }
    // A sign that the prefix exists says nothing.
    let mut networks = NamedNetworks::default();
    assert_eq!(networks.put(b"", b""), networks.replace([(&b""[..], &b""[..])]));
    assert_eq!(permits(&networks, "10.0.0.1"), None);
}

#[test]
fn values_and_names_are_networks() {
    let mut networks = NamedNetworks::default();
    assert_eq!(put(&mut networks, "office", "10.0.0.0/8, 192.0.2.7\n"), Ok(true));
    assert_eq!(put(&mut networks, "198.51.100.0/24", ""), Ok(true));
    assert_eq!(put(&mut networks, "2001:db8::1", " \n"), Ok(true));
    assert_eq!(networks.count(), 4);
    for inside in ["10.9.9.9", "192.0.2.7", "198.51.100.255", "2001:db8::1", "::ffff:10.1.1.1"] {
        assert_eq!(permits(&networks, inside), Some(true), "{inside}");
    }
    for outside in ["11.0.0.1", "192.0.2.8", "198.51.101.0", "2001:db8::2", "::1"] {
        assert_eq!(permits(&networks, outside), Some(false), "{outside}");
    }
    assert_eq!(put(&mut networks, "office", "10.0.0.0/8 192.0.2.7"), Ok(false));
    assert!(networks.delete(b"office") && !networks.delete(b"office"));
    assert_eq!(permits(&networks, "10.9.9.9"), Some(false));
}

#[test]
fn what_is_malformed_changes_nothing() {
    let mut networks = NamedNetworks::default();
    assert_eq!(put(&mut networks, "a", "10.0.0.0/8"), Ok(true));
    for value in
        ["10.0.0.0/33", "everybody", "10.0.0.1 unix:", "unix:", "10.0.0.1:80", "1", "\u{202e}", "\u{1b}[31m"]
    {
        let error = put(&mut networks, "a", value).expect_err(value).to_string();
        assert!(!error.contains(char::is_control), "{error:?}");
        assert_eq!(permits(&networks, "10.0.0.1"), Some(true));
    }
    assert!(
        put(&mut networks, "b", &"1".repeat(5_000))
            .is_err_and(|error| error.to_string().contains("5000 bytes"))
    );
    assert!(put(&mut networks, "", "10.0.0.0/8").is_err());
    assert!(put(&mut networks, "a\tb", "10.0.0.0/8").is_err());
    assert!(put(&mut networks, "a\nb", "10.0.0.0/8").is_err());
    assert!(put(&mut networks, &"k".repeat(MAX_KEY_LENGTH + 1), "10.0.0.0/8").is_err());
    assert!(!networks.put(b"\xff", b"10.0.0.0/8").rejected.is_empty());

    let outcome = networks.replace([(&b"a"[..], &b"nonsense"[..]), (b"c", b"192.0.2.0/24")]);
    assert!(outcome.changed && outcome.rejected.len() == 1 && outcome.rejected[0].key == "a");
    assert_eq!(permits(&networks, "10.0.0.1"), Some(true));
    assert!(networks.replace([(&b"c"[..], &b"192.0.2.0/24"[..])]).changed);
    assert_eq!(permits(&networks, "10.0.0.1"), Some(false));
}

#[test]
fn what_takes_too_much_room_is_said() {
    let mut networks = NamedNetworks::default();
    for number in 0..200 {
        assert_eq!(put(&mut networks, &format!("key-{number:03}"), "203.0.113.128/25"), Ok(true));
    }
    let needed = 200 * ("key-000".len() + 1 + "203.0.113.128/25".len() + 1);
    assert_eq!(networks.to_bytes(ROOM), Err(TooLong { needed, limit: ROOM }));
    assert_eq!(networks.to_bytes(needed), Ok(networks.to_bytes_that_fit(needed)));
    // A part is whole keys, the first ones.
    let part = NamedNetworks::of_bytes(&networks.to_bytes_that_fit(needed - 1));
    assert_eq!(part.count(), 199);
    assert!(networks.to_bytes_that_fit(10).is_empty());
}

proptest! {
    #[test]
    fn another_process_goes_on_with_the_same(
        steps in prop::collection::vec((0..6_u8, prop::option::of("(10\\.0\\.[0-9]\\.0/24|[a-z]{1,3}|2001:db8::[0-9]/128)( 192\\.0\\.2\\.[0-9])?")), 0..40)
    ) {
        let mut networks = NamedNetworks::default();
        let mut model = BTreeMap::new();
        for (key, value) in steps {
            let key = format!("key {key}");
            match value {
                Some(value) => {
                    if networks.put(key.as_bytes(), value.as_bytes()).rejected.is_empty() {
                        model.insert(key, value);
                    } else {
                        // Its last good networks, or none.
                        model.entry(key).or_insert(value);
                    }
                }
                None => prop_assert_eq!(networks.delete(key.as_bytes()), model.remove(&key).is_some()),
            }
            let bytes = networks.to_bytes(ROOM).expect("room");
            prop_assert_eq!(&NamedNetworks::of_bytes(&bytes), &networks);
        }
        let mut listed = NamedNetworks::default();
        let items: Vec<_> = model.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
        let malformed = items.iter().filter(|(_, value)| value.iter().all(u8::is_ascii_alphabetic)).count();
        prop_assert!(listed.replace(items).rejected.len() >= malformed);
        prop_assert_eq!(listed, networks);
    }

    #[test]
    fn nothing_breaks_it(key: Vec<u8>, value: Vec<u8>, bytes: Vec<u8>) {
        let mut networks = NamedNetworks::of_bytes(&bytes);
        for rejected in networks.put(&key, &value).rejected {
            prop_assert!(!rejected.key.contains(char::is_control) && !rejected.error.to_string().contains(char::is_control));
        }
        let _ = allowed(&bytes);
    }
}
