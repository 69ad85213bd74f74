//! What is written of a map is read, and nothing else.

use std::fs::write;

use proptest::prelude::*;
use saved_state::{LoadError, SavedMap, SavedState, StateError, load_map};

fn map(entries: &[(&[u8], &[u8])]) -> SavedMap {
    SavedMap {
        cluster: "main".to_owned(),
        prefix: "/routes/".to_owned(),
        cluster_id: 0x8e9e_05c5_2164_694d,
        revision: 42,
        entries: entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect(),
    }
}

fn example() -> SavedMap {
    map(&[
        (b"www.example.com", b"web"),
        (b"*.example.com", "web-v1 90, \"é\" 10".as_bytes()),
        (b"\xff", b""),
    ])
}

/// The text with a first line that fits what follows it.
fn signed(rest: &str) -> Vec<u8> {
    let crc32 = crc32fast::hash(format!("1{rest}").as_bytes());
    format!("etcd-map 1 crc32={crc32:08x} bytes={}\n{rest}", rest.len()).into_bytes()
}

#[test]
fn a_map_as_a_person_sees_it() {
    let text = "\
{\"cluster\":\"main\",\"prefix\":\"/routes/\",\"cluster_id\":\"8e9e05c52164694d\",\"revision\":42}
{\"key\":\"www.example.com\",\"value\":\"web\"}
{\"key\":\"*.example.com\",\"value\":\"web-v1 90, \\\"é\\\" 10\"}
{\"key\":[255],\"value\":\"\"}
";
    let bytes = example().encode().expect("short");
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&signed(text)));
    assert_eq!(SavedMap::parse(&bytes), Ok(example()));
}

#[test]
fn a_map_is_refused_as_a_whole() {
    let bytes = example().encode().expect("short");
    for length in 1..bytes.len() {
        assert_eq!(SavedMap::parse(&bytes[..length]), Err(StateError::Truncated), "{length} bytes");
    }
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << bit;
        assert!(SavedMap::parse(&damaged).is_err(), "bit {bit} of byte {at}");
    }
}

#[test]
fn neither_kind_of_file_passes_for_the_other() {
    let map = example().encode().expect("short");
    let error = SavedState::parse(&map).expect_err("a map").to_string();
    assert_eq!(error, "it is not a state file of peers");
    let peers = SavedState {
        cluster: "main".to_owned(),
        prefix: "/routes/".to_owned(),
        cluster_id: 1,
        revision: 1,
        peers: [].into(),
        settings: None,
    };
    let error = SavedMap::parse(&peers.encode().expect("short")).expect_err("peers").to_string();
    assert_eq!(error, "it is not a state file of a map");
}

/// A right checksum is no reason to believe what nobody would have written.
#[test]
fn no_entry_is_believed_for_its_checksum_alone() {
    let head = r#"{"cluster":"main","prefix":"/p/","cluster_id":"1","revision":1}"#;
    let good = r#"{"key":"a","value":"b"}"#;
    assert!(SavedMap::parse(&signed(&format!("{head}\n{good}\n"))).is_ok());
    for (from, to, reason) in [
        ("\"a\"", "7", "line 3 is malformed"),
        ("\"a\"", "[256]", "line 3 is malformed"),
        ("\"b\"", "null", "line 3 is malformed"),
        ("\"b\"", "\"b\",\"more\":1", "unknown field"),
        (",\"value\":\"b\"", "", "missing field"),
        ("\"revision\":1", "\"revision\":0", "\"revision\" is not positive"),
        ("\"revision\":1", "\"revision\":1,\"settings_prefix\":\"/s/\"", "settings_prefix"),
        ("}\n{", "}\n\n{", "line 3 is malformed"),
        (good, &"[".repeat(100_000), "line 3 is malformed"),
    ] {
        let text = format!("{head}\n{good}\n").replacen(from, to, 1);
        let error = SavedMap::parse(&signed(&text)).expect_err(reason).to_string();
        assert!(error.contains(reason) && !error.contains(char::is_control), "{error}: {reason}");
    }
}

#[test]
fn a_map_of_another_prefix_says_whose_it_is() {
    assert_eq!(example().check_for("main", "/routes/"), Ok(()));
    for (cluster, prefix) in [("other", "/routes/"), ("main", "/other/")] {
        let error = example().check_for(cluster, prefix).expect_err("foreign");
        assert_eq!(error.to_string(), "it is of the prefix \"/routes/\" of the cluster \"main\"");
    }
}

#[test]
fn a_map_is_loaded_from_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("routes");
    assert!(load_map(&file).expect("no file").is_none());
    write(&file, example().encode().expect("short")).expect("written");
    assert_eq!(load_map(&file).expect("good"), Some(example()));
    write(&file, "no map").expect("written");
    assert!(matches!(load_map(&file), Err(LoadError::State(StateError::NotState("a map")))));
}

proptest! {
    #[test]
    fn any_entries_are_read_as_they_were_written(
        entries in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..20), any::<String>()),
            0..20,
        ),
    ) {
        let entries: Vec<(Vec<u8>, Vec<u8>)> =
            entries.into_iter().map(|(key, value)| (key, value.into_bytes())).collect();
        let map = SavedMap { entries, ..example() };
        prop_assert_eq!(SavedMap::parse(&map.encode().expect("short")), Ok(map));
    }

    #[test]
    fn any_bytes_are_a_map_or_have_a_reason(rest in "\\{.{0,80}\\}\n(\\{.{0,40}\\}\n){0,2}") {
        if let Err(error) = SavedMap::parse(&signed(&rest)) {
            prop_assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
}
