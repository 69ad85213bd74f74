//! What a request whose peers fail takes from others: nothing. The first tries of all are in the
//! order of round robin, and what a dead peer had is spread over the others by their weights.
//!
//! Workers' random numbers differ from start to start: each bound is five standard deviations.

use peer_zone::{
    KeyProgress, LeastTime, Method, PeerSpec, PickContext, RequestOutcome, ResponseTime, Worker,
};

use crate::{
    fixture::{Fixture, address, at, context, peer, pick_by, publish, server, with},
    nginx::RoundRobin,
};

/// Those that go by the order of round robin where nothing is open and none has answered.
const METHODS: [Method; 3] = [
    Method::RoundRobin,
    Method::LeastConn,
    Method::LeastTime(LeastTime { time: ResponseTime::Header, is_inflight: false }),
];

/// Peers' weights, and the indexes of those that are dead.
const GROUPS: [(&[u32], &[usize]); 13] = [
    (&[1, 1], &[0]),
    (&[1, 1], &[1]),
    (&[1, 1, 1], &[1]),
    (&[1, 1, 1], &[0, 1]),
    (&[1, 1, 1, 1, 1], &[2]),
    (&[1, 1, 1, 1, 1], &[0, 1]),
    (&[1, 1, 1, 1, 1], &[0, 2]),
    (&[3, 1], &[0]),
    (&[3, 1], &[1]),
    (&[5, 1, 1], &[0]),
    (&[3, 2, 1], &[1]),
    (&[4, 3, 2, 1, 1], &[1]),
    (&[4, 3, 2, 1, 1], &[0, 3]),
];

/// Requests of each group: whole cycles of all of these weights.
const REQUESTS: usize = 2 * 3 * 4 * 5 * 7 * 11;

fn without_max_fails(index: usize, weight: u32) -> PeerSpec {
    with(peer(&index.to_string(), &index.to_string()), |it| {
        (it.weight, it.max_fails) = (weight, 0);
    })
}

/// The peers that a request tries, one after the other, until one is not dead.
fn tries(worker: &mut Worker, context: &PickContext<'_>, dead: &[usize]) -> Vec<usize> {
    let (mut progress, mut tried, mut seen) = (KeyProgress::default(), Vec::new(), Vec::new());
    loop {
        let held = pick_by(worker, context, &mut progress, at(1), &tried).expect("a peer");
        let index = address(worker, &held).parse().expect("an index");
        seen.push(index);
        tried.push(held.id());
        let is_dead = dead.contains(&index);
        let outcome = if is_dead { RequestOutcome::Failed } else { RequestOutcome::Answered };
        worker.release(held, outcome, None, at(1));
        if !is_dead {
            return seen;
        }
    }
}

/// Of so many, about this part of them.
fn assert_part(count: usize, all: usize, part: f64, what: &str) {
    let due = all as f64 * part;
    let slack = 5.0 * f64::sqrt(due * (1.0 - part)) + 1.0;
    assert!((count as f64 - due).abs() <= slack, "{what}: {count} of {all}, {due} are due");
}

#[test]
fn first_tries_keep_their_order_and_retries_are_spread_by_weight() {
    for method in METHODS {
        for (weights, dead) in GROUPS {
            if method.least_time().is_some() && weights.iter().any(|weight| *weight != weights[0]) {
                // It has an order of its own then: the estimate is seen in relation to the weight.
                continue;
            }
            let fixture = Fixture::new(1 << 20);
            let peers: Vec<_> = (0..)
                .zip(weights)
                .map(|(index, &weight)| without_max_fails(index, weight))
                .collect();
            publish(&mut fixture.publisher_of(method), &peers).expect("room");
            let mut workers = [1, 2, 3].map(|process| fixture.worker_of(process));
            let what = format!("{}, weights {weights:?}, dead {dead:?}", method.name());

            let mut order = RoundRobin::new(weights);
            let mut seconds = vec![vec![0; weights.len()]; weights.len()];
            for request in 0..REQUESTS {
                let seen = tries(&mut workers[request % 3], &context(method), dead);
                assert_eq!(Some(seen[0]), order.pick(&[]), "{what}, request {request}");
                if let [first, second, ..] = seen[..] {
                    seconds[first][second] += 1;
                }
            }
            for &first in dead {
                let all = seconds[first].iter().sum();
                let others = weights.iter().sum::<u32>() - weights[first];
                for (index, &count) in seconds[first].iter().enumerate() {
                    let weight = if index == first { 0 } else { weights[index] };
                    assert_part(count, all, f64::from(weight) / f64::from(others), &what);
                }
            }
        }
    }
}

#[test]
fn dead_peers_are_tried_as_often_as_by_nginx() {
    for (weights, dead) in GROUPS {
        let fixture = Fixture::new(1 << 20);
        let peers: Vec<_> =
            (0..).zip(weights).map(|(index, &weight)| without_max_fails(index, weight)).collect();
        publish(&mut fixture.publisher(), &peers).expect("room");
        let mut worker = fixture.worker();
        let (mut nginx, mut counts) = (RoundRobin::new(weights), [0; 2]);
        for _ in 0..REQUESTS {
            let mut tried = Vec::new();
            while let Some(index) = nginx.pick(&tried).filter(|index| dead.contains(index)) {
                tried.push(index);
            }
            let seen = tries(&mut worker, &context(Method::RoundRobin), dead);
            counts[0] += seen.len() - 1;
            counts[1] += tried.len();
        }
        let [ours, stock] = counts.map(|count| f64::from(count as u32) / REQUESTS as f64);
        // One dead peer is tried first as often as its weight says, by both. With two, tries that
        // are not the first differ from try to try.
        let slack = if dead.len() == 1 { 0.0 } else { 0.03 };
        assert!((ours - stock).abs() <= slack, "{weights:?}, dead {dead:?}: {ours}, nginx {stock}");
    }
}

/// The first backup that a request tries has not failed it before, whatever others have.
#[test]
fn backups_take_turns_for_requests_that_have_failed_elsewhere() {
    let fixture = Fixture::new(1 << 18);
    let peers =
        [0, 1, 2, 3].map(|index| with(without_max_fails(index, 1), |it| it.backup = index > 1));
    publish(&mut fixture.publisher(), &peers).expect("room");
    let mut worker = fixture.worker();
    let firsts: Vec<_> =
        (0..20).map(|_| tries(&mut worker, &PickContext::default(), &[0, 1, 2])[2]).collect();
    assert_eq!(firsts, [2, 3].repeat(10));
}

/// A name with two addresses, one of which is dead: half of the first tries are there.
#[test]
fn addresses_of_one_name_take_turns_whatever_retries_do() {
    let fixture = Fixture::new(1 << 18);
    let peers = [0, 1].map(|index| PeerSpec {
        server: "name".into(),
        ..with(server(&index.to_string()), |it| it.max_fails = 0)
    });
    publish(&mut fixture.publisher_of(Method::HashConsistent), &peers).expect("room");
    let mut worker = fixture.worker();
    let context = context(Method::HashConsistent);
    let firsts: Vec<_> = (0..20).map(|_| tries(&mut worker, &context, &[0])[0]).collect();
    assert_eq!(firsts, [0, 1].repeat(10));
}

/// A retry goes by what a failure has left of a peer's weight, and gives nothing back: only a
/// position does.
#[test]
fn retries_see_reduced_weights_and_leave_them() {
    const WEIGHT: u32 = 1_000;
    const RETRIES: usize = 10_000;
    let fixture = Fixture::new(1 << 18);
    let peers = [0, 1, 2].map(|index| {
        with(without_max_fails(index, WEIGHT), |it| (it.max_fails, it.fail_timeout) = (2, 10))
    });
    publish(&mut fixture.publisher(), &peers).expect("room");
    let mut worker = fixture.worker();
    let context = PickContext::default();
    let mut ids = Vec::new();
    // In turn; the second one fails, and has half of its weight.
    for outcome in [RequestOutcome::Answered, RequestOutcome::Failed, RequestOutcome::Answered] {
        let held = pick_by(&mut worker, &context, &mut KeyProgress::default(), at(1), &[]);
        let held = held.expect("a peer");
        ids.push(held.id());
        worker.release(held, outcome, None, at(1));
    }
    for _ in 0..2 {
        let mut count = 0;
        for _ in 0..RETRIES {
            let progress = &mut KeyProgress::default();
            let held = pick_by(&mut worker, &context, progress, at(1), &ids[..1]).expect("a peer");
            count += usize::from(held.id() == ids[1]);
            // Nothing is said of how it went, so that nothing is forgiven.
            worker.release(held, RequestOutcome::Answered, None, at(0));
        }
        assert_part(count, RETRIES, 1.0 / 3.0, "half of the weight against all of it");
    }
}

/// A peer that a failure makes unavailable leads nobody astray: the retry goes on in turn, and all
/// others get as many requests each.
#[test]
fn a_retry_goes_on_in_turn_where_its_peer_has_become_unavailable() {
    for method in METHODS {
        for dead in 0..3 {
            let fixture = Fixture::new(1 << 18);
            let peers = [0, 1, 2].map(|index| peer(&index.to_string(), &index.to_string()));
            publish(&mut fixture.publisher_of(method), &peers).expect("room");
            let mut worker = fixture.worker();
            let mut counts = [0; 3];
            for _ in 0..30 {
                for index in tries(&mut worker, &context(method), &[dead]) {
                    counts[index] += 1;
                }
            }
            let mut expected = [15; 3];
            expected[dead] = 1;
            assert_eq!(counts, expected, "{}", method.name());
        }
    }
}

/// A peer whose answers are passed on to others, as with `proxy_next_upstream http_404`, has not
/// failed and stays available, whatever its `max_fails`.
#[test]
fn answers_that_are_passed_on_lead_no_more_requests_to_their_peer() {
    let fixture = Fixture::new(1 << 18);
    let peers = [0, 1].map(|index| peer(&index.to_string(), &index.to_string()));
    publish(&mut fixture.publisher(), &peers).expect("room");
    let mut worker = fixture.worker();
    let context = PickContext::default();
    // That a failure made it unavailable once does not matter when it is available again.
    assert_eq!(tries(&mut worker, &context, &[0]), [0, 1]);
    let mut firsts = Vec::new();
    for _ in 0..10 {
        let progress = &mut KeyProgress::default();
        let first = pick_by(&mut worker, &context, progress, at(100), &[]).expect("a peer");
        let (id, is_passed_on) = (first.id(), address(&worker, &first) == "0");
        firsts.push(address(&worker, &first));
        worker.release(first, RequestOutcome::Answered, None, at(100));
        if is_passed_on {
            let second = pick_by(&mut worker, &context, progress, at(100), &[id]).expect("a peer");
            assert_eq!(address(&worker, &second), "1");
            worker.release(second, RequestOutcome::Answered, None, at(100));
        }
    }
    assert_eq!(firsts.iter().filter(|first| *first == "0").count(), 5, "{firsts:?}");
}
