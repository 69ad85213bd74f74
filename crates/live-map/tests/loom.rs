//! The protocol in every interleaving.
#![cfg(loom)]

use live_map::hosts::parse;
use live_map::{MapWriter, Name, SharedMap};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// Memory of so many cells, of which each entry here takes one.
fn memory(cells: usize) -> Arc<Vec<AtomicU64>> {
    Arc::new((0..24 + 9 * cells).map(|_| AtomicU64::new(0)).collect())
}

/// How many buckets lead to an entry.
fn buckets_in_use(words: &[AtomicU64]) -> usize {
    let cells = (words.len() - 24) / 9;
    let buckets = words[24 + 8 * cells..].iter();
    buckets.filter(|bucket| bucket.load(Ordering::Relaxed) != 0).count()
}

/// Some of them share a bucket of three.
const NAMES: [&str; 6] = ["e", "f", "g", "h", "i", "j"];

fn name(text: &str) -> Name<'_> {
    Name::exact(text.as_bytes()).unwrap()
}

/// The value of a version: words that belong together.
fn put(writer: &mut MapWriter<'_>, text: &str, version: u8) {
    assert_eq!(writer.put(&name(text), &[version; 16]), Ok(true));
}

/// The version of a name's value, which is whole; 0 for none.
fn get(words: &[AtomicU64], text: &str) -> u8 {
    // More retries than loom can see through would be needed for an error.
    let found = SharedMap::new(words).get(&name(text), |found| found.to_vec()).unwrap();
    found.map_or(0, |value| {
        assert_eq!(value, [value[0]; 16]);
        value[0]
    })
}

#[test]
fn a_reader_has_whole_values_while_memory_is_reused() {
    loom::model(|| {
        let words = memory(2);
        put(&mut MapWriter::take_over(&words, false), "a", 1);
        let reading = Arc::clone(&words);
        let reader = thread::spawn(move || assert!(get(&reading, "a") >= 1));
        let mut writer = MapWriter::take_over(&words, false);
        // In the second cell, and then in the first one, where a reader may still look.
        put(&mut writer, "a", 2);
        put(&mut writer, "a", 3);
        assert_eq!(get(&words, "a"), 3);
        reader.join().unwrap();
    });
}

#[test]
fn a_reader_passes_by_an_entry_whose_memory_becomes_that_of_another_one() {
    loom::model(|| {
        let other = NAMES.into_iter().find(|other| {
            let words = memory(3);
            let mut writer = MapWriter::take_over(&words, false);
            put(&mut writer, "a", 1);
            put(&mut writer, other, 2);
            buckets_in_use(&words) == 1
        });
        let other = other.expect("a name that shares its bucket");
        let words = memory(3);
        let mut writer = MapWriter::take_over(&words, false);
        put(&mut writer, "a", 1);
        put(&mut writer, other, 2);
        let reading = Arc::clone(&words);
        // The one that was put first is the last in the chain.
        let reader = thread::spawn(move || assert_eq!(get(&reading, "a"), 1));
        assert!(writer.delete(&name(other)));
        // The first one in its cell.
        put(&mut writer, "c", 3);
        put(&mut writer, "d", 4);
        reader.join().unwrap();
    });
}

#[test]
fn a_reader_of_secrets_has_none_of_the_zeroes() {
    loom::model(|| {
        let words = memory(2);
        let mut writer = MapWriter::take_over(&words, true);
        put(&mut writer, "a", 1);
        let reading = Arc::clone(&words);
        let reader = thread::spawn(move || assert!(get(&reading, "a") >= 1));
        put(&mut writer, "a", 2);
        reader.join().unwrap();
    });
}

#[test]
fn a_host_whose_name_and_mask_take_turns_is_never_without() {
    loom::model(|| {
        let words = memory(3);
        let mut writer = MapWriter::take_over(&words, false);
        let mask = parse(b"*.b").unwrap();
        assert_eq!(writer.put(&mask, b"1"), Ok(true));
        let reading = Arc::clone(&words);
        let reader = thread::spawn(move || {
            let found = SharedMap::new(&reading).get_host(b"a.b", |found| found.to_vec()).unwrap();
            assert!(found.is_some());
        });
        put(&mut writer, "a.b", 2);
        assert!(writer.delete(&mask));
        reader.join().unwrap();
    });
}

#[test]
fn a_host_whose_name_comes_before_its_mask_never_has_the_mask() {
    loom::model(|| {
        let words = memory(3);
        let mut writer = MapWriter::take_over(&words, false);
        let reading = Arc::clone(&words);
        let reader = thread::spawn(move || {
            let found = SharedMap::new(&reading).get_host(b"a.b", |found| found.to_vec()).unwrap();
            assert!(found.is_none_or(|value| value == [1; 16]));
        });
        put(&mut writer, "a.b", 1);
        assert_eq!(writer.put(&parse(b"*.b").unwrap(), b"2"), Ok(true));
        reader.join().unwrap();
    });
}

#[test]
fn a_reader_has_whole_values_while_writers_take_turns() {
    loom::model(|| {
        let words = memory(2);
        put(&mut MapWriter::take_over(&words, false), "a", 1);
        let reading = Arc::clone(&words);
        let reader = thread::spawn(move || assert!(get(&reading, "a") >= 1));
        let writing = Arc::clone(&words);
        let other = move || put(&mut MapWriter::take_over(&writing, false), "a", 2);
        thread::spawn(other).join().unwrap();
        put(&mut MapWriter::take_over(&words, false), "a", 3);
        reader.join().unwrap();
    });
}
