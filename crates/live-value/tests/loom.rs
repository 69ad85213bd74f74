//! The protocol in every interleaving.
#![cfg(loom)]

use live_value::{Origin, ValueCell};
use loom::sync::Arc;
use loom::thread;

type Small = ValueCell<2>;

/// The value of a revision: two words that belong together.
fn value(revision: u64) -> [u8; 16] {
    [revision as u8; 16]
}

fn write(cell: &Small, revision: u64) {
    cell.write(Some(&value(revision)), Origin { cluster_id: revision, revision });
}

fn check(cell: &Small) {
    let mut into = [0; Small::CAPACITY];
    // More retries than loom can see through would be needed for an error.
    let Ok(reading) = cell.read(&mut into) else { return };
    let revision = reading.origin.revision;
    assert_eq!(reading.origin.cluster_id, revision);
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
