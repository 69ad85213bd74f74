//! What active checks say, and the peers that leave the service.

use std::collections::BTreeSet;

use peer_zone::{
    CheckPolicy, Health, Method, PeerSpec, PickContext, Process, Publisher, RequestOutcome,
    TableOptions, Withdrawn, Worker, protocol::Publishing,
};

use crate::fixture::{
    Fixture, METHODS, address, at, collect, collect_with, context, fail, ids, peer, pick,
    pick_first, publish, server, with, withdrawn,
};

fn options(method: Method, mandatory: bool, panic: bool) -> TableOptions {
    TableOptions {
        method,
        is_sticky: false,
        checking: Some(CheckPolicy { mandatory, panic }),
        is_grouped: false,
    }
}

fn three() -> Vec<PeerSpec> {
    vec![peer("a", "1"), peer("b", "2"), server("3")]
}

/// What the checks of the peer at this address say now.
fn set_health_of(publisher: &mut Publisher, address: &str, health: Health) -> bool {
    let key = match address {
        "1" => Some("a"),
        "2" => Some("b"),
        "3" => None,
        _ => Some("unknown"),
    };
    publisher.set_health(key, address.as_bytes(), health, 1_000, &Publishing::unshared())
}

/// The addresses that a number of requests with different keys get; none where one of them gets no
/// peer.
fn picked(worker: &mut Worker, method: Method) -> BTreeSet<String> {
    let mut picked = BTreeSet::new();
    for key in 0..60_u8 {
        let key = [key, 1, 2];
        let Some(held) = pick_first(worker, &PickContext { key: &key, ..context(method) }, at(1))
        else {
            return BTreeSet::new();
        };
        picked.insert(address(worker, &held));
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    picked
}

fn set(addresses: &[&str]) -> BTreeSet<String> {
    addresses.iter().map(|&address| address.to_owned()).collect()
}

#[test]
fn one_that_fails_is_passed_over_by_every_method() {
    for method in METHODS {
        let fixture = Fixture::new(1 << 20);
        let mut publisher = fixture.publisher_with(options(method, false, false));
        publish(&mut publisher, &three()).expect("room");
        let mut worker = fixture.worker();
        assert_eq!(picked(&mut worker, method), set(&["1", "2", "3"]), "{}", method.name());
        assert!(set_health_of(&mut publisher, "2", Health::Failing));
        assert!(!set_health_of(&mut publisher, "2", Health::Failing), "it says the same");
        assert_eq!(picked(&mut worker, method), set(&["1", "3"]), "{}", method.name());
        assert!(set_health_of(&mut publisher, "3", Health::Failing));
        assert_eq!(picked(&mut worker, method), set(&["1"]), "{}", method.name());
        assert!(set_health_of(&mut publisher, "2", Health::Passing));
        assert_eq!(picked(&mut worker, method), set(&["1", "2"]), "{}", method.name());
        // It outlives a change of the peers around, and a publisher.
        publish(&mut publisher, &[&three()[..], &[peer("c", "4")]].concat()).expect("room");
        drop(publisher);
        let publisher = fixture.publisher_with(options(method, false, false));
        assert_eq!(publisher.health(None, b"3"), Some(Health::Failing));
        assert_eq!(publisher.health(Some("b"), b"2"), Some(Health::Passing));
        assert_eq!(picked(&mut worker, method), set(&["1", "2", "4"]), "{}", method.name());
    }
}

#[test]
fn where_all_fail_it_is_all_or_nobody() {
    for method in METHODS {
        for panic in [false, true] {
            let fixture = Fixture::new(1 << 20);
            let mut publisher = fixture.publisher_with(options(method, false, panic));
            publish(&mut publisher, &three()).expect("room");
            let mut worker = fixture.worker();
            for address in ["1", "2", "3"] {
                assert!(!fixture.zone.statistics().is_panicking);
                assert!(set_health_of(&mut publisher, address, Health::Failing));
            }
            assert_eq!(fixture.zone.statistics().is_panicking, panic);
            let all = if panic { set(&["1", "2", "3"]) } else { set(&[]) };
            assert_eq!(picked(&mut worker, method), all, "{}", method.name());
            // The first that passes ends it, in the same second.
            assert!(set_health_of(&mut publisher, "2", Health::Passing));
            assert!(!fixture.zone.statistics().is_panicking);
            assert_eq!(picked(&mut worker, method), set(&["2"]), "{}", method.name());
            // So does a new peer, and one that comes back; where it goes they are in trouble again.
            set_health_of(&mut publisher, "2", Health::Failing);
            publish(&mut publisher, &[&three()[..], &[peer("c", "4")]].concat()).expect("room");
            assert_eq!(picked(&mut worker, method), set(&["4"]), "{}", method.name());
            publish(&mut publisher, &three()).expect("room");
            assert_eq!(fixture.zone.statistics().is_panicking, panic);
            assert_eq!(picked(&mut worker, method), all, "{}", method.name());
        }
    }
}

#[test]
fn before_its_first_check_a_peer_waits_where_it_must() {
    for method in METHODS {
        let fixture = Fixture::new(1 << 20);
        let mut publisher = fixture.publisher_with(options(method, true, true));
        publish(&mut publisher, &three()).expect("room");
        let mut worker = fixture.worker();
        assert_eq!(
            publisher.listed_with_health().filter(|(_, it)| *it == Health::Pending).count(),
            3
        );
        assert_eq!(picked(&mut worker, method), set(&[]));
        assert!(!fixture.zone.statistics().is_panicking, "nobody fails");
        assert!(set_health_of(&mut publisher, "1", Health::Passing));
        assert_eq!(picked(&mut worker, method), set(&["1"]), "{}", method.name());
        // The only one that may serve fails: it is used all the same, and those that wait go on
        // waiting.
        assert!(set_health_of(&mut publisher, "1", Health::Failing));
        assert!(fixture.zone.statistics().is_panicking);
        assert_eq!(picked(&mut worker, method), set(&["1"]), "{}", method.name());
        assert!(set_health_of(&mut publisher, "3", Health::Failing));
        assert_eq!(picked(&mut worker, method), set(&["1", "3"]), "{}", method.name());
        assert!(set_health_of(&mut publisher, "2", Health::Passing));
        assert_eq!(picked(&mut worker, method), set(&["2"]), "{}", method.name());
    }
}

#[test]
fn without_checks_what_they_said_is_forgotten() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher_with(options(Method::RoundRobin, true, false));
    publish(&mut publisher, &three()).expect("room");
    let mut worker = fixture.worker();
    set_health_of(&mut publisher, "1", Health::Passing);
    set_health_of(&mut publisher, "3", Health::Failing);
    // It goes, and comes back after the checks are gone.
    let held = pick(&mut worker, 1);
    publish(&mut publisher, &three()[1..]).expect("room");
    set_health_of(&mut publisher, "2", Health::Failing);
    publisher.set_options(TableOptions::default(), 0, &Publishing::unshared());
    assert!(publisher.listed_with_health().all(|(_, health)| health == Health::Unchecked));
    publish(&mut publisher, &three()).expect("room");
    assert_eq!(picked(&mut worker, Method::RoundRobin), set(&["1", "2", "3"]));
    worker.release(held, RequestOutcome::Answered, None, at(1));
}

#[test]
fn one_that_is_gone_while_checks_end_is_not_kept_out_when_it_returns() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher_with(options(Method::RoundRobin, false, false));
    publish(&mut publisher, &three()).expect("room");
    let mut worker = fixture.worker();
    let held: Vec<_> = (0..3).map(|_| pick(&mut worker, 1)).collect();
    set_health_of(&mut publisher, "2", Health::Failing);
    publish(&mut publisher, &[peer("a", "1"), server("3")]).expect("room");
    drop(publisher);
    let mut publisher = fixture.publisher_with(TableOptions::default());
    publish(&mut publisher, &three()).expect("room");
    assert_eq!(publisher.health(Some("b"), b"2"), Some(Health::Unchecked));
    assert_eq!(picked(&mut worker, Method::RoundRobin), set(&["1", "2", "3"]));
    for held in held {
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
}

#[test]
fn of_unknown_peers_nothing_is_said() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher_with(options(Method::RoundRobin, false, true));
    let mut worker = fixture.worker();
    assert!(!set_health_of(&mut publisher, "1", Health::Failing), "there is no table yet");
    publish(&mut publisher, &three()).expect("room");
    for (key, address) in [(Some("a"), &b"2"[..]), (Some("c"), b"1"), (None, b"1"), (Some(""), b"")]
    {
        assert_eq!(publisher.health(key, address), None);
        assert!(!publisher.set_health(key, address, Health::Failing, 0, &Publishing::unshared()));
    }
    publish(&mut publisher, &three()[1..]).expect("room");
    assert!(!set_health_of(&mut publisher, "1", Health::Failing), "it is gone");
    assert_eq!(withdrawn(&mut worker, 0).len(), 1, "only that it has gone");
}

#[test]
fn who_leaves_the_service_is_told_once_and_in_order() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher_with(options(Method::RoundRobin, false, true));
    let all: Vec<PeerSpec> =
        (0..6).map(|index| peer(&index.to_string(), &index.to_string())).collect();
    publish(&mut publisher, &all).expect("room");
    let mut workers = [1, 2].map(|process| fixture.worker_of(process));
    assert!(!workers[0].has_withdrawals());
    let ids: Vec<u64> = ids(&mut workers[0]).into_values().collect();
    let told = |worker: &mut Worker| withdrawn(worker, 0);
    let change = |publisher: &mut Publisher, change: &dyn Fn(&mut Vec<PeerSpec>)| {
        let mut peers = all.clone();
        change(&mut peers);
        publish(publisher, &peers).expect("room");
    };

    // Removed, down, and drained; not what only changes.
    change(&mut publisher, &|peers| {
        peers[1] = with(peers[1].clone(), |it| it.down = true);
        peers[2] = with(peers[2].clone(), |it| it.drain = true);
        peers[3] = with(peers[3].clone(), |it| (it.weight, it.backup) = (4, true));
        peers.remove(0);
    });
    assert!(workers[0].has_withdrawals());
    let first = [0, 1, 2].map(|index| Withdrawn::Peer(ids[index]));
    assert_eq!(told(&mut workers[0]), first);
    assert!(!workers[0].has_withdrawals());
    assert_eq!(told(&mut workers[0]), []);
    // What is out of service already does not leave it again, but when its key goes.
    change(&mut publisher, &|peers| {
        peers[1] = with(peers[1].clone(), |it| (it.down, it.weight) = (true, 2));
        peers[2] = with(peers[2].clone(), |it| it.down = true);
        peers.remove(0);
    });
    assert_eq!(told(&mut workers[0]), []);
    collect(&mut publisher);
    assert_eq!(told(&mut workers[0]), [], "nor when its memory is given back");
    // Back, and as another, since it was given back in between.
    change(&mut publisher, &|_| {});
    assert_eq!(told(&mut workers[0]), []);
    // Failing, whatever it was; not passing.
    let mut set_health = |index: usize, health| {
        let name = index.to_string();
        publisher.set_health(Some(&name), name.as_bytes(), health, 0, &Publishing::unshared())
    };
    set_health(4, Health::Passing);
    set_health(5, Health::Failing);
    set_health(4, Health::Failing);
    set_health(5, Health::Failing);
    set_health(5, Health::Passing);
    let second = [5, 4].map(|index| Withdrawn::Peer(ids[index]));
    assert_eq!(told(&mut workers[0]), second);
    // Failures that reach max_fails.
    set_health(4, Health::Passing);
    let held: Vec<_> = (0..12).map(|_| pick(&mut workers[0], 100)).collect();
    let mut failed = BTreeSet::new();
    for held in held {
        // Each once, though all have several requests.
        let outcome = if failed.insert(held.id()) && failed.len() < 3 {
            RequestOutcome::Failed
        } else {
            RequestOutcome::Answered
        };
        workers[0].release(held, outcome, None, at(100));
    }
    assert_eq!(told(&mut workers[0]).len(), 2);
    // The other worker reads all of it, when it likes.
    let all_told = told(&mut workers[1]);
    assert_eq!(all_told[..5], [&first[..], &second].concat());
    assert_eq!(all_told.len(), 7);
    // Who joins now is told of nothing that has been.
    assert_eq!(told(&mut fixture.worker_of(3)), []);
}

#[test]
fn failures_short_of_max_fails_are_no_withdrawal() {
    let fixture = Fixture::new(1 << 20);
    let limited = |peer| with(peer, |it| it.max_fails = 2);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[limited(peer("a", "1")), limited(peer("b", "2"))]).expect("room");
    let mut worker = fixture.worker();
    let first = ids(&mut worker)["1"];
    assert_eq!([fail(&mut worker, 1), fail(&mut worker, 1)], ["1", "2"]);
    assert_eq!(withdrawn(&mut worker, 0), []);
    let held = loop {
        let held = pick(&mut worker, 1);
        if held.id() == first {
            break held;
        }
        worker.release(held, RequestOutcome::Answered, None, at(1));
    };
    assert!(worker.release(held, RequestOutcome::Failed, None, at(1)));
    assert_eq!(withdrawn(&mut worker, 0), [Withdrawn::Peer(first)]);
}

#[test]
fn who_falls_behind_is_told_of_many() {
    // The ring of this zone has 256 entries.
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher_with(options(Method::RoundRobin, false, false));
    publish(&mut publisher, &three()).expect("room");
    let (mut quick, mut slow) = (fixture.worker_of(1), fixture.worker_of(2));
    let id = ids(&mut quick)["2"];
    let mut leave = |times: usize| {
        for _ in 0..times {
            set_health_of(&mut publisher, "2", Health::Failing);
            set_health_of(&mut publisher, "2", Health::Passing);
        }
    };
    leave(256);
    assert_eq!(withdrawn(&mut slow, 0), vec![Withdrawn::Peer(id); 256]);
    leave(257);
    assert_eq!(withdrawn(&mut slow, 0), [Withdrawn::Many]);
    assert_eq!(withdrawn(&mut slow, 0), []);
    leave(1);
    assert_eq!(withdrawn(&mut slow, 0), [Withdrawn::Peer(id)]);
    assert_eq!(withdrawn(&mut quick, 0), [Withdrawn::Many]);
    leave(2);
    assert_eq!(withdrawn(&mut quick, 0), [Withdrawn::Peer(id); 2]);
    collect_with(&mut publisher, |_| true);
}

/// Failures are noted by any worker at any time.
#[test]
fn each_withdrawal_is_told_or_many_are() {
    const WRITERS: u32 = 3;
    const ROUNDS: u32 = if cfg!(debug_assertions) { 4_000 } else { 40_000 };
    let fixture = Fixture::with_workers(1 << 18, 4);
    let mut publisher = fixture.publisher();
    // Peers that fail at once and stay in service: each writer has one of its own, named by a
    // cookie.
    let peers: Vec<PeerSpec> = (1..=WRITERS)
        .map(|index| {
            let peer = with(peer(&index.to_string(), &index.to_string()), |it| it.fail_timeout = 0);
            PeerSpec { sticky: u64::from(index), ..peer }
        })
        .collect();
    publisher.set_options(
        TableOptions { is_sticky: true, ..TableOptions::default() },
        0,
        &Publishing::unshared(),
    );
    publish(&mut publisher, &peers).expect("room");
    let mut reader = fixture.worker_of(100);
    let known = ids(&mut reader);
    let mut counts: Vec<(u64, u32)> = known.values().map(|&id| (id, 0)).collect();
    let mut many = false;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (1..=WRITERS)
            .map(|process| {
                let zone = fixture.zone;
                scope.spawn(move || {
                    let mut worker =
                        zone.join(Process::new(process, 1), |_| true).expect("an entry");
                    let context = PickContext {
                        sticky: Some(u64::from(process)),
                        ..context(Method::RoundRobin)
                    };
                    for round in 0..ROUNDS {
                        // Two seconds later each time, when its time is up.
                        let held =
                            pick_first(&mut worker, &context, at(2 * round + 2)).expect("the peer");
                        assert_eq!(held.sticky(), context.sticky);
                        assert!(worker.release(
                            held,
                            RequestOutcome::Failed,
                            None,
                            at(2 * round + 2)
                        ));
                    }
                })
            })
            .collect();
        let mut read = |reader: &mut Worker| {
            // The clock stands still: an entry that is being written is written in the end.
            reader.read_withdrawals(0, |told| match told {
                Withdrawn::Many => many = true,
                Withdrawn::Peer(id) => {
                    let of = counts.iter_mut().find(|(known, _)| *known == id);
                    of.expect("an id that was noted").1 += 1;
                }
            });
        };
        while writers.iter().any(|writer| !writer.is_finished()) {
            read(&mut reader);
        }
        // The scope would wait as well, but in a way that ThreadSanitizer does not see.
        for writer in writers {
            writer.join().expect("a writer");
        }
        read(&mut reader);
    });
    assert!(!reader.has_withdrawals());
    for (id, count) in counts {
        assert!(
            count == ROUNDS || many && count < ROUNDS,
            "{id}: {count} of {ROUNDS}, many: {many}"
        );
    }
}
