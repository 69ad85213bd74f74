//! A publisher that is gone after any step, and its successor.

use peer_zone::{Changes, PeerSpec, PickedPeer, Publisher, RequestOutcome, Worker};

use crate::{
    fixture::{
        Fixture, address, at, collect, collect_once, peer, pick, publish, rows, server, with,
    },
    random::Random,
};

fn list(random: &mut Random) -> Vec<PeerSpec> {
    let mut peers = Vec::new();
    for index in 0..random.below(4) {
        peers.push(with(server(&format!("line {index}")), |it| it.backup = index % 3 == 1));
    }
    for index in 0..random.below(12) {
        let peer = peer(
            &format!("key {}", index * random.below(3)),
            &format!("address {}", random.below(3)),
        );
        peers.push(with(peer, |it| {
            it.weight = 1 + random.below(900) as u32;
            it.backup = random.one_in(5);
            it.down = random.one_in(5);
            it.max_conns = 9 * random.below(2) as u32;
        }));
    }
    peers
}

/// The next publisher, where the one before has left nothing but what lies in the zone: to drop it
/// writes nothing there, so that it is as good as killed.
fn succeed(fixture: &Fixture, publisher: Publisher) -> Publisher {
    let before: Vec<PeerSpec> = publisher.listed().cloned().collect();
    let generation = publisher.generation();
    drop(publisher);
    let successor = fixture.publisher();
    assert!(successor.listed().eq(&before));
    assert_eq!(successor.generation(), generation);
    successor
}

#[test]
fn a_successor_knows_all_and_loses_nothing() {
    let mut random = Random::from_environment();
    for _ in 0..20 {
        let fixture = Fixture::new(1 << 18);
        let mut publisher = fixture.publisher();
        publish(&mut publisher, &[]).expect("room");
        let used = fixture.used();
        let mut workers = [1, 2].map(|process| fixture.worker_of(process));
        let mut held: Vec<(usize, PickedPeer, String)> = Vec::new();
        for _ in 0..100 {
            match random.below(6) {
                0 => {
                    publish(&mut publisher, &list(&mut random)).expect("room");
                }
                1 => collect_once(&mut publisher),
                2 => publisher = succeed(&fixture, publisher),
                3 => {
                    publisher.publish_report(
                        &vec![7; random.below(900) as usize],
                        &peer_zone::protocol::Publishing::unshared(),
                    );
                }
                4 if !held.is_empty() => {
                    let (worker, held, expected) =
                        held.swap_remove(random.below(held.len() as u64) as usize);
                    assert_eq!(address(&workers[worker], &held), expected);
                    workers[worker].release(held, RequestOutcome::Answered, None, at(1));
                }
                _ => {
                    let index = random.below(2) as usize;
                    let worker: &mut Worker = &mut workers[index];
                    if let Some(got) = crate::fixture::try_pick(worker, 1) {
                        let address = address(worker, &got);
                        held.push((index, got, address));
                    }
                }
            }
            let open: u32 = rows(&mut workers[0]).iter().map(|row| row.2).sum();
            assert_eq!(open as usize, held.len());
        }
        for (worker, held, _) in held {
            workers[worker].release(held, RequestOutcome::Answered, None, at(1));
        }
        publisher = succeed(&fixture, publisher);
        publisher.publish_report(&[], &peer_zone::protocol::Publishing::unshared());
        publish(&mut publisher, &[]).expect("room");
        collect(&mut publisher);
        // The empty report takes a unit, which the beginning did not have.
        assert_eq!(fixture.used(), used + 16);
    }
}

#[test]
fn the_same_list_is_the_same_to_a_successor() {
    let fixture = Fixture::new(1 << 18);
    let backup = |address| with(server(address), |it| it.backup = true);
    // A reload has changed the order of lines, so that it is not that in which they were made.
    let orders = [
        vec![server("a"), backup("b"), server("c"), backup("d"), peer("k", "1")],
        vec![backup("d"), server("c"), peer("k", "1"), backup("b"), server("a")],
    ];
    for order in orders {
        publish(&mut fixture.publisher(), &order).expect("room");
        assert_eq!(publish(&mut fixture.publisher(), &order), Ok(Changes::default()));
    }
}

#[test]
fn a_pinned_table_outlives_its_publisher() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    let used = fixture.used();
    publish(&mut publisher, &[peer("a", "1"), peer("b", "2")]).expect("room");
    let (mut reader, mut worker) = (fixture.worker_of(1), fixture.worker_of(2));
    let table = reader.table().expect("a table");
    for round in 0..10 {
        publish(&mut publisher, &[peer("other", &round.to_string())]).expect("room");
        publisher = succeed(&fixture, publisher);
        collect(&mut publisher);
        let found: Vec<_> =
            table.rows().map(|row| (row.peer.key, row.peer.name, row.connections.all())).collect();
        assert_eq!(found, [(Some(&b"a"[..]), &b"[1]"[..], 0), (Some(b"b"), b"[2]", 0)]);
    }
    drop(table);
    let held = pick(&mut worker, 1);
    publish(&mut publisher, &[]).expect("room");
    publisher = succeed(&fixture, publisher);
    collect(&mut publisher);
    assert_eq!(rows(&mut worker), [(Some("other".into()), "9".into(), 1, true)]);
    worker.release(held, RequestOutcome::Answered, None, at(1));
    collect(&mut publisher);
    assert_eq!(fixture.used(), used);
}
