//! Workers in threads, and groups that swap their nodes all the time: no request gets a peer that
//! was never its group's.

use std::sync::atomic::{AtomicBool, Ordering};

use peer_zone::{
    Connections, GroupName, PeerSpec, PickedPeer, Process, Publisher, RequestOutcome, Zone,
    protocol::Publishing,
};

use super::{all_rows, grouped, in_group, pick_in};
use crate::{
    fixture::{Fixture, at, collect, peer, publish, publisher_process, with},
    random::Random,
};

/// Directories published. Sanitizers make each step several times as long.
const STEPS: u32 = 1_500;

/// In [`STEPS`] a group has one of these servers.
const GROUPS: [&str; 3] = ["a", "bb", "ccc"];

/// The address says of which group a node may be: it is another node with each.
fn node(number: u64, group: usize) -> PeerSpec {
    let name = GROUPS[group];
    let address = format!("{number} of {name}");
    in_group(peer(&format!("node {number}"), &address), name)
}

fn work(zone: Zone, process: u32, mut random: Random, is_over: &AtomicBool) {
    let mut worker = zone.join(Process::new(process, 1), |_| true).expect("an entry");
    let mut held: Vec<PickedPeer> = Vec::new();
    let mut now = 1;
    while !is_over.load(Ordering::Relaxed) {
        let group = GROUPS[random.below(3) as usize];
        match random.below(20) {
            0 => drop(all_rows(&mut worker)),
            1 => drop(worker.group_status(GroupName::new(group.as_bytes()))),
            2..12 => {
                let Some(got) = pick_in(&mut worker, group) else { continue };
                let address = worker.peer(&got).socket_address;
                let address = std::str::from_utf8(address).expect("text");
                assert_eq!(address.split(' ').next_back(), Some(group), "{address}");
                held.push(got);
            }
            _ if !held.is_empty() => {
                let got = held.swap_remove(random.below(held.len() as u64) as usize);
                let outcome = if random.one_in(4) {
                    RequestOutcome::Failed
                } else {
                    RequestOutcome::Answered
                };
                let of = worker.last_group();
                worker.release_in(of, got, outcome, None, at(now));
            }
            _ => now += 1,
        }
        if held.len() > 40 {
            for got in held.drain(..) {
                worker.release(got, RequestOutcome::Answered, None, at(now));
            }
        }
    }
    for got in held {
        worker.release(got, RequestOutcome::Answered, None, at(now));
    }
}

#[test]
fn no_request_gets_a_peer_of_another_group() {
    let fixture = Fixture::with_workers(1 << 18, 4);
    let method = peer_zone::Method::RoundRobin;
    let mut publisher: Publisher = grouped(&fixture, method);
    publish(&mut publisher, &[]).expect("room");
    let mut random = Random::from_environment();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers = [1, 2, 3, 4].map(|process| {
            let (zone, random, is_over) = (fixture.zone, Random::new(random.next()), &is_over);
            scope.spawn(move || work(zone, process, random, is_over))
        });
        let publishing = Publishing::unshared();
        for _ in 0..STEPS {
            let count = random.below(30);
            let peers: Vec<PeerSpec> = (0..count)
                .map(|_| {
                    let node = node(random.below(60), random.below(3) as usize);
                    with(node, |it| {
                        it.weight = 1 + random.below(200) as u32;
                        it.max_conns = random.below(2) as u32 * 5;
                        it.backup = random.one_in(4);
                    })
                })
                .collect();
            // What does not fit while old tables are still read stays as it is.
            let _ = publisher.publish(peers, 0, &publishing);
            publisher.reclaim_memory(publisher_process(), |_| true, &publishing);
            if random.one_in(50) {
                publisher = grouped(&fixture, method);
            }
        }
        is_over.store(true, Ordering::Relaxed);
        // The scope would wait as well, but in a way that ThreadSanitizer does not see.
        for worker in workers {
            worker.join().expect("a worker");
        }
    });
    publish(&mut publisher, &[]).expect("room");
    collect(&mut publisher);
    let mut worker = fixture.worker_of(9);
    assert!(all_rows(&mut worker)[&None].is_empty());
    let table = worker.table().expect("a table");
    assert!(table.rows().all(|row| row.connections == Connections::default()));
}
