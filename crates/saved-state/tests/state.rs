//! What is written is read, and nothing else.

use std::{net::IpAddr, sync::Arc};

use proptest::prelude::*;
use saved_state::{MAX_LENGTH, SavedSettings, SavedState, StateError};
use upstream_peers::{Labels, MAX_WEIGHT, OwnParameters, Parameters, Peer, SocketAddress, Source};

fn peer(key: &str, address: &str, server: &str) -> Peer {
    Peer {
        key: key.into(),
        address: SocketAddress::Ip(address.parse().expect("an address")),
        server: server.into(),
        parameters: Parameters::default(),
        own: OwnParameters::ALL,
        route: None,
        labels: Labels::default(),
        create_revision: 7,
        source: Source::default(),
    }
}

/// A peer with labels.
fn labelled() -> Peer {
    let labels = Labels::of_pairs([("role", "replica"), ("a", "b\n")]);
    Peer { labels, ..peer("d", "10.0.0.8:80", "node") }
}

fn state(peers: &[Peer]) -> SavedState {
    SavedState {
        cluster: "main".to_owned(),
        prefix: "/firehose/upstream/".to_owned(),
        cluster_id: 0x8e9e_05c5_2164_694d,
        revision: 42,
        peers: peers.into(),
        settings: None,
    }
}

fn example() -> SavedState {
    let mut unix = peer("c/unix", "127.0.0.1:1", "unix:/run/app.sock");
    unix.address = SocketAddress::Unix("/run/app.sock".to_owned());
    unix.parameters.backup = true;
    unix.route = Some("c".into());
    state(&[
        peer("a", "10.0.0.7:80", "10.0.0.7"),
        peer("b \"é\"", "[2001:db8::1]:8080", "backend.example:8080"),
        unix,
    ])
}

/// The text with a first line that fits what follows it.
fn signed(rest: &str) -> Vec<u8> {
    signed_as(2, rest)
}

fn signed_as(version: u32, rest: &str) -> Vec<u8> {
    let crc32 = crc32fast::hash((version.to_string() + rest).as_bytes());
    format!("etcd-upstream-peers {version} crc32={crc32:08x} bytes={}\n{rest}", rest.len())
        .into_bytes()
}

#[test]
fn labels_are_kept_where_there_are_some() {
    let state = state(&[peer("a", "10.0.0.7:80", "10.0.0.7"), labelled()]);
    let bytes = state.encode().expect("short");
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(text.matches("\"labels\"").count(), 1, "{text}");
    assert!(text.contains(r#""labels":{"a":"b\n","role":"replica"}}"#), "{text}");
    assert_eq!(SavedState::parse(&bytes), Ok(state));
}

#[test]
fn as_a_person_sees_it() {
    let text = "\
{\"cluster\":\"main\",\"prefix\":\"/firehose/upstream/\",\"cluster_id\":\"8e9e05c52164694d\",\
\"revision\":42}
{\"key\":\"a\",\"value\":\"10.0.0.7 weight=1 max_conns=0 max_fails=1 fail_timeout=10 \
slow_start=0\",\"address\":\"10.0.0.7:80\",\"create_revision\":7}
{\"key\":\"b \\\"é\\\"\",\"value\":\"backend.example:8080 weight=1 max_conns=0 max_fails=1 \
fail_timeout=10 slow_start=0\",\"address\":\"[2001:db8::1]:8080\",\"create_revision\":7}
{\"key\":\"c/unix\",\"value\":\"unix:/run/app.sock weight=1 max_conns=0 max_fails=1 \
fail_timeout=10 slow_start=0 route=c \
backup\",\"address\":\"unix:/run/app.sock\",\"create_revision\":7}
";
    let bytes = example().encode().expect("short");
    assert_eq!(
        String::from_utf8(bytes.clone()).expect("text"),
        String::from_utf8(signed(text)).expect("text")
    );
    assert_eq!(SavedState::parse(&bytes), Ok(example()));
}

#[test]
fn the_source_is_kept_where_there_is_one() {
    let [key, scheme] = ["a/url", "http"].map(|text| Some(text.into()));
    let source = Source { key, priority: -3, is_standby: true, scheme };
    let peer = Peer { source, ..peer("a", "10.0.0.7:80", "10.0.0.7") };
    let state = state(std::slice::from_ref(&peer));
    let bytes = state.encode().expect("short");
    let text = String::from_utf8_lossy(&bytes);
    let fields = r#""etcd_key":"a/url","priority":-3,"standby":true,"scheme":"http"}"#;
    assert!(text.contains(fields), "{text}");
    assert_eq!(SavedState::parse(&bytes), Ok(state));
    let rest = text.split_once('\n').expect("two lines").1;
    for other in ["b/url", "a", "", "a/\u{1}", &format!("a{}", "x".repeat(300))] {
        let bytes = signed(&rest.replace("a/url", &other.replace('\u{1}', "\\u0001")));
        let Err(StateError::Malformed { line: 3, reason }) = SavedState::parse(&bytes) else {
            panic!("{other:?}")
        };
        assert!(reason.starts_with("\"etcd_key\""), "{reason}");
    }
}

#[test]
fn a_file_of_another_version_is_refused() {
    let bytes = example().encode().expect("short");
    let text = String::from_utf8_lossy(&bytes);
    let rest = text.split_once('\n').expect("two lines").1;
    assert_eq!(SavedState::parse(&signed_as(2, rest)), Ok(example()));
    for version in [0, 1, 3] {
        let parsed = SavedState::parse(&signed_as(version, rest));
        assert_eq!(parsed, Err(StateError::Version(version)));
    }
}

#[test]
fn no_peers_are_a_list_too() {
    let bytes = state(&[]).encode().expect("short");
    assert_eq!(SavedState::parse(&bytes), Ok(state(&[])));
}

#[test]
fn every_flipped_bit_is_found() {
    let mut bytes = example().encode().expect("short");
    for place in 0..bytes.len() {
        for bit in 0..8 {
            bytes[place] ^= 1 << bit;
            assert!(SavedState::parse(&bytes).is_err(), "bit {bit} of byte {place}");
            bytes[place] ^= 1 << bit;
        }
    }
    assert!(SavedState::parse(&bytes).is_ok());
}

#[test]
fn every_byte_in_the_place_of_another_is_found() {
    let good = example().encode().expect("short");
    let mut bytes = good.clone();
    for place in 0..bytes.len() {
        for other in (0..=u8::MAX).filter(|&other| other != good[place]) {
            bytes[place] = other;
            assert!(SavedState::parse(&bytes).is_err(), "{other} as byte {place}");
        }
        bytes[place] = good[place];
    }
}

#[test]
fn every_truncation_is_found_and_called_so() {
    let bytes = example().encode().expect("short");
    for length in 1..bytes.len() {
        assert_eq!(
            SavedState::parse(&bytes[..length]),
            Err(StateError::Truncated),
            "{length} bytes"
        );
    }
    assert_eq!(SavedState::parse(&[]), Err(StateError::Empty));
}

#[test]
fn what_is_wrong_is_said() {
    let good = example().encode().expect("short");
    let text = str::from_utf8(&good).expect("text");
    let longer = [&good[..], b"\n"].concat();
    let (first, rest) = text.split_once('\n').expect("lines");
    let version_3 = text.replacen("peers 2", "peers 3", 1);
    let no_version = text.replacen("peers 2", "peers x", 1);
    let capitals = format!("{}\n{rest}", first.replace("crc32=", "CRC32="));
    let leading_zero = text.replacen("bytes=", "bytes=0", 1);
    let damaged = text.replacen("10.0.0.7", "10.0.0.8", 1);
    for (bytes, message) in [
        (&b"<html>"[..], "it is not a state file of peers"),
        (b"\n", "it is not a state file of peers"),
        (b"\xff\xfe", "it is not a state file of peers"),
        (&[0; 4096], "it is not a state file of peers"),
        (version_3.as_bytes(), "it is of version 3, which this module does not know"),
        (no_version.as_bytes(), "its first line is damaged"),
        (capitals.as_bytes(), "it is damaged: its checksum is wrong"),
        (leading_zero.as_bytes(), "it is damaged: its checksum is wrong"),
        (&longer, "it is longer than its first line says"),
        (damaged.as_bytes(), "it is damaged: its checksum is wrong"),
    ] {
        let error = SavedState::parse(bytes).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(SavedState::parse(&vec![b' '; MAX_LENGTH + 1]), Err(StateError::TooLong));
}

/// A right checksum is no reason to believe what nobody would have written.
#[test]
fn nothing_is_believed_for_its_checksum_alone() {
    let upstream = r#"{"cluster":"main","prefix":"/p/","cluster_id":"1","revision":1}"#;
    let good = r#"{"key":"a","value":"10.0.0.7:80","address":"10.0.0.7:80","create_revision":1}"#;
    assert!(SavedState::parse(&signed(&format!("{upstream}\n{good}\n"))).is_ok());
    let long = "k".repeat(256);
    for (from, to, reason) in [
        ("\"a\"", "\"\"", "the key has no name below the prefix"),
        ("\"a\"", &*format!("\"{long}\""), "256 bytes below the prefix, the maximum is 255"),
        ("\"a\"", "\"a\\n\"", "control character"),
        (
            "\"10.0.0.7:80\",\"a",
            "\"10.0.0.7:80 weight=-1\",\"a",
            "it must be a whole number from 0 to 65535",
        ),
        ("\"10.0.0.7:80\",\"a", "\"10.0.0.7:0\",\"a", "invalid port"),
        ("\"10.0.0.7:80\",\"a", "\"10.0.0.8:80\",\"a", "\"address\" is not that of \"value\""),
        ("\"address\":\"10.0.0.7:80\"", "\"address\":\"host.example:80\"", "\"address\" is none"),
        ("\"address\":\"10.0.0.7:80\"", "\"address\":\"10.0.0.7:80 down\"", "\"address\" is none"),
        ("\"create_revision\":1", "\"create_revision\":-1", "\"create_revision\" is negative"),
        ("\"create_revision\":1", "\"create_revision\":1,\"more\":2", "unknown field"),
        ("\"create_revision\":1", "\"create_revision\":99999999999999999999", "invalid"),
        ("\"revision\":1", "\"revision\":0", "\"revision\" is not positive"),
        ("\"cluster_id\":\"1\"", "\"cluster_id\":\"x\"", "\"cluster_id\""),
        ("}\n{", "}\n\n{", "line 3 is malformed"),
        (good, &"[".repeat(100_000), "line 3 is malformed"),
    ] {
        let text = format!("{upstream}\n{good}\n").replacen(from, to, 1);
        let error = SavedState::parse(&signed(&text)).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}, not {reason}");
    }
    for text in ["", "\n", &format!("{upstream}\n{good}")] {
        assert!(
            matches!(SavedState::parse(&signed(text)), Err(StateError::Malformed { .. })),
            "{text:?}"
        );
    }
}

#[test]
fn a_foreign_one_says_whose_it_is() {
    let state = example();
    assert_eq!(state.check_for("main", "/firehose/upstream/"), Ok(()));
    for (cluster, prefix) in [("other", "/firehose/upstream/"), ("main", "/other/")] {
        let error = state.check_for(cluster, prefix).expect_err("foreign");
        assert_eq!(
            error.to_string(),
            "it is of the prefix \"/firehose/upstream/\" of the cluster \"main\""
        );
    }
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let numbers = (1..=MAX_WEIGHT, any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>());
    (numbers, any::<[bool; 3]>()).prop_map(
        |((weight, max_conns, max_fails, fail_timeout, slow_start), [backup, down, drain])| {
            Parameters {
                weight,
                max_conns,
                max_fails,
                fail_timeout,
                slow_start,
                backup,
                down,
                drain,
            }
        },
    )
}

fn any_peer() -> impl Strategy<Value = Peer> {
    let address = prop_oneof![
        (any::<IpAddr>(), 1..=u16::MAX).prop_map(|(ip, port)| SocketAddress::Ip((ip, port).into())),
        "/[a-z0-9._/-]{1,50}".prop_map(SocketAddress::Unix),
    ];
    // A key has no control characters, none that ends a line, nor those that turn the direction of
    // writing.
    let key = "[^\\p{Cc}\\p{Zl}\\p{Zp}\\p{Bidi_Control}]{1,60}"
        .prop_filter("short enough", |key| key.len() <= 255);
    let name = prop::option::of("[a-z]{1,20}\\.example(:[1-9][0-9]{0,3})?");
    let route = prop::option::of("[a-zA-Z0-9.=_-]{1,40}");
    let label = prop::option::of(("[a-z\"\n]{1,9}", ".{1,20}"));
    let source = (prop::option::of("/[a-z]{1,9}"), any::<i64>(), any::<bool>(), name.clone());
    (key, address, name, parameters(), route, label, 0..=i64::MAX, source).prop_map(
        |(key, address, name, parameters, route, label, create_revision, source)| {
            let (rest, priority, is_standby, scheme) = source;
            let etcd_key = rest.filter(|rest| key.len() + rest.len() <= 255);
            let etcd_key = etcd_key.map(|rest| format!("{key}{rest}").into());
            let scheme = scheme.map(Arc::from);
            let source = Source { key: etcd_key, priority, is_standby, scheme };
            let server = name.unwrap_or_else(|| address.to_string()).into();
            let route = route.map(Arc::from);
            let labels = label.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let (key, labels) = (key.into(), Labels::of_pairs(labels));
            let own = OwnParameters::ALL;
            Peer { key, address, server, parameters, own, route, labels, create_revision, source }
        },
    )
}

prop_compose! {
    fn any_settings()(
        prefix in ".{0,20}",
        values in prop::collection::btree_map(".{0,8}", ".{0,20}", 0..5),
    ) -> SavedSettings {
        let values = values.into_iter().map(|(group, value)| (group.into(), value.into()));
        SavedSettings { prefix, values: Arc::new(values.collect()) }
    }
}

prop_compose! {
    fn any_state()(
        cluster in ".{0,20}",
        prefix in ".{0,20}",
        cluster_id: u64,
        revision in 1..=i64::MAX,
        peers in prop::collection::vec(any_peer(), 0..20),
        settings in prop::option::of(any_settings()),
    ) -> SavedState {
        SavedState { cluster, prefix, cluster_id, revision, peers: Arc::from(peers), settings }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(state in any_state()) {
        let bytes = state.encode().expect("short");
        prop_assert_eq!(SavedState::parse(&bytes), Ok(state));
    }

    #[test]
    fn damage_is_found(state in any_state(), place: prop::sample::Index, bit in 0..8_u8) {
        let mut bytes = state.encode().expect("short");
        let cut = place.index(bytes.len());
        prop_assert!(SavedState::parse(&bytes[..cut]).is_err());
        bytes[cut] ^= 1 << bit;
        prop_assert!(SavedState::parse(&bytes).is_err());
    }

    #[test]
    fn anything_may_be_in_a_file(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        has_line: bool,
    ) {
        let bytes = if has_line { signed(&String::from_utf8_lossy(&bytes)) } else { bytes };
        if let Err(error) = SavedState::parse(&bytes) {
            prop_assert!(!error.to_string().contains(char::is_control), "{}", error);
        }
    }
}
