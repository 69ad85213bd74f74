//! Networks as keys name them, through lists, changes and the text between processes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::AtomicU64;

use client_networks::{
    MAX_KEY_LENGTH, NamedNetworks, NetworkError, Ranges, count_in, is_in, parse_lines, to_lines,
};
use proptest::prelude::*;
use upstream_peers::Allow;

fn table(networks: &NamedNetworks) -> Vec<AtomicU64> {
    networks.to_table().into_iter().map(AtomicU64::new).collect()
}

fn permits(networks: &NamedNetworks, address: &str) -> Option<bool> {
    let address: IpAddr = address.parse().expect("an address");
    let is_in = is_in(&table(networks), address);
    assert_eq!(networks.to_ranges().contains(address), is_in);
    (!networks.is_empty()).then_some(is_in)
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
    let bad: [(&[u8], &[u8]); 7] = [
        (b"office", b"everybody"),
        (b"name", b""),
        (b"\xff", b"10.0.0.0/8"),
        (b"a\tb", b"10.0.0.0/8"),
        (b"", b"10.0.0.0/8"),
        (b"", b""),
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
            assert_eq!(NamedNetworks::of_bytes(&networks.to_bytes()), networks);
            let mut read = NamedNetworks::default();
            assert_eq!(read.read(str::from_utf8(&networks.to_bytes()).expect("text")), Ok(()));
            assert_eq!(read, networks);
            // One that is good beside it is in.
            assert!(networks.put(b"good", b"192.0.2.0/24").changed);
            assert_eq!(permits(&networks, "192.0.2.1"), Some(true));
            assert_eq!(permits(&networks, "10.0.0.1"), Some(false));
            assert!(networks.delete(b"good") && networks.delete(key) && !networks.delete(key));
            assert_eq!(permits(&networks, "10.0.0.1"), None);
        }
    }
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
    for value in [
        "10.0.0.0/33",
        "everybody",
        "10.0.0.1 unix:",
        "unix:",
        "10.0.0.1:80",
        "1",
        "\u{202e}",
        "\u{1b}[31m",
    ] {
        let error = put(&mut networks, "a", value).expect_err(value).to_string();
        assert!(!error.contains(char::is_control), "{error:?}");
        assert_eq!(permits(&networks, "10.0.0.1"), Some(true));
    }
    assert!(
        put(&mut networks, "b", &"1".repeat((1 << 20) + 1))
            .is_err_and(|error| error.to_string().contains("1048577 bytes"))
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
fn what_there_is_no_room_for_costs_itself_alone() {
    // Room for two: each takes its key, its network, two bytes and a word.
    let words = 5 + 2 * ("key-0".len() + "203.0.113.0/24".len() + 2 + 8).div_ceil(8);
    let mut networks = NamedNetworks::with_room(words);
    assert_eq!(put(&mut networks, "key-8", "203.0.113.0/24"), Ok(true));
    assert_eq!(put(&mut networks, "key-9", "192.0.2.0/24"), Ok(true));
    assert!(matches!(
        put(&mut networks, "key-new", "198.51.100.0/24"),
        Err(NetworkError::NoRoom { .. })
    ));
    assert!(networks.to_table().len() <= words);
    assert_eq!(permits(&networks, "192.0.2.1"), Some(true));
    assert_eq!(permits(&networks, "198.51.100.1"), Some(false));
    // Others change and go meanwhile.
    assert_eq!(put(&mut networks, "key-9", "172.16.0.0/12"), Ok(true));
    assert!(!networks.has_room_again());
    // A list has those first that are there.
    let all: Vec<(&[u8], &[u8])> = vec![
        (b"key-new", b"198.51.100.0/24"),
        (b"key-8", b"203.0.113.0/24"),
        (b"key-9", b"172.16.0.0/12"),
    ];
    let outcome = networks.replace(all.clone());
    assert!(!outcome.changed && outcome.rejected.len() == 1, "{outcome:?}");
    assert!(networks.delete(b"key-8") && networks.has_room_again());
    assert!(networks.replace(all.into_iter().filter(|(key, _)| *key != b"key-8")).changed);
    assert!(!networks.has_room_again());
    assert_eq!(permits(&networks, "198.51.100.1"), Some(true));
}

#[test]
fn a_hundred_thousand_are_found() {
    let mut networks = NamedNetworks::with_room(4 << 20);
    let network = |number: u32| format!("{}/28", Ipv4Addr::from_bits(0x0a00_0000 + number * 32));
    for number in 0..100_000 {
        assert!(
            networks.put(format!("key-{number}").as_bytes(), network(number).as_bytes()).changed
        );
    }
    let table = table(&networks);
    assert_eq!(count_in(&table), 100_000);
    for number in (0..100_000).step_by(997) {
        let inside = Ipv4Addr::from_bits(0x0a00_0000 + number * 32 + 15);
        assert!(is_in(&table, inside.into()));
        assert!(!is_in(&table, Ipv4Addr::from_bits(inside.to_bits() + 1).into()));
    }
}

#[test]
fn networks_in_files_are_read() {
    let text = "# who may\n10.0.0.0/8, 192.0.2.7\t2001:db8::/32 # and why\r\n\n198.51.100.0/24";
    let words = parse_lines(text).expect("networks");
    assert_eq!(words, ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "198.51.100.0/24"]);
    assert_eq!(parse_lines(&to_lines(words.iter().copied())).expect("the same"), words);
    let error = parse_lines("10.0.0.0/8\nnowhere\n").expect_err("no network");
    assert_eq!(error.to_string(), "line 2: \"nowhere\" is not a network");
    assert!(parse_lines("").expect("none").is_empty());
}

proptest! {
    #[test]
    fn another_process_goes_on_with_the_same(
        steps in prop::collection::vec(
            (
                0..6_u8,
                prop::option::of(
                    "(10\\.0\\.[0-9]\\.0/24|[a-z]{1,3}|2001:db8::[0-9]/128)\
                     ( 192\\.0\\.2\\.[0-9])?",
                ),
            ),
            0..40,
        ),
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
                None => {
                    prop_assert_eq!(networks.delete(key.as_bytes()), model.remove(&key).is_some())
                }
            }
            prop_assert_eq!(&NamedNetworks::of_bytes(&networks.to_bytes()), &networks);
            let mut next = NamedNetworks::default();
            next.go_on(&table(&networks));
            prop_assert_eq!(&next, &networks);
        }
        let mut listed = NamedNetworks::default();
        let items: Vec<_> =
            model.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
        let malformed =
            items.iter().filter(|(_, value)| value.iter().all(u8::is_ascii_alphabetic)).count();
        prop_assert!(listed.replace(items).rejected.len() >= malformed);
        prop_assert_eq!(listed, networks);
    }

    #[test]
    fn nothing_breaks_it(key: Vec<u8>, value: Vec<u8>, bytes: Vec<u8>) {
        let mut networks = NamedNetworks::of_bytes(&bytes);
        for rejected in networks.put(&key, &value).rejected {
            prop_assert!(
                !rejected.key.contains(char::is_control)
                    && !rejected.error.to_string().contains(char::is_control)
            );
        }
        let words: Vec<AtomicU64> =
            bytes.chunks(3).map(|chunk| AtomicU64::new(chunk.len() as u64)).collect();
        let _ =
            (is_in(&words, IpAddr::from([10, 0, 0, 1])), is_in(&words, Ipv6Addr::LOCALHOST.into()));
        let mut next = NamedNetworks::with_room(9);
        next.go_on(&words);
        let _ = parse_lines(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn ranges_are_what_the_networks_are(
        v4 in prop::collection::vec((any::<u32>(), 0..=32_u8), 0..20),
        v6 in prop::collection::vec((any::<u128>(), 0..=128_u8), 0..20),
        addresses: Vec<u32>,
        near: u8,
    ) {
        let words: Vec<String> = v4
            .iter()
            .map(|(address, length)| format!("{}/{length}", Ipv4Addr::from_bits(*address)))
            .chain(
                v6.iter()
                    .map(|(address, length)| format!("{}/{length}", Ipv6Addr::from_bits(*address))),
            )
            .collect();
        let mut allow = Allow::default();
        for word in &words {
            let _ = allow.add(word);
        }
        let ranges = Ranges::of(words.iter().map(String::as_str));
        let near4 = v4.iter().map(|(address, _)| address.wrapping_add(near.into()));
        let near6 = v6.iter().map(|(address, _)| {
            IpAddr::from(Ipv6Addr::from_bits(address.wrapping_sub(near.into())))
        });
        let all = addresses
            .iter()
            .copied()
            .chain(near4)
            .map(|address| IpAddr::from(Ipv4Addr::from_bits(address)));
        for address in all.chain(near6) {
            prop_assert_eq!(
                ranges.contains(address),
                allow.is_restricted() && allow.permits_ip(address),
                "{}",
                address
            );
        }
    }
}

#[test]
fn messages_are_worded_so() {
    for (error, expected) in [
        (NetworkError::KeyEmpty, "the key has no name below the prefix"),
        (
            NetworkError::KeyTooLong(300),
            "the key is too long: 300 bytes below the prefix, the maximum is 255",
        ),
        (NetworkError::KeyCharacter, "the key contains an invalid character"),
        (
            NetworkError::ValueTooLong(2 << 20),
            "the value is too long: 2097152 bytes, the maximum is 1048576",
        ),
        (
            NetworkError::NotANetwork(upstream_peers::Excerpt::new("x")),
            "\"x\" is not a network: it must be an address (192.0.2.7, 2001:db8::1) or a network \
             (10.0.0.0/8, 2001:db8::/32)",
        ),
        (
            NetworkError::NoRoom { needed: 40, left: 16 },
            "no space for its networks: 40 bytes are needed, 16 are left",
        ),
    ] {
        assert_eq!(error.to_string(), expected);
    }
}
