//! Peers that are gone: seen for as long as they have connections, and then no more.

use peer_zone::{PickedPeer, RequestOutcome, Worker};

use crate::fixture::{
    Fixture, address, ask, at, collect, collect_once, peer, pick, publish, rows, server, with,
};

/// Holds both peers of a zone that has two: the first and the second.
fn hold_both(worker: &mut Worker) -> [PickedPeer; 2] {
    let both = [pick(worker, 1), pick(worker, 1)];
    assert_eq!([address(worker, &both[0]), address(worker, &both[1])], ["1", "2"]);
    both
}

#[test]
fn is_listed_until_its_connections_are_gone() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("b", "2")]).expect("room");
    collect(&mut publisher);
    let used = fixture.used();
    publish(&mut publisher, &[peer("a", "1"), peer("b", "2")]).expect("room");
    let mut worker = fixture.worker();
    let [first, second] = hold_both(&mut worker);
    publish(&mut publisher, &[peer("b", "2")]).expect("room");
    let generation = publisher.generation();
    for _ in 0..3 {
        collect(&mut publisher);
        assert_eq!([ask(&mut worker, 1), ask(&mut worker, 1)], ["2", "2"]);
        assert_eq!(rows(&mut worker)[1], (Some("a".into()), "1".into(), 1, true));
        assert_eq!(address(&worker, &first), "1");
    }
    worker.release(first, RequestOutcome::Answered, None, at(1));
    collect(&mut publisher);
    assert_eq!(rows(&mut worker), [(Some("b".into()), "2".into(), 1, false)]);
    assert_eq!(fixture.used(), used);
    // That a peer is listed no more is no change of the peers.
    assert_eq!(publisher.generation(), generation);
    worker.release(second, RequestOutcome::Answered, None, at(1));
}

#[test]
fn comes_back_as_the_same() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1"), peer("b", "2")]).expect("room");
    let mut worker = fixture.worker();
    let [first, second] = hold_both(&mut worker);
    for _ in 0..3 {
        publish(&mut publisher, &[peer("b", "2")]).expect("room");
        collect(&mut publisher);
        publish(&mut publisher, &[peer("a", "1"), peer("b", "2")]).expect("room");
        collect(&mut publisher);
    }
    let again = rows(&mut worker);
    assert_eq!(again.len(), 2);
    assert_eq!(again[0], (Some("a".into()), "1".into(), 1, false));
    worker.release(first, RequestOutcome::Answered, None, at(1));
    worker.release(second, RequestOutcome::Answered, None, at(1));
}

#[test]
fn a_pinned_table_keeps_all_that_it_lists() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    let used = fixture.used();
    let mut worker = fixture.worker();
    publish(&mut publisher, &[peer("a", "1"), peer("b", "2")]).expect("room");
    let table = worker.table().expect("a table");
    for round in 0..20 {
        publish(&mut publisher, &[peer("other", &round.to_string())]).expect("room");
        collect(&mut publisher);
        let found: Vec<_> = table
            .rows()
            .map(|row| (row.peer.key, row.peer.socket_address, row.peer.name))
            .collect();
        assert_eq!(found, [(Some(&b"a"[..]), &b"1"[..], &b"[1]"[..]), (Some(b"b"), b"2", b"[2]")]);
    }
    drop(table);
    publish(&mut publisher, &[]).expect("room");
    collect(&mut publisher);
    assert_eq!(fixture.used(), used);
}

#[test]
fn server_lines_may_name_an_address_twice() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    let used = fixture.used();
    publish(&mut publisher, &[server("1"), server("1"), server("1")]).expect("room");
    let mut worker = fixture.worker();
    let held: Vec<PickedPeer> = (0..3).map(|_| pick(&mut worker, 1)).collect();
    assert!(held[0].id() != held[1].id() && held[1].id() != held[2].id());
    publish(&mut publisher, &[server("1"), with(server("1"), |it| it.weight = 3)]).expect("room");
    collect(&mut publisher);
    let removed: Vec<bool> = rows(&mut worker).into_iter().map(|row| row.3).collect();
    assert_eq!(removed, [false, false, true]);
    // A line that comes back is another one: it has no name to know it by.
    publish(&mut publisher, &[server("1"), server("1"), server("1")]).expect("room");
    assert_eq!(rows(&mut worker).len(), 4);
    for held in held {
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    publish(&mut publisher, &[]).expect("room");
    collect(&mut publisher);
    assert_eq!(fixture.used(), used);
}

#[test]
fn ten_thousand_peers_and_a_thousand_changes_leave_nothing() {
    let fixture = Fixture::new(16 << 20);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    let used = fixture.used();
    let mut worker = fixture.worker();
    let mut peers: Vec<_> =
        (0..10_000).map(|index| peer(&format!("node-{index:05}"), &format!("{index}"))).collect();
    publish(&mut publisher, &peers).expect("room");
    let full = fixture.used();
    let mut held = Vec::new();
    // Ten at a time.
    for change in 0..100_usize {
        for index in (change * 10..change * 10 + 10).map(|index| index * 7_919 % 10_000) {
            peers[index] = peer(&format!("node-{index:05}"), &format!("{index} after {change:03}"));
        }
        publish(&mut publisher, &peers).expect("room");
        collect_once(&mut publisher);
        held.extend((0..10).map(|_| pick(&mut worker, 1)));
        for _ in 0..3 {
            worker.release(
                held.swap_remove(change * 31 % held.len()),
                RequestOutcome::Answered,
                None,
                at(1),
            );
        }
    }
    for held in held {
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    let original: Vec<_> =
        (0..10_000).map(|index| peer(&format!("node-{index:05}"), &format!("{index}"))).collect();
    publish(&mut publisher, &original).expect("room");
    collect(&mut publisher);
    assert_eq!(fixture.used(), full);
    publish(&mut publisher, &[]).expect("room");
    collect(&mut publisher);
    assert_eq!(fixture.used(), used);
}

/// Idle connections are found by the one, and those of a withdrawn peer by the other.
#[test]
fn a_held_peer_has_the_index_of_its_id() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    let peers: Vec<_> = (0..50).map(|it| peer(&format!("{it}"), &format!("{it}"))).collect();
    publish(&mut publisher, &peers).expect("room");
    let mut worker = fixture.worker();
    for _ in 0..50 {
        let held = pick(&mut worker, 1);
        assert_eq!(held.index(), fixture.zone.index_of(held.id()));
        assert!(held.index() < fixture.zone.index_limit());
    }
}
