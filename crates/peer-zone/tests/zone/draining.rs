//! Since when peers are being left, and which of their connections are upgraded.

use peer_zone::{
    CheckPolicy, DrainReasons, Health, Method, PickContext, PickedPeer, Publisher, RequestOutcome,
    TableOptions, Withdrawn, Worker, protocol::Publishing,
};

use crate::fixture::{
    Fixture, at, at_ms, ids, peer, pick, pick_first, publish_at, with, withdrawn,
};

const ALL: DrainReasons = DrainReasons { removed: true, drain: true, check: true };
const REMOVED: DrainReasons = DrainReasons { removed: true, drain: false, check: false };
const DRAIN: DrainReasons = DrainReasons { removed: false, drain: true, check: false };
const CHECK: DrainReasons = DrainReasons { removed: false, drain: false, check: true };

/// The times are kept in units of so many milliseconds, and are later than what they stand for by
/// less than that.
const UNIT: u64 = 10;

/// A request at the peer of this address.
fn hold(worker: &mut Worker, address: &str) -> PickedPeer {
    let id = ids(worker)[address];
    for _ in 0..100 {
        let held = pick(worker, 1);
        if held.id() == id {
            return held;
        }
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    panic!("{address} is never picked");
}

fn set_health_of(publisher: &mut Publisher, key: &str, health: Health, now: u64) {
    let address = if key == "a" { "1" } else { "2" };
    assert!(publisher.set_health(
        Some(key),
        address.as_bytes(),
        health,
        now,
        &Publishing::unshared()
    ));
}

#[test]
fn a_removed_peer_is_left_until_it_returns() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher();
    let peers = [peer("a", "1"), peer("b", "2")];
    publish_at(&mut publisher, &peers, 1_000);
    let mut worker = fixture.worker();
    let held = hold(&mut worker, "1");
    assert_eq!(worker.draining_since(&held, ALL, 9_000), None);
    publish_at(&mut publisher, &peers[1..], 5_001);
    for (reasons, since) in
        [(ALL, Some(5_010)), (REMOVED, Some(5_010)), (DRAIN, None), (CHECK, None)]
    {
        assert_eq!(worker.draining_since(&held, reasons, 9_000), since, "{reasons:?}");
    }
    let table = worker.table().expect("a table");
    let removed = table.rows().find(|row| row.is_removed).expect("the row");
    assert_eq!(removed.draining_since(ALL, 9_000), Some(5_010));
    drop(table);
    // Another change changes nothing about it.
    publish_at(&mut publisher, &[peer("b", "3")], 7_000);
    assert_eq!(worker.draining_since(&held, ALL, 9_000), Some(5_010));
    publish_at(&mut publisher, &peers, 8_000);
    assert_eq!(worker.draining_since(&held, ALL, 9_000), None);
    publish_at(&mut publisher, &[], 9_000);
    assert_eq!(worker.draining_since(&held, ALL, 9_000), Some(9_000));
    worker.release(held, RequestOutcome::Answered, None, at(9));
}

#[test]
fn a_draining_peer_is_left_from_then_on_also_when_it_is_removed() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher();
    let plain = [peer("a", "1"), peer("b", "2")];
    let drains = [with(peer("a", "1"), |it| it.drain = true), peer("b", "2")];
    let is_down = [with(peer("a", "1"), |it| it.down = true), peer("b", "2")];
    publish_at(&mut publisher, &plain, 1_000);
    let mut worker = fixture.worker();
    let held = hold(&mut worker, "1");
    publish_at(&mut publisher, &is_down, 1_500);
    assert_eq!(withdrawn(&mut worker, 1_500), [Withdrawn::Peer(held.id())]);
    assert_eq!(
        worker.draining_since(&held, ALL, 9_000),
        None,
        "nginx's down leaves connections alone"
    );
    publish_at(&mut publisher, &drains, 2_000);
    assert_eq!(withdrawn(&mut worker, 2_000), [Withdrawn::Peer(held.id())]);
    publish_at(
        &mut publisher,
        &[with(drains[0].clone(), |it| it.weight = 7), peer("c", "3")],
        3_000,
    );
    assert_eq!(withdrawn(&mut worker, 3_000), [Withdrawn::Peer(ids_of_removed(&mut worker, "2"))]);
    publish_at(&mut publisher, &plain[1..], 4_000);
    assert_eq!(worker.draining_since(&held, ALL, 9_000), Some(2_000));
    assert_eq!(worker.draining_since(&held, DRAIN, 9_000), Some(2_000));
    assert_eq!(worker.draining_since(&held, REMOVED, 9_000), Some(4_000));
    publish_at(&mut publisher, &drains, 5_000);
    assert_eq!(
        worker.draining_since(&held, ALL, 9_000),
        Some(2_000),
        "it has never said otherwise"
    );
    publish_at(&mut publisher, &plain, 6_000);
    assert_eq!(worker.draining_since(&held, ALL, 9_000), None);
    worker.release(held, RequestOutcome::Answered, None, at(9));
}

fn ids_of_removed(worker: &mut Worker, address: &str) -> u64 {
    let table = worker.table().expect("a table");
    let row =
        table.rows().find(|row| row.is_removed && row.peer.socket_address == address.as_bytes());
    row.map_or(0, |row| row.peer.id)
}

#[test]
fn a_peer_that_fails_its_checks_is_left_unless_all_fail() {
    let fixture = Fixture::new(1 << 20);
    let checking = Some(CheckPolicy { mandatory: false, panic: true });
    let options = TableOptions { checking, ..TableOptions::default() };
    let mut publisher = fixture.publisher_with(options);
    let peers = [peer("a", "1"), peer("b", "2")];
    publish_at(&mut publisher, &peers, 1_000);
    let mut worker = fixture.worker();
    let held = hold(&mut worker, "1");
    let since =
        |worker: &Worker, held: &PickedPeer, reasons| worker.draining_since(held, reasons, 99_000);
    set_health_of(&mut publisher, "a", Health::Failing, 2_000);
    assert_eq!(withdrawn(&mut worker, 2_000), [Withdrawn::Peer(held.id())]);
    assert_eq!(
        (since(&worker, &held, ALL), since(&worker, &held, CHECK)),
        (Some(2_000), Some(2_000))
    );
    assert_eq!((since(&worker, &held, REMOVED), since(&worker, &held, DRAIN)), (None, None));
    // Where all fail all are used; once one is well again those that are not have been in use until
    // then.
    set_health_of(&mut publisher, "b", Health::Failing, 3_000);
    assert_eq!(since(&worker, &held, ALL), None);
    withdrawn(&mut worker, 3_000);
    set_health_of(&mut publisher, "b", Health::Passing, 4_000);
    assert_eq!(since(&worker, &held, ALL), Some(4_000));
    assert_eq!(
        withdrawn(&mut worker, 4_000),
        [Withdrawn::Peer(held.id())],
        "they are to be told apart again"
    );
    set_health_of(&mut publisher, "a", Health::Passing, 5_000);
    assert_eq!(since(&worker, &held, ALL), None);
    // Without checks none fails.
    set_health_of(&mut publisher, "a", Health::Failing, 6_000);
    publisher.set_options(TableOptions::default(), 7_000, &Publishing::unshared());
    assert_eq!(since(&worker, &held, ALL), None);
    worker.release(held, RequestOutcome::Answered, None, at(9));
}

#[test]
fn a_successor_goes_by_the_same_times() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher();
    let peers = [peer("a", "1"), with(peer("b", "2"), |it| it.drain = true), peer("c", "3")];
    publish_at(&mut publisher, &[peer("a", "1"), peer("b", "2"), peer("c", "3")], 1_000);
    let mut worker = fixture.worker();
    let (first, second) = (hold(&mut worker, "1"), hold(&mut worker, "2"));
    publish_at(&mut publisher, &peers[1..], 2_000);
    drop(publisher);
    let mut publisher = fixture.publisher();
    publish_at(&mut publisher, &peers[1..], 3_000);
    for held in [first, second] {
        assert_eq!(worker.draining_since(&held, ALL, 9_000), Some(2_000));
        worker.release(held, RequestOutcome::Answered, None, at(9));
    }
}

#[test]
fn a_cookie_leads_to_a_draining_peer_for_as_long_as_it_is_said() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher =
        fixture.publisher_with(TableOptions { is_sticky: true, ..TableOptions::default() });
    let named = |peer, id| peer_zone::PeerSpec { sticky: id, ..peer };
    let other = named(peer("b", "2"), 8);
    publish_at(&mut publisher, &[named(peer("a", "1"), 7), other.clone()], 1_000);
    publish_at(
        &mut publisher,
        &[named(with(peer("a", "1"), |it| it.drain = true), 7), other],
        2_000,
    );
    let mut worker = fixture.worker();
    let mut sticky_at = |now, grace| {
        let context = PickContext {
            method: Method::RoundRobin,
            key: b"",
            sticky: Some(7),
            grace,
            ..PickContext::default()
        };
        let held = pick_first(&mut worker, &context, at_ms(now)).expect("a peer");
        let sticky = held.sticky();
        worker.release(held, RequestOutcome::Answered, None, at_ms(now));
        sticky
    };
    assert_eq!(sticky_at(2_999, Some(1_000)), Some(7));
    assert_eq!(sticky_at(3_000 + UNIT, Some(1_000)), Some(8));
    assert_eq!(sticky_at(3_000 + UNIT, None), Some(7));
    assert_eq!(sticky_at(2_000 + UNIT, Some(0)), Some(8));
}

#[test]
fn upgraded_connections_are_counted_apart() {
    let fixture = Fixture::with_workers(1 << 20, 1);
    let mut publisher = fixture.publisher();
    publish_at(&mut publisher, &[peer("a", "1")], 0);
    // More than have columns of their own: the last ones share one.
    let mut workers: Vec<Worker> = (1..=18).map(|process| fixture.worker_of(process)).collect();
    let mut held: Vec<(usize, PickedPeer)> = Vec::new();
    for (index, worker) in workers.iter_mut().enumerate() {
        held.extend((0..3).map(|_| (index, pick(worker, 1))));
    }
    for (number, (index, held)) in held.iter_mut().enumerate() {
        if number % 3 != 0 {
            workers[*index].upgrade(held);
            workers[*index].upgrade(held);
        }
    }
    let counted = |workers: &mut Vec<Worker>| {
        let table = workers[0].table().expect("a table");
        let connections = table.rows().next().expect("a row").connections;
        (connections.all(), connections.upgraded())
    };
    assert_eq!(counted(&mut workers), (54, 36));
    let (index, upgraded) = held.remove(1);
    workers[index].release(upgraded, RequestOutcome::Answered, None, at(1));
    let (index, plain) = held.remove(0);
    workers[index].release(plain, RequestOutcome::Answered, None, at(1));
    assert_eq!(counted(&mut workers), (52, 35));
    // The first has one left, which dies with it.
    crate::fixture::collect_with(&mut publisher, |process| process.id() != 1);
    assert_eq!(counted(&mut workers), (51, 34));
}
