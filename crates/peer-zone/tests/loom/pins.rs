//! What is published is not reused while a reader has it pinned.

use loom::{cell::UnsafeCell, sync::Arc, thread};
use peer_zone::protocol::{Pin, Root};

/// Two places for what is published, as the publisher and its readers see them. loom fails where a
/// read of a place and its reuse are not in order.
struct Places {
    root: Root,
    pins: [Pin; 2],
    contents: [UnsafeCell<u32>; 2],
}

impl Places {
    /// Place 1 is published.
    fn new() -> Arc<Self> {
        let contents = [UnsafeCell::new(1), UnsafeCell::new(0)];
        Arc::new(Self { root: Root::new(1), pins: [Pin::new(), Pin::new()], contents })
    }

    fn content(&self, place: u32) -> &UnsafeCell<u32> {
        &self.contents[place as usize - 1]
    }

    /// What is published is the place's own number, and a hundred more each time that it is used
    /// again.
    fn read(&self, reader: usize) {
        let place = self.pins[reader].set(&self.root);
        // SAFETY: the place is pinned; loom checks it.
        let content = self.content(place).with(|content| unsafe { *content });
        assert_eq!(content % 100, place);
        self.pins[reader].clear();
    }

    /// Publishes the place that is not in use, if nobody reads there what it was before.
    fn publish(&self) {
        let place = 3 - self.root.current();
        if self.pins.iter().all(|pin| pin.place() != place) {
            // SAFETY: nobody has it pinned; loom checks it.
            self.content(place)
                .with_mut(|content| unsafe { *content = (*content / 100 + 1) * 100 + place });
            self.root.publish(place);
        }
    }
}

#[test]
fn a_reader_never_reads_what_is_being_reused() {
    loom::model(|| {
        let places = Places::new();
        let reader = thread::spawn({
            let places = places.clone();
            move || places.read(0)
        });
        // To place 2, and back to place 1 where the reader may be.
        places.publish();
        places.publish();
        reader.join().expect("the reader");
    });
}

#[test]
fn a_pin_set_anew_ends_the_one_before() {
    loom::model(|| {
        let places = Places::new();
        let reader = thread::spawn({
            let places = places.clone();
            move || {
                places.read(0);
                places.read(0);
            }
        });
        places.publish();
        places.publish();
        reader.join().expect("the reader");
    });
}

#[test]
fn each_of_two_readers_is_waited_for() {
    loom::model(|| {
        let places = Places::new();
        let readers = [0, 1].map(|reader| {
            let places = places.clone();
            thread::spawn(move || places.read(reader))
        });
        places.publish();
        places.publish();
        for reader in readers {
            reader.join().expect("a reader");
        }
    });
}
