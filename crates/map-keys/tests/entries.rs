//! The keys of a map through lists, changes, writers that end, and another etcd.

use std::{collections::BTreeMap, sync::atomic::AtomicU64};

use live_map::{Name, SharedMap, Tag};
use map_keys::{Entries, Reason, Rules, Update, copy};
use proptest::prelude::*;

const RULES: Rules =
    Rules { has_hostnames: false, is_split: false, is_secret: false, max_length: 4_096 };

/// Words for some entries.
const WORDS: usize = 1 << 13;

type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

fn words(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

/// All that requests can find, by keys.
fn found(words: &[AtomicU64]) -> Keys {
    let entries = SharedMap::new(words).entries().expect("nobody writes");
    entries
        .into_iter()
        .filter_map(|entry| Some((Name::new(entry.kind, &entry.text)?.to_key(), entry.value)))
        .collect()
}

fn value(words: &[AtomicU64], key: &str) -> Option<String> {
    found(words).remove(key.as_bytes()).map(|value| String::from_utf8(value).expect("UTF-8"))
}

fn list(entries: &mut Entries<'_>, keys: &Keys) -> Update {
    entries.replace(keys.iter().map(|(key, value)| (&key[..], &value[..])))
}

fn put(entries: &mut Entries<'_>, key: &str, value: &[u8]) -> Result<bool, Reason> {
    let Update { is_changed, rejected } = entries.put(key.as_bytes(), value);
    match rejected.into_iter().find(|rejected| rejected.key == key.as_bytes()) {
        Some(rejected) => Err(rejected.reason),
        None => Ok(is_changed),
    }
}

fn of(keys: &[(&str, &str)]) -> Keys {
    keys.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// A change of the keys in etcd.
#[derive(Clone, Debug)]
enum Change {
    Put(String, String),
    Delete(String),
    /// All keys are listed again.
    List,
    /// Another writer takes over, and lists.
    TakeOver,
    /// Another etcd, which has this key alone.
    Other(String, String),
    /// The memory has another size.
    Copy,
}

fn key() -> impl Strategy<Value = String> {
    // Few letters, of both cases: many keys are the same but for the case.
    "[abAB]{0,2}(/[aA])?"
}

fn change() -> impl Strategy<Value = Change> {
    let value = || "[a-z\n]{0,40}";
    prop_oneof![
        8 => (key(), value()).prop_map(|(key, value)| Change::Put(key, value)),
        4 => key().prop_map(Change::Delete),
        1 => Just(Change::List),
        1 => Just(Change::TakeOver),
        1 => (key(), value()).prop_map(|(key, value)| Change::Other(key, value)),
        1 => Just(Change::Copy),
    ]
}

proptest! {
    /// Any order of changes ends in what a fresh start gives.
    #[test]
    fn changes_end_in_what_a_list_gives(
        changes in proptest::collection::vec(change(), 1..60),
        is_secret: bool,
    ) {
        // Values may end with a line break, and have none elsewhere unless they are secrets.
        let rules = Rules { is_secret, ..RULES };
        let is_valid = |value: &str| {
            is_secret || !value.strip_suffix('\n').unwrap_or(value).contains('\n')
        };
        let mut keys = Keys::new();
        let mut memory = Box::leak(words(WORDS).into_boxed_slice());
        let mut entries = Entries::shared(rules, memory);
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    let value = if is_valid(&value) { value } else { "valid".to_owned() };
                    keys.insert(key.clone().into_bytes(), value.clone().into_bytes());
                    let _ = entries.put(key.as_bytes(), value.as_bytes());
                }
                Change::Delete(key) => {
                    keys.remove(key.as_bytes());
                    entries.delete(key.as_bytes());
                }
                Change::List => {
                    let update = list(&mut entries, &keys);
                    prop_assert!(!update.is_changed || !update.rejected.is_empty(), "{update:?}");
                }
                Change::TakeOver => {
                    entries = Entries::shared(rules, memory);
                    let _ = list(&mut entries, &keys);
                }
                Change::Other(key, value) => {
                    let value = if is_valid(&value) { value } else { "valid".to_owned() };
                    keys = of(&[(&key, &value)]);
                    let mut successor = Entries::beside(rules);
                    let _ = successor.put(key.as_bytes(), value.as_bytes());
                    drop(entries);
                    let _ = successor.succeed(memory);
                    entries = successor;
                }
                Change::Copy => {
                    let other = Box::leak(words(WORDS + 512).into_boxed_slice());
                    copy(SharedMap::new(memory), other, is_secret, Tag::default())
                        .expect("nobody writes");
                    prop_assert_eq!(found(other), found(memory));
                    memory = other;
                    entries = Entries::shared(rules, memory);
                    let _ = list(&mut entries, &keys);
                }
            }
            if entries.wants_list() {
                let _ = list(&mut entries, &keys);
            }
            let fresh = words(WORDS);
            let mut started = Entries::shared(rules, &fresh);
            let _ = list(&mut started, &keys);
            prop_assert_eq!(found(memory), found(&fresh), "{:?}", keys);
            prop_assert_eq!(entries.len(), found(memory).len());
        }
    }
}

#[test]
fn values_are_taken_as_they_are_but_for_a_line_break_at_the_end() {
    let memory = words(WORDS);
    let mut entries = Entries::shared(RULES, &memory);
    for (written, expected) in
        [("", ""), ("a b ", "a b "), ("a\n", "a"), ("a\r\n", "a"), ("é", "é"), ("\n", "")]
    {
        assert!(put(&mut entries, "key", written.as_bytes()).is_ok(), "{written:?}");
        assert_eq!(value(&memory, "key").as_deref(), Some(expected), "{written:?}");
    }
    for bad in [&b"a\nb"[..], b"a\n\n", b"\t", b"\0", b"\xff", "\u{85}".as_bytes()] {
        assert!(put(&mut entries, "key", bad).is_err(), "{bad:?}");
        assert_eq!(value(&memory, "key").as_deref(), Some(""), "the last good value stays");
    }
    let memory = words(WORDS);
    let mut secrets = Entries::shared(Rules { is_secret: true, ..RULES }, &memory);
    assert_eq!(put(&mut secrets, "key", b"a\r\n\tb\n\n"), Ok(true));
    assert_eq!(value(&memory, "key").as_deref(), Some("a\r\n\tb\n"));
    assert!(put(&mut secrets, "key", b"a\x1bb").is_err());
}

#[test]
fn malformed_value_keeps_the_last_good_one_over_lists_and_takeovers() {
    let memory = words(WORDS);
    let mut entries = Entries::shared(RULES, &memory);
    assert_eq!(put(&mut entries, "a", b"good"), Ok(true));
    assert_eq!(put(&mut entries, "a", b"good"), Ok(false), "the same again is no change");
    let keys = Keys::from([(b"a".to_vec(), b"\xff".to_vec()), (b"b".to_vec(), b"\xfe".to_vec())]);
    for _ in 0..2 {
        let update = list(&mut entries, &keys);
        assert!(!update.is_changed && update.rejected.len() == 2, "{update:?}");
        assert_eq!(found(&memory), of(&[("a", "good")]));
        drop(entries);
        entries = Entries::shared(RULES, &memory);
    }
    assert!(entries.delete(b"a"));
    assert!(!entries.delete(b"b"));
    assert!(entries.is_empty());
}

#[test]
fn values_are_bounded_and_lists_are_checked() {
    let memory = words(WORDS);
    let mut short = Entries::shared(Rules { max_length: 3, ..RULES }, &memory);
    assert_eq!(put(&mut short, "a", b"abc\n"), Ok(true));
    let error = put(&mut short, "a", b"abcd").expect_err("too long");
    assert_eq!(
        error.to_string(),
        "the value is too long: 4 bytes, the maximum is 3; it can be raised by \"max_length\" up \
         to 1m"
    );
    let error = put(&mut short, &"x".repeat(513), b"").expect_err("too long");
    assert_eq!(
        error.to_string(),
        "the key is too long: 513 bytes below the prefix, the maximum is 512"
    );

    let memory = words(WORDS);
    let mut split = Entries::shared(Rules { is_split: true, ..RULES }, &memory);
    assert_eq!(put(&mut split, "a", b"web-v1 90, web-v2 10"), Ok(true));
    for list in ["", "a,,b", "a -1", "a 1 2"] {
        let error = put(&mut split, "a", list.as_bytes()).expect_err(list);
        assert!(matches!(error, Reason::List(_)), "{list}: {error}");
    }
}

#[test]
fn key_that_counts_no_more_is_told_by_name() {
    let memory = words(WORDS);
    let mut entries = Entries::shared(RULES, &memory);
    assert_eq!(put(&mut entries, "host", b"lower"), Ok(true));
    let update = entries.put(b"Host", b"upper");
    assert_eq!(update.rejected.len(), 1);
    assert_eq!(update.rejected[0].key, b"host");
    assert_eq!(
        update.rejected[0].reason.to_string(),
        "key \"Host\", which differs in case alone, comes first"
    );
    assert_eq!(value(&memory, "host").as_deref(), Some("upper"));
    assert!(!entries.wants_list());
    assert!(!entries.delete(b"Host"), "until the list the value is nearer than none");
    assert!(entries.wants_list());
    assert!(list(&mut entries, &of(&[("host", "lower")])).is_changed);
    assert_eq!(value(&memory, "host").as_deref(), Some("lower"));
    assert!(!entries.wants_list());
}

#[test]
fn what_has_no_room_costs_itself_alone() {
    let memory = words(1 << 10);
    let mut entries = Entries::shared(RULES, &memory);
    assert_eq!(put(&mut entries, "zz", b"first"), Ok(true));
    let mut keys = of(&[("zz", "second")]);
    keys.extend((0..100).map(|key| (format!("k{key:02}").into_bytes(), vec![b'x'; 200])));
    let update = list(&mut entries, &keys);
    assert!(update.is_changed);
    let left_out = update.rejected.len();
    assert!(left_out > 20 && left_out < 90, "{left_out}");
    assert_eq!(entries.len() + left_out, keys.len());
    assert_eq!(value(&memory, "zz").as_deref(), Some("second"), "what is there comes first");
    let Reason::NoRoom { all, .. } = update.rejected[0].reason else { panic!("{update:?}") };
    assert!(!entries.wants_list());
    // As much as is asked for is enough.
    let larger = words(live_map::words_for(all));
    let mut all_of_them = Entries::shared(RULES, &larger);
    let update = list(&mut all_of_them, &keys);
    assert_eq!((update.rejected.len(), all_of_them.len()), (0, keys.len()));
    // Room again, and a list brings them.
    for key in (0..75).map(|key| format!("k{key:02}").into_bytes()) {
        keys.remove(&key);
        entries.delete(&key);
    }
    assert!(entries.wants_list());
    assert_eq!(list(&mut entries, &keys).rejected, []);
    assert_eq!(entries.len(), keys.len());
}

#[test]
fn masks_are_read_where_hostnames_says_so() {
    let rules = Rules { has_hostnames: true, ..RULES };
    let memory = words(WORDS);
    let mut entries = Entries::shared(rules, &memory);
    for key in ["example.com", "*.example.com", ".example.com", "www.*"] {
        assert_eq!(put(&mut entries, key, key.as_bytes()), Ok(true), "{key}");
    }
    assert_eq!(found(&memory).len(), 4);
    for key in ["*.", "a.*.b", "*foo.com", "a..b"] {
        assert!(matches!(put(&mut entries, key, b"x"), Err(Reason::Host(_))), "{key}");
    }
    let update = list(&mut entries, &of(&[("*.Example.com", "other")]));
    assert!(update.is_changed && update.rejected.is_empty());
    assert_eq!(found(&memory), of(&[("*.example.com", "other")]));
}
