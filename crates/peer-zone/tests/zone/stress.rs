//! Workers in threads and a publisher that never rests: what is held stays whole, and in the end
//! nothing is left.

use std::sync::atomic::{AtomicBool, Ordering};

use peer_zone::{
    Connections, PeerSpec, PickedPeer, Process, RequestOutcome, Worker, Zone, protocol::Publishing,
};

use crate::{
    fixture::{Fixture, at, collect, peer, publish, publisher_process, try_pick, with},
    random::Random,
};

/// Tables published. Sanitizers make each step several times as long.
const TABLES: u32 = 1_500;

/// A peer whose strings can be told from each other's.
fn numbered(number: u64) -> PeerSpec {
    let key = format!("{number}:{}", "k".repeat(number as usize % 90));
    PeerSpec {
        name: format!("name of {number}").into(),
        ..peer(&key, &format!("address of {number}"))
    }
}

fn check(socket_address: &[u8], name: &[u8], key: Option<&[u8]>) {
    let key = std::str::from_utf8(key.expect("a key")).expect("text");
    let number: u64 =
        key.split(':').next().and_then(|number| number.parse().ok()).expect("a number");
    let expected = numbered(number);
    assert_eq!(
        (Some(key), socket_address, name),
        (expected.key.as_deref(), &*expected.socket_address, expected.name.as_bytes())
    );
}

fn check_held(worker: &Worker, held: &PickedPeer) {
    let peer = worker.peer(held);
    assert_eq!(peer.id, held.id());
    check(peer.socket_address, peer.name, peer.key);
}

fn work(zone: Zone, process: u32, mut random: Random, is_over: &AtomicBool) {
    let mut worker = zone.join(Process::new(process, 1), |_| true).expect("an entry");
    let mut held: Vec<PickedPeer> = Vec::new();
    let mut now = 1;
    while !is_over.load(Ordering::Relaxed) {
        match random.below(20) {
            0 => {
                let table = worker.table().expect("a table");
                for row in table.rows() {
                    check(row.peer.socket_address, row.peer.name, row.peer.key);
                    assert!(row.connections.all() < 1_000, "{:?}", row.connections);
                }
            }
            1 => worker.with_report(|bytes| {
                assert!(bytes.iter().all(|&byte| usize::from(byte) == bytes.len() % 251))
            }),
            2..12 => held.extend(try_pick(&mut worker, now)),
            _ if !held.is_empty() => {
                let which = random.below(held.len() as u64) as usize;
                check_held(&worker, &held[which]);
                let outcome = if random.one_in(4) {
                    RequestOutcome::Failed
                } else {
                    RequestOutcome::Answered
                };
                worker.release(held.swap_remove(which), outcome, None, at(now));
            }
            _ => now += 1,
        }
        if held.len() > 40 {
            for held in held.drain(..) {
                check_held(&worker, &held);
                worker.release(held, RequestOutcome::Answered, None, at(now));
            }
        }
    }
    for held in held {
        check_held(&worker, &held);
        worker.release(held, RequestOutcome::Answered, None, at(now));
    }
}

#[test]
fn what_is_held_stays_whole_whatever_is_published() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    let used = fixture.used();
    let mut random = Random::from_environment();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers = [1, 2, 3, 4].map(|process| {
            let (zone, random, is_over) = (fixture.zone, Random::new(random.next()), &is_over);
            scope.spawn(move || work(zone, process, random, is_over))
        });
        let publishing = Publishing::unshared();
        for _ in 0..TABLES {
            let count = random.below(30);
            let peers: Vec<PeerSpec> = (0..count)
                .map(|_| {
                    with(numbered(random.below(60)), |it| {
                        it.weight = 1 + random.below(200) as u32;
                        it.max_conns = random.below(2) as u32 * 5;
                        it.backup = random.one_in(4);
                    })
                })
                .collect();
            // What does not fit while old tables are still read stays as it is.
            let _ = publisher.publish(peers, 0, &publishing);
            if random.one_in(4) {
                let length = random.below(600) as usize;
                publisher.publish_report(&vec![(length % 251) as u8; length], &publishing);
            }
            publisher.reclaim_memory(publisher_process(), |_| true, &publishing);
            if random.one_in(50) {
                publisher = fixture.publisher();
            }
        }
        is_over.store(true, Ordering::Relaxed);
        // The scope would wait as well, but in a way that ThreadSanitizer does not see.
        for worker in workers {
            worker.join().expect("a worker");
        }
    });
    let mut worker = fixture.worker_of(9);
    assert!(
        worker
            .table()
            .expect("a table")
            .rows()
            .all(|row| row.connections == Connections::default())
    );
    publisher.publish_report(&[], &Publishing::unshared());
    publish(&mut publisher, &[]).expect("room");
    collect(&mut publisher);
    assert_eq!(fixture.used(), used + 16);
}
