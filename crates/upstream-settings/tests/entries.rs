//! The settings of all groups, as keys come, change and go.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
};

use live_map::{Tag, words_for};
use proptest::prelude::*;
use upstream_settings::{
    Entries, Entry, GroupSettings, InHand, MAX_GROUP, Reader, Rules, SettingsError,
    UpstreamSettings, bytes_of,
};

fn rules() -> Rules {
    let upstream = UpstreamSettings {
        is_stream: false,
        check: None,
        drain: None,
        has_sticky: false,
        is_variable: Arc::new(|_| false),
    };
    Rules { upstream: Arc::new(upstream), is_by_key: true }
}

/// Memory for settings of so many bytes.
fn memory(bytes: usize) -> Vec<AtomicU64> {
    std::iter::repeat_with(AtomicU64::default).take(words_for(bytes)).collect()
}

/// Hands what has changed to who applies it.
fn hand_over(entries: &mut Entries<'_>, in_hand: &InHand) {
    for group in entries.take_changed() {
        in_hand.set(&group, entries.get(&group).cloned());
    }
    entries.publish(Tag::default());
}

#[test]
fn names_that_differ_in_case_are_two_groups_and_others_are_none() {
    let words = memory(4096);
    let mut entries = Entries::shared(rules(), &words);
    assert!(entries.put(b"web", br#"{"max_conns":1}"#).is_changed);
    assert!(entries.put(b"Web", br#"{"max_conns":2}"#).is_changed);
    let conns =
        |entries: &Entries<'_>, group: &str| entries.get(group)?.settings.defaults.max_conns;
    for entries in [&entries, &Entries::shared(rules(), &words)] {
        assert_eq!((conns(entries, "web"), conns(entries, "Web")), (Some(1), Some(2)));
        assert_eq!(conns(entries, "WEB"), None);
    }
    let why = |entries: &mut Entries<'_>, key: &[u8]| {
        entries.put(key, b"{}").rejected.remove(0).error.to_string()
    };
    assert_eq!(
        why(&mut entries, b"a/b"),
        "\"a/b\" is not the name of a group: the name has no \"/\""
    );
    assert_eq!(why(&mut entries, b"\xff"), "the key is not UTF-8");
    assert_eq!(
        why(&mut entries, &[b'a'; MAX_GROUP + 1]),
        "the key is too long: 256 bytes below the prefix, the maximum is 255"
    );
    assert!(entries.put(&[b'a'; MAX_GROUP], b"{}").rejected.is_empty());
    // The prefix itself.
    assert_eq!(entries.put(b"", b"notes"), upstream_settings::Update::default());
    let by_label = Rules { is_by_key: false, ..rules() };
    assert!(Entries::beside(by_label).put(b"a/b", b"{}").rejected.is_empty());
}

#[test]
fn a_malformed_value_keeps_the_last_good_one_until_its_key_goes() {
    let words = memory(4096);
    let mut entries = Entries::shared(rules(), &words);
    let good = r#"{"max_conns":1}"#;
    assert!(entries.put(b"web", good.as_bytes()).is_changed);
    for _ in 0..2 {
        let update = entries.put(b"web", b"{");
        assert!(!update.is_changed && update.rejected.len() == 1);
        assert_eq!(entries.len(), 1);
        let update = entries.replace([(&b"web"[..], &b"{"[..])]);
        assert!(!update.is_changed && update.rejected.len() == 1);
        assert_eq!(entries.get("web").and_then(|it| it.settings.defaults.max_conns), Some(1));
    }
    // Another text that says the same is no change.
    assert!(!entries.put(b"web", br#"{ "max_conns": "1" }"#).is_changed);
    assert!(entries.delete(b"web") && !entries.delete(b"web"));
    assert!(Entries::shared(rules(), &words).is_empty());
}

#[test]
fn what_has_no_room_is_left_out_and_asked_for_again_once_there_is_some() {
    let value = format!("{{\"balance\":\"{:1$}\"}}", "least_conn", 200);
    let each = bytes_of("a", value.len());
    let words = memory(4 * each);
    let mut entries = Entries::shared(rules(), &words);
    let rejected: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h"]
        .into_iter()
        .filter_map(|group| entries.put(group.as_bytes(), value.as_bytes()).rejected.pop())
        .collect();
    let SettingsError::NoRoom { all, .. } = &rejected[0].error else { panic!("{rejected:?}") };
    assert!(entries.len() >= 4 && rejected.len() == 8 - entries.len(), "{rejected:?}");
    assert_eq!(*all, each * (entries.len() + 1));
    assert!(!entries.wants_list());
    assert!(entries.delete(b"a"));
    assert!(entries.wants_list());
    // What fails says nothing of the others.
    assert!(entries.put(b"b", br#"{"max_conns":1}"#).is_changed);
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize, usize),
    Delete(usize),
    List(Vec<(usize, usize)>),
    /// Another process goes on.
    TakeOver,
    /// Another etcd takes the place of the one before.
    Succeed(Vec<(usize, usize)>),
    /// Who applies the settings looks.
    Look,
}

const GROUPS: [&str; 5] = ["a", "b", "B", "web-2", "^"];

const VALUES: [&str; 5] = [
    "{}",
    r#"{"max_conns":5}"#,
    r#"{"balance":"least_conn","slow_start":"10s"}"#,
    r#"{"check":{"uri":"/up"}}"#,
    "not settings",
];

fn step() -> impl Strategy<Value = Step> {
    let item = || (0..GROUPS.len(), 0..VALUES.len());
    let list = || proptest::collection::btree_map(0..GROUPS.len(), 0..VALUES.len(), 0..5);
    let list = || list().prop_map(|list| list.into_iter().collect::<Vec<_>>());
    prop_oneof![
        6 => item().prop_map(|(group, value)| Step::Put(group, value)),
        3 => (0..GROUPS.len()).prop_map(Step::Delete),
        1 => list().prop_map(Step::List),
        1 => Just(Step::TakeOver),
        1 => list().prop_map(Step::Succeed),
        2 => Just(Step::Look),
    ]
}

fn parse(value: &str) -> Option<GroupSettings> {
    GroupSettings::parse(value.as_bytes(), &rules().upstream).ok()
}

fn items(list: &[(usize, usize)]) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
    list.iter().map(|&(group, value)| (GROUPS[group].as_bytes(), VALUES[value].as_bytes()))
}

#[test]
fn revisions_count_once_the_first_list_is_in_hand() {
    let (in_hand, mut reader) = (InHand::default(), Reader::default());
    let entry = Entry { text: "{}".into(), settings: Arc::default(), put_at: Some(7) };
    let put_at = |in_hand: &InHand, reader: &mut Reader| {
        in_hand.set(&"web".into(), Some(entry.clone()));
        let (_, settings) = in_hand.changes(reader).remove(0);
        settings.and_then(|settings| settings.put_at)
    };
    assert_eq!((in_hand.is_settled(), put_at(&in_hand, &mut reader)), (false, None));
    in_hand.settle();
    assert_eq!((in_hand.is_settled(), put_at(&in_hand, &mut reader)), (true, Some(7)));
}

proptest! {
    /// In whichever order keys come and go, what is applied is the last good value of each that is
    /// there.
    #[test]
    fn what_is_applied_is_the_last_good_value_of_each_group(
        steps in proptest::collection::vec(step(), 0..40),
    ) {
        let words = memory(1 << 16);
        let mut entries = Entries::shared(rules(), &words);
        let (in_hand, mut reader) = (InHand::default(), Reader::default());
        let mut model: BTreeMap<&str, GroupSettings> = BTreeMap::new();
        let mut applied: BTreeMap<Arc<str>, Entry> = BTreeMap::new();
        let mut look = |applied: &mut BTreeMap<_, _>| {
            for (group, settings) in in_hand.changes(&mut reader) {
                match settings {
                    Some(settings) => applied.insert(group, settings),
                    None => applied.remove(&group),
                };
            }
        };
        for step in steps.into_iter().chain([Step::Look]) {
            match step {
                Step::Put(group, value) => {
                    let before = model.get(GROUPS[group]).cloned();
                    let after = parse(VALUES[value]);
                    let update = entries.put(GROUPS[group].as_bytes(), VALUES[value].as_bytes());
                    prop_assert_eq!(update.rejected.is_empty(), after.is_some());
                    prop_assert_eq!(update.is_changed, after.is_some() && after != before);
                    after.into_iter().for_each(|it| { model.insert(GROUPS[group], it); });
                }
                Step::Delete(group) => {
                    let is_gone = entries.delete(GROUPS[group].as_bytes());
                    prop_assert_eq!(is_gone, model.remove(GROUPS[group]).is_some());
                }
                Step::List(list) => {
                    let _ = entries.replace(items(&list));
                    model.retain(|group, _| list.iter().any(|(it, _)| GROUPS[*it] == *group));
                    for (group, value) in list {
                        let settings = parse(VALUES[value]).into_iter();
                        settings.for_each(|it| { model.insert(GROUPS[group], it); });
                    }
                }
                Step::TakeOver => {
                    drop(entries);
                    entries = Entries::shared(rules(), &words);
                }
                Step::Succeed(list) => {
                    let mut next = Entries::beside(rules());
                    let _ = next.replace(items(&list));
                    drop(entries);
                    entries = next;
                    let _ = entries.succeed(&words);
                    let settings = list.into_iter().filter_map(|(group, value)| {
                        Some((GROUPS[group], parse(VALUES[value])?))
                    });
                    // What was not listed validly is not of this etcd.
                    model = settings.collect();
                }
                Step::Look => look(&mut applied),
            }
            hand_over(&mut entries, &in_hand);
            prop_assert_eq!(entries.len(), model.len());
        }
        look(&mut applied);
        let settings = |it: &Entry| GroupSettings::clone(&it.settings);
        let applied: BTreeMap<&str, GroupSettings> =
            applied.iter().map(|(group, it)| (&**group, settings(it))).collect();
        prop_assert_eq!(applied, model);
    }

    /// Who has not looked for long sees all that has changed.
    #[test]
    fn who_looks_late_sees_all(count in 1_000_usize..1_100, removed in 0_usize..1_100) {
        let (in_hand, mut reader) = (InHand::default(), Reader::default());
        let settings = Entry { text: "{}".into(), settings: Arc::default(), put_at: None };
        let name = |number: usize| Arc::from(format!("group-{number}"));
        in_hand.set(&name(2_000), Some(settings.clone()));
        prop_assert_eq!(in_hand.changes(&mut reader).len(), 1);
        in_hand.set(&name(2_000), None);
        (0..count).for_each(|number| in_hand.set(&name(number), Some(settings.clone())));
        (0..removed.min(count)).for_each(|number| in_hand.set(&name(number), None));
        let changes = in_hand.changes(&mut reader);
        let there = changes.iter().filter(|(_, settings)| settings.is_some()).count();
        prop_assert_eq!(there, count - removed.min(count));
        prop_assert!(changes.iter().any(|(group, it)| **group == *"group-2000" && it.is_none()));
        prop_assert!(in_hand.changes(&mut reader).is_empty());
    }
}
