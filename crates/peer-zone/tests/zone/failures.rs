//! max_fails and fail_timeout, by nginx's rules.

use peer_zone::RequestOutcome;

use crate::fixture::{Fixture, address, ask, at, fail, peer, pick, publish, try_pick, with};

fn two(max_fails: u32, fail_timeout: u32) -> Fixture {
    let fixture = Fixture::new(1 << 18);
    let set = |peer| {
        with(peer, |it| {
            it.max_fails = max_fails;
            it.fail_timeout = fail_timeout;
        })
    };
    publish(&mut fixture.publisher(), &[set(peer("a", "1")), set(peer("b", "2"))]).expect("room");
    fixture
}

#[test]
fn a_peer_is_left_alone_for_fail_timeout() {
    let fixture = two(1, 10);
    let mut worker = fixture.worker();
    let mut other = fixture.worker_of(2);
    assert_eq!(fail(&mut worker, 100), "1");
    for now in 100..=110 {
        assert_eq!([ask(&mut worker, now), ask(&mut other, now)], ["2", "2"], "at {now}");
    }
    let table = worker.table().expect("a table");
    let unavailable =
        |now| table.rows().map(move |row| row.is_unavailable(now)).collect::<Vec<_>>();
    assert_eq!(unavailable(110), [true, false]);
    assert_eq!(unavailable(111), [false, false]);
}

#[test]
fn after_fail_timeout_one_request_tries_it() {
    let fixture = two(1, 10);
    let mut workers = [1, 2].map(|process| fixture.worker_of(process));
    assert_eq!(fail(&mut workers[0], 100), "1");
    let mut held: Vec<_> =
        (0..20).map(|index| (index % 2, pick(&mut workers[index % 2], 111))).collect();
    let trials =
        held.iter().filter(|(worker, held)| workers[*worker].peer(held).socket_address == b"1");
    assert_eq!(trials.count(), 1);
    for (worker, held) in held.drain(..) {
        workers[worker].release(held, RequestOutcome::Answered, None, at(112));
    }
    // It answered: it takes its turns again.
    let mut next = [ask(&mut workers[0], 112), ask(&mut workers[1], 112)];
    next.sort();
    assert_eq!(next, ["1", "2"]);
}

#[test]
fn a_trial_that_fails_waits_anew() {
    let fixture = two(1, 10);
    let mut worker = fixture.worker();
    assert_eq!(fail(&mut worker, 100), "1");
    // The weight that the failure took comes back from the first visit after the time is up, and
    // with it the trial; there is only one.
    let held: Vec<_> = (0..6).map(|_| pick(&mut worker, 111)).collect();
    let addresses: Vec<String> = held.iter().map(|held| address(&worker, held)).collect();
    assert_eq!(addresses.iter().filter(|address| *address == "1").count(), 1, "{addresses:?}");
    for (held, address) in held.into_iter().zip(addresses) {
        let outcome =
            if address == "1" { RequestOutcome::Failed } else { RequestOutcome::Answered };
        worker.release(held, outcome, None, at(112));
    }
    for now in 112..=122 {
        assert_eq!(ask(&mut worker, now), "2", "at {now}");
    }
}

#[test]
fn failures_add_up_until_max_fails_and_are_forgiven() {
    let fixture = two(3, 10);
    let mut worker = fixture.worker();
    let fail_first = |worker: &mut peer_zone::Worker, now| {
        let held = pick(worker, now);
        let is_first = worker.peer(&held).socket_address == b"1";
        let disabled = worker.release(
            held,
            if is_first { RequestOutcome::Failed } else { RequestOutcome::Answered },
            None,
            at(now),
        );
        ask(worker, now);
        disabled
    };
    assert_eq!(
        [fail_first(&mut worker, 1), fail_first(&mut worker, 1), fail_first(&mut worker, 1)],
        [false, false, true]
    );
    assert_eq!([ask(&mut worker, 1), ask(&mut worker, 1)], ["2", "2"]);
    // An answer of a request made before the failure says nothing; one made after fail_timeout
    // does.
    let held = [pick(&mut worker, 12), pick(&mut worker, 12)];
    for held in held {
        worker.release(held, RequestOutcome::Answered, None, at(12));
    }
    assert!(worker.table().expect("a table").rows().all(|row| row.peer.fails == 0));
}

#[test]
fn without_max_fails_a_peer_never_goes() {
    let fixture = two(0, 10);
    let mut worker = fixture.worker();
    let picked: Vec<String> = (0..6).map(|_| fail(&mut worker, 1)).collect();
    assert_eq!(picked, ["1", "2", "1", "2", "1", "2"]);
}

#[test]
fn when_all_have_failed_nothing_is_picked_until_time_is_up() {
    let fixture = two(1, 10);
    let mut worker = fixture.worker();
    fail(&mut worker, 100);
    fail(&mut worker, 101);
    for now in [101, 101, 105, 110] {
        assert!(try_pick(&mut worker, now).is_none());
    }
    assert_eq!(ask(&mut worker, 111), "1");
}

#[test]
fn the_only_peer_never_fails() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1"), peer("b", "2")]).expect("room");
    let mut worker = fixture.worker();
    assert_eq!(fail(&mut worker, 1), "1");
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    for _ in 0..10 {
        assert_eq!(fail(&mut worker, 1), "1");
    }
    let table = worker.table().expect("a table");
    let peer = table.rows().next().expect("a row").peer;
    assert_eq!((peer.fails, peer.failures, peer.requests), (0, 11, 11));
}
