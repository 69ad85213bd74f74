//! The protocol in every interleaving.
#![cfg(loom)]

use live_value::{SharedWords, Tag, ValueCell};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

type Small = ValueCell<2>;

/// The value of a revision: two words that belong together.
fn value(revision: u64) -> [u8; 16] {
    [revision as u8; 16]
}

fn write(cell: &Small, revision: u64) {
    cell.write(Some(&value(revision)), Tag { source: revision, revision });
}

fn check(cell: &Small) {
    let mut into = [0; Small::CAPACITY];
    // More retries than loom can see through would be needed for an error.
    let Ok(reading) = cell.read(&mut into) else { return };
    let revision = reading.tag.revision;
    assert_eq!(reading.tag.source, revision);
    assert_eq!(reading.length.is_some(), revision > 0);
    if reading.length.is_some() {
        assert_eq!(into, value(revision));
    }
}

#[test]
fn a_reader_has_a_whole_value_while_three_are_written() {
    loom::model(|| {
        let cell = Arc::new(Small::default());
        let writer = Arc::clone(&cell);
        let writing = thread::spawn(move || (1..=3).for_each(|revision| write(&writer, revision)));
        check(&cell);
        writing.join().unwrap();
        check(&cell);
    });
}

#[test]
fn a_reader_has_a_whole_value_while_writers_take_turns() {
    loom::model(|| {
        let cell = Arc::new(Small::default());
        write(&cell, 1);
        let reader = Arc::clone(&cell);
        let reading = thread::spawn(move || check(&reader));
        let writer = Arc::clone(&cell);
        thread::spawn(move || write(&writer, 2)).join().unwrap();
        write(&cell, 3);
        reading.join().unwrap();
    });
}

/// Words that hold values of two.
fn words() -> Arc<Vec<AtomicU64>> {
    Arc::new((0..SharedWords::words_for(2)).map(|_| AtomicU64::new(0)).collect())
}

fn write_words(words: &[AtomicU64], revision: u64) {
    let tag = Tag { source: revision, revision };
    SharedWords::new(words).write(Some(&[revision; 2]), tag);
}

fn check_words(words: &[AtomicU64]) {
    let copy = |words: &[AtomicU64]| -> Vec<u64> {
        words.iter().map(|word| word.load(Ordering::Relaxed)).collect()
    };
    let Ok(reading) = SharedWords::new(words).read(copy) else { return };
    let revision = reading.tag.revision;
    assert_eq!(reading.tag.source, revision);
    assert_eq!(reading.value, (revision > 0).then(|| vec![revision; 2]));
}

#[test]
fn shared_words_are_whole_while_three_values_are_written() {
    loom::model(|| {
        let words = words();
        let writer = Arc::clone(&words);
        let writing = thread::spawn(move || {
            (1..=3).for_each(|revision| write_words(&writer, revision));
        });
        check_words(&words);
        writing.join().unwrap();
        check_words(&words);
    });
}

#[test]
fn shared_words_are_whole_while_writers_take_turns() {
    loom::model(|| {
        let words = words();
        write_words(&words, 1);
        let reader = Arc::clone(&words);
        let reading = thread::spawn(move || check_words(&reader));
        let writer = Arc::clone(&words);
        thread::spawn(move || write_words(&writer, 2)).join().unwrap();
        write_words(&words, 3);
        reading.join().unwrap();
    });
}
