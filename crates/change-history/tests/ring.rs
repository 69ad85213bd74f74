//! What is written is read again, and what does not fit is counted.
#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use change_history::{Cause, Change, ChangedKeys, History, Record};
use proptest::{collection::vec, prelude::*};

fn memory() -> Vec<AtomicU64> {
    (0..History::WORDS).map(|_| AtomicU64::new(0)).collect()
}

fn keys<T: AsRef<str>>(lists: [&[T]; 3]) -> ChangedKeys {
    let mut keys = ChangedKeys::default();
    let kinds = [&mut keys.added, &mut keys.removed, &mut keys.changed];
    for (kind, list) in kinds.into_iter().zip(lists) {
        list.iter().for_each(|key| kind.push(&Arc::from(key.as_ref())));
    }
    keys
}

fn change(keys: &ChangedKeys) -> Change<'_> {
    Change { time: 1_764_400_000_123, revision: 42, cause: Cause::Event, keys, detail: None }
}

fn only(history: History<'_>) -> Record {
    let records: Vec<Record> = history.newest().collect();
    assert_eq!(records.len(), 1, "{records:?}");
    records.into_iter().next().expect("one")
}

#[test]
fn a_ring_fits_into_its_memory_and_begins_empty() {
    assert_eq!(History::WORDS, 4_096);
    assert_eq!(History::CAPACITY, 50);
    let memory = memory();
    assert!(History::new(&memory[1..]).is_none());
    let history = History::new(&memory).expect("room");
    assert_eq!((history.total(), history.newest().count()), (0, 0));
    assert_eq!((history.read(0), history.read(1)), (None, None));
}

#[test]
fn a_change_is_read_as_it_was_written() {
    let memory = memory();
    let history = History::new(&memory).expect("room");
    let keys = keys([&["node-1", "node-2"], &["node-3"], &["", "ein Schlüssel"]]);
    for cause in [
        Cause::Event,
        Cause::List,
        Cause::Start,
        Cause::HoldEnded,
        Cause::Expiry,
        Cause::Check,
        Cause::Names,
    ] {
        let detail = Some("fails its checks: connection refused");
        let number = history.write(&Change { cause, detail, ..change(&keys) });
        assert_eq!(history.total(), number);
        let record = Record {
            number,
            time: 1_764_400_000_123,
            revision: 42,
            cause,
            added: vec!["node-1".to_owned(), "node-2".to_owned()],
            removed: vec!["node-3".to_owned()],
            changed: vec![String::new(), "ein Schlüssel".to_owned()],
            omitted: 0,
            detail: detail.map(str::to_owned),
        };
        assert_eq!(history.newest().next(), Some(record));
    }
}

#[test]
fn the_last_fifty_changes_are_there() {
    let memory = memory();
    let history = History::new(&memory).expect("room");
    let long = vec!["k".repeat(255); 3];
    let keys = keys([&long, &long, &long]);
    for number in 1..=500 {
        assert_eq!(history.write(&Change { revision: number, ..change(&keys) }), number);
        let numbers: Vec<u64> = history.newest().map(|record| record.number).collect();
        let first = number.saturating_sub(50) + 1;
        assert_eq!(numbers, (first..=number).rev().collect::<Vec<u64>>());
    }
    assert!(history.newest().all(|record| record.revision == record.number));
}

#[test]
fn of_a_change_of_a_fleet_some_keys_of_each_kind_are_named() {
    let memory = memory();
    let history = History::new(&memory).expect("room");
    let names = |kind: &str| -> Vec<String> {
        (0..100_000).map(|number| format!("{kind}-{number}")).collect()
    };
    history.write(&change(&keys([&names("new"), &names("old"), &names("other")])));
    let record = only(history);
    let named = [&record.added, &record.removed, &record.changed].map(Vec::len);
    assert!(named.iter().all(|&count| count >= 15), "{named:?}");
    assert_eq!(named.iter().sum::<usize>() as u64 + record.omitted, 300_000);
    assert_eq!(record.added[0], "new-0");
}

#[test]
fn a_long_detail_is_cut_between_characters() {
    let memory = memory();
    let history = History::new(&memory).expect("room");
    let keys = keys([&["node-1"], &[], &[]]);
    for length in 190..210 {
        let detail = format!("{}{}", "x".repeat(length), "ä".repeat(100));
        history.write(&Change { detail: Some(&detail), ..change(&keys) });
        let record = history.newest().next().expect("it");
        let said = record.detail.expect("a detail");
        let begin = said.strip_suffix('…').expect("cut");
        assert!(detail.starts_with(begin) && begin.len() > 190 && said.len() <= 200, "{said}");
        assert_eq!(record.added, ["node-1"]);
    }
}

#[test]
fn a_writer_that_was_killed_leaves_what_the_next_one_goes_on_from() {
    let memory = memory();
    let history = History::new(&memory).expect("room");
    let keys = keys([&["node-1"], &[], &[]]);
    (0..60).for_each(|_| assert!(history.write(&change(&keys)) > 0));
    // Killed after the change was whole, and before it was the last one.
    memory[0].store(59, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(history.newest().next().map(|record| record.number), Some(59));
    assert_eq!(history.write(&change(&keys)), 61);
    assert_eq!(history.newest().count(), 50);
}

proptest! {
    #[test]
    fn keys_are_whole_or_counted(
        added in vec(".{0,90}", 0..40),
        removed in vec("[a-z]{0,300}", 0..6),
        changed in vec("[a-z0-9/]{0,30}", 0..200),
        detail in proptest::option::of(".{0,200}"),
    ) {
        // One after the other of the same key are one.
        let [added, removed, changed] = [added, removed, changed].map(|mut keys| {
            keys.dedup();
            keys
        });
        let memory = memory();
        let history = History::new(&memory).expect("room");
        let keys = keys([&added, &removed, &changed]);
        history.write(&Change { detail: detail.as_deref(), ..change(&keys) });
        let record = only(history);
        let named = [record.added, record.removed, record.changed];
        let all = [&added, &removed, &changed];
        let mut bytes = 0;
        for (named, all) in named.iter().zip(all) {
            let mut rest = all.iter();
            for key in named {
                prop_assert!(rest.any(|one| one == key), "{key} is not there, or not in order");
                bytes += key.len() + 1;
            }
        }
        let count = |lists: &[Vec<String>]| lists.iter().map(Vec::len).sum::<usize>() as u64;
        let total = (added.len() + removed.len() + changed.len()) as u64;
        prop_assert_eq!(count(&named) + record.omitted, total);
        // What is left out would not have fitted.
        let said = record.detail.as_ref().map_or(0, |detail| detail.len() + 1);
        let longest = all.into_iter().flatten().map(String::len).max().unwrap_or_default();
        let is_full = bytes + longest + 1 > 600 - said;
        let is_bounded = longest > 255 || changed.len() > 128;
        prop_assert!(record.omitted == 0 || is_full || is_bounded);
        prop_assert_eq!(record.detail.is_some(), detail.is_some());
    }

    /// No memory makes a reader fail, whoever has written to it.
    #[test]
    fn any_memory_can_be_read(words in vec(any::<u64>(), 80), number in 1_u64..500) {
        let memory = memory();
        let history = History::new(&memory).expect("room");
        let slot = 16 + (number % 51) as usize * 80;
        for (at, word) in words.into_iter().enumerate() {
            memory[slot + at].store(word, std::sync::atomic::Ordering::Relaxed);
        }
        memory[slot].store(2 * number, std::sync::atomic::Ordering::Relaxed);
        memory[0].store(number, std::sync::atomic::Ordering::Relaxed);
        prop_assert!(history.newest().count() <= 1);
    }
}
