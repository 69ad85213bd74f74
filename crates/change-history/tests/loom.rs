//! The protocol in every interleaving.
#![cfg(loom)]

use std::sync::Arc as Shared;

use change_history::{Cause, Change, ChangedKeys, Record, Ring};
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;

/// A ring of one change to be read, and the slot that is written.
type Small<'a> = Ring<'a, 2, 6>;

fn memory() -> Arc<Vec<AtomicU64>> {
    Arc::new((0..Small::WORDS).map(|_| AtomicU64::new(0)).collect())
}

/// A change whose words belong together.
fn write(memory: &[AtomicU64], revision: u64) {
    let mut keys = ChangedKeys::default();
    keys.added.push(&Shared::from(revision.to_string()));
    let ring = Small::new(memory).unwrap();
    let cause = Cause::Event;
    let change = Change { time: revision, revision, cause, keys: &keys, detail: None };
    assert_eq!(ring.write(&change), revision);
}

fn check_record(record: &Record, number: u64) {
    assert_eq!((record.number, record.time, record.revision), (number, number, number));
    assert_eq!(record.added, [number.to_string()]);
}

/// What is read is whole. Returns how many changes were written by then.
fn check(memory: &[AtomicU64]) -> u64 {
    let ring = Small::new(memory).unwrap();
    ring.newest().for_each(|record| check_record(&record, record.number));
    ring.total()
}

#[test]
fn a_reader_has_whole_changes_while_three_are_written() {
    loom::model(|| {
        let memory = memory();
        let writer = Arc::clone(&memory);
        let writing = thread::spawn(move || (1..=3).for_each(|number| write(&writer, number)));
        check(&memory);
        writing.join().unwrap();
        assert_eq!(check(&memory), 3);
    });
}

#[test]
fn a_change_that_is_written_over_meanwhile_is_whole_or_gone() {
    loom::model(|| {
        let memory = memory();
        write(&memory, 1);
        write(&memory, 2);
        let writer = Arc::clone(&memory);
        // In the place of the first.
        let writing = thread::spawn(move || write(&writer, 3));
        let ring = Small::new(&memory).unwrap();
        if let Some(record) = ring.read(1) {
            check_record(&record, 1);
        }
        check_record(&ring.read(2).unwrap(), 2);
        if let Some(record) = ring.read(3) {
            check_record(&record, 3);
        }
        writing.join().unwrap();
    });
}

#[test]
fn a_reader_has_whole_changes_while_writers_take_turns() {
    loom::model(|| {
        let memory = memory();
        let reader = Arc::clone(&memory);
        let reading = thread::spawn(move || {
            let before = check(&reader);
            assert!(check(&reader) >= before);
        });
        let writer = Arc::clone(&memory);
        thread::spawn(move || write(&writer, 1)).join().unwrap();
        write(&memory, 2);
        reading.join().unwrap();
    });
}
