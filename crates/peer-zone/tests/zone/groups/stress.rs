//! Workers in threads, and groups that swap their nodes all the time: no request gets a peer that
//! was never its group's.

use std::sync::atomic::{AtomicBool, Ordering};

use peer_zone::{
    Among, Closing, Connections, DrainReasons, GroupName, GroupOptions, PeerSpec, PickedPeer,
    Process, Publisher, RequestOutcome, Zone, protocol::Publishing,
};

use super::{all_rows, grouped, in_group, pick_in};
use crate::{
    fixture::{Fixture, METHODS, at, collect, peer, publish, publisher_process, with},
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

/// What a group has of its own. Its number is in what is read of it.
fn options(group: usize, random: &mut Random) -> GroupOptions {
    let on = DrainReasons { removed: true, drain: true, check: true };
    let after = 3 * random.below(1_000) + group as u64;
    let closing = random.one_in(4).then_some(None);
    GroupOptions {
        method: random.one_in(3).then(|| METHODS[random.below(METHODS.len() as u64) as usize]),
        hash_key: random.one_in(2).then(|| GROUPS[group].repeat(5).into()),
        closing: closing.or(Some(Some(Closing { after, spread: after + 3, on }))),
        ..GroupOptions::default()
    }
}

/// Whether the peer is left as one of its group is.
fn is_closing_of(group: usize, closing: Closing) -> bool {
    closing.after % 3 == group as u64 && closing.spread == closing.after + 3
}

fn work(zone: Zone, process: u32, mut random: Random, is_over: &AtomicBool) {
    let mut worker = zone.join(Process::new(process, 1), |_| true).expect("an entry");
    let mut held: Vec<PickedPeer> = Vec::new();
    let mut now = 1;
    while !is_over.load(Ordering::Relaxed) {
        let number = random.below(3) as usize;
        let group = GROUPS[number];
        match random.below(20) {
            0 => drop(all_rows(&mut worker)),
            1 => _ = worker.group_status(GroupName::new(group.as_bytes())),
            2..12 => {
                let Some(got) = pick_in(&mut worker, group) else { continue };
                let address = worker.peer(&got).socket_address;
                let address = std::str::from_utf8(address).expect("text");
                assert_eq!(address.split(' ').next_back(), Some(group), "{address}");
                let closing = worker.closing(&got).flatten();
                assert!(closing.is_none_or(|it| is_closing_of(number, it)), "{closing:?}");
                let among = Among::Group(GroupName::new(group.as_bytes()));
                // There may be no room for it while old tables are still read.
                let is_key = |key: &[u8]| key.is_empty() || key == group.repeat(5).as_bytes();
                assert!(worker.with_hash_key(among, |key| key.is_none_or(is_key)));
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
            let group = random.below(3) as usize;
            // There may be too many closings of peers that are gone.
            let own = options(group, &mut random);
            let _ = publisher.set_group_options(GROUPS[group], own, 0, &publishing);
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
