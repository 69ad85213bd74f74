//! Since when a peer is in its state, and what its checks have found.

use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error};

use peer_statistics::{CheckFault, Head, Layout, Statistics};
use peer_zone::{
    CheckPolicy, Health, PeerSpec, Publisher, RequestOutcome, TableOptions, Worker, Zone,
    protocol::Publishing,
};

use crate::fixture::{Fixture, at, peer, pick, publish_at, server, with};

/// A second, in milliseconds.
const SECOND: u64 = 1_000;

struct Scene {
    publisher: Publisher,
    worker: Worker,
    statistics: Statistics,
    zone: Zone,
    /// Last, so that it is freed when nobody uses it any more.
    _memory: Memory,
}

/// Memory that was given out.
struct Memory(*mut u8, std::alloc::Layout);

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was given out with this layout, and the scene that used it is gone.
        unsafe { dealloc(self.0, self.1) };
    }
}

/// The figures of a zone's peers, and the memory that they are in.
fn statistics(zone: &Zone) -> (Statistics, Memory) {
    let layout = Layout::new(1, zone.index_limit());
    let memory = std::alloc::Layout::from_size_align(layout.size, 64).expect("a layout");
    // SAFETY: the size is not 0.
    let start = unsafe { alloc_zeroed(memory) };
    if start.is_null() {
        handle_alloc_error(memory);
    }
    // SAFETY: the memory is as large as the layout says, and is freed after its last use. All of it
    // is atomics, for which zeroes are a value.
    let statistics = unsafe {
        Statistics::new(
            &*start.cast::<Head>(),
            std::slice::from_raw_parts(start.add(layout.blocks_at).cast(), layout.blocks),
            std::slice::from_raw_parts(start.add(layout.slots_at).cast(), layout.slots),
            std::slice::from_raw_parts(start.add(layout.carries_at).cast(), layout.slots),
        )
    };
    (statistics, Memory(start, memory))
}

impl Scene {
    fn new(fixture: &Fixture, options: TableOptions) -> Self {
        let (statistics, memory) = statistics(&fixture.zone);
        let mut publisher = fixture.publisher();
        publisher.set_statistics(statistics, &Publishing::unshared());
        publisher.set_options(options, 0, &Publishing::unshared());
        let mut worker = fixture.worker();
        worker.set_statistics(Some(statistics));
        Self { publisher, worker, statistics, zone: fixture.zone, _memory: memory }
    }

    fn publish(&mut self, peers: &[PeerSpec], now: u64) {
        publish_at(&mut self.publisher, peers, now);
    }

    /// Since when the only peer is in its state, as it is seen at `seconds`.
    fn since(&mut self, seconds: u32) -> Option<u64> {
        let (statistics, zone) = (self.statistics, self.zone);
        let table = self.worker.table().expect("a table");
        let row = table.rows().next().expect("a peer");
        let id = row.peer.id;
        let noted = statistics.peer(zone.index_of(id), id).state_since;
        row.state_since(noted, at(seconds), 0)
    }
}

#[test]
fn a_state_begins_with_what_the_publisher_changes() {
    let fixture = Fixture::new(1 << 18);
    let mut scene = Scene::new(&fixture, TableOptions::default());
    let down = with(peer("a", "1"), |it| it.down = true);
    let drains = with(peer("a", "1"), |it| it.drain = true);
    let heavy = with(peer("a", "1"), |it| it.weight = 7);
    for (now, wanted, since) in [
        (1, Some(peer("a", "1")), 1),
        (2, Some(heavy), 1),
        (3, Some(drains.clone()), 3),
        (4, Some(drains), 3),
        (5, Some(down), 5),
        (6, Some(peer("a", "1")), 6),
        (7, None, 7),
        (8, Some(peer("a", "1")), 8),
    ] {
        scene.publish(wanted.as_slice(), now * SECOND);
        assert_eq!(scene.since(9), Some(since * SECOND), "at {now} s");
    }
}

#[test]
fn checks_begin_states_and_are_counted() {
    let fixture = Fixture::new(1 << 18);
    let policy = CheckPolicy { mandatory: false, panic: false };
    let options = TableOptions { checking: Some(policy), ..TableOptions::default() };
    let mut scene = Scene::new(&fixture, options);
    scene.publish(&[server("s"), peer("a", "1")], SECOND);
    let publishing = Publishing::unshared();
    for (now, health, since) in [
        (2, Health::Passing, 1),
        (3, Health::Failing, 3),
        (4, Health::Failing, 3),
        (5, Health::Passing, 5),
    ] {
        let fault = (health == Health::Failing).then_some(CheckFault::Status(503));
        let now = now * SECOND;
        scene.publisher.count_check(None, b"s", now, fault, &publishing);
        scene.publisher.set_health(None, b"s", health, now, &publishing);
        assert_eq!(scene.since(9), Some(since * SECOND), "at {now} ms");
    }
    // A configuration without checks forgets what they have found; one as before changes nothing.
    scene.publisher.set_health(None, b"s", Health::Failing, 6 * SECOND, &publishing);
    scene.publisher.set_options(options, 7 * SECOND, &publishing);
    assert_eq!(scene.since(9), Some(6 * SECOND));
    for now in [8 * SECOND, 9 * SECOND] {
        scene.publisher.set_options(TableOptions::default(), now, &publishing);
        assert_eq!(scene.since(9), Some(8 * SECOND));
    }
    let table = scene.worker.table().expect("a table");
    let figures: Vec<_> = table
        .rows()
        .map(|row| {
            let id = row.peer.id;
            scene.statistics.peer(scene.zone.index_of(id), id).checks
        })
        .collect();
    assert_eq!((figures[0].made, figures[0].failed), (4, 2));
    assert_eq!(figures[0].last, Some(5 * SECOND));
    assert_eq!(figures[0].last_failure, Some((4 * SECOND, CheckFault::Status(503))));
    assert_eq!(figures[1], Default::default());
}

#[test]
fn max_fails_and_an_answer_begin_states() {
    let fixture = Fixture::new(1 << 18);
    let mut scene = Scene::new(&fixture, TableOptions::default());
    // Of a single peer failures do not count.
    let peers = ["a", "b"].map(|key| {
        with(peer(key, key), |it| (it.max_fails, it.fail_timeout, it.backup) = (2, 10, key == "b"))
    });
    scene.publish(&peers, SECOND);
    let request = |scene: &mut Scene, seconds, outcome| {
        let held = pick(&mut scene.worker, seconds);
        assert_eq!(scene.worker.peer(&held).socket_address, b"a", "at {seconds} s");
        scene.worker.release(held, outcome, None, at(seconds));
    };
    request(&mut scene, 2, RequestOutcome::Failed);
    assert_eq!(scene.since(2), Some(SECOND));
    request(&mut scene, 3, RequestOutcome::Failed);
    assert_eq!(scene.since(3), Some(3 * SECOND));
    assert_eq!(scene.since(13), Some(3 * SECOND));
    // Time alone makes it available again.
    assert_eq!(scene.since(20), Some(14 * SECOND));
    // A trial that fails makes it unavailable anew, as often as there is one.
    request(&mut scene, 20, RequestOutcome::Failed);
    assert_eq!(scene.since(22), Some(20 * SECOND));
    assert_eq!(scene.since(31), Some(31 * SECOND));
    request(&mut scene, 33, RequestOutcome::Failed);
    assert_eq!(scene.since(34), Some(33 * SECOND));
    assert_eq!(scene.since(44), Some(44 * SECOND));
    request(&mut scene, 45, RequestOutcome::Answered);
    assert_eq!(scene.since(50), Some(45 * SECOND));
}

#[test]
fn failures_that_did_not_count_do_not_begin_a_state() {
    let fixture = Fixture::new(1 << 18);
    let mut scene = Scene::new(&fixture, TableOptions::default());
    let peers = |max_fails| {
        ["a", "b"].map(|key| {
            with(peer(key, key), |it| (it.max_fails, it.backup) = (max_fails, key == "b"))
        })
    };
    let fail = |scene: &mut Scene, seconds| {
        let held = pick(&mut scene.worker, seconds);
        assert_eq!(scene.worker.peer(&held).socket_address, b"a", "at {seconds} s");
        scene.worker.release(held, RequestOutcome::Failed, None, at(seconds));
    };
    scene.publish(&peers(0), SECOND);
    fail(&mut scene, 2);
    fail(&mut scene, 3);
    scene.publish(&peers(1), 100 * SECOND);
    fail(&mut scene, 120);
    assert_eq!(scene.since(121), Some(120 * SECOND));
}
