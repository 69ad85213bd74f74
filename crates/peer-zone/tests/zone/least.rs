//! Methods that compare peers: `least_conn`, `random`, `random two`, `peak_ewma`.
//!
//! Workers' random numbers differ from start to start. Each bound below lies at least five standard
//! deviations from what is expected.

use std::collections::BTreeMap;

use peer_zone::{
    Method, PeerSpec, PickContext, PickedPeer, RequestOutcome, TableOptions, Times, Worker,
};

use crate::{
    fixture::{
        Fixture, address, at, at_ms, collect_with, context, peer, pick_first, publish, with,
    },
    random::Random,
};

/// Peers 0, 1, … of these weights.
pub fn weighted(weights: &[u32]) -> Vec<PeerSpec> {
    let peer = |(index, &weight): (usize, &u32)| {
        let address = index.to_string();
        let mut peer = with(peer(&format!("{index:05}"), &address), |it| it.weight = weight);
        peer.sticky = index as u64 + 1;
        peer
    };
    weights.iter().enumerate().map(peer).collect()
}

pub fn fixture_of(method: Method, weights: &[u32]) -> Fixture {
    let fixture = Fixture::new(1 << 22);
    let mut publisher = fixture.publisher_with(TableOptions {
        method,
        is_sticky: true,
        checking: None,
        is_grouped: false,
    });
    publish(&mut publisher, &weighted(weights)).expect("room");
    fixture
}

pub fn index(worker: &Worker, held: &PickedPeer) -> usize {
    address(worker, held).parse().expect("an index")
}

/// By this method, held.
fn open(worker: &mut Worker, method: Method) -> (usize, PickedPeer) {
    let held = pick_first(worker, &context(method), at(1)).expect("a peer");
    (index(worker, &held), held)
}

/// The peer of this index, held.
pub fn open_at(worker: &mut Worker, index: usize) -> PickedPeer {
    let context = PickContext { sticky: Some(index as u64 + 1), ..PickContext::default() };
    let held = pick_first(worker, &context, at(1)).expect("a peer");
    assert_eq!(address(worker, &held), index.to_string());
    held
}

pub fn close(worker: &mut Worker, held: PickedPeer) {
    worker.release(held, RequestOutcome::Answered, None, at(1));
}

/// How often each is picked, one request after the other.
fn counts(worker: &mut Worker, method: Method, peers: usize, picks: usize) -> Vec<u32> {
    let mut counts = vec![0; peers];
    for _ in 0..picks {
        let (index, held) = open(worker, method);
        counts[index] += 1;
        close(worker, held);
    }
    counts
}

#[test]
fn least_conn_is_exact_up_to_256_peers() {
    let mut random = Random::new(3);
    for peers in [2, 3, 17, 256] {
        let weights: Vec<u32> = (0..peers).map(|_| 1 + random.below(5) as u32).collect();
        let fixture = fixture_of(Method::LeastConn, &weights);
        let mut workers = [1, 2].map(|process| fixture.worker_of(process));
        let mut loads = vec![0_u32; peers];
        let mut held: Vec<(usize, usize, PickedPeer)> = Vec::new();
        for _ in 0..3_000 {
            if !held.is_empty() && random.one_in(3) {
                let (worker, index, held) =
                    held.swap_remove(random.below(held.len() as u64) as usize);
                loads[index] -= 1;
                close(&mut workers[worker], held);
                continue;
            }
            let worker = random.below(2) as usize;
            let (picked, got) = open(&mut workers[worker], Method::LeastConn);
            let least = (0..peers)
                .all(|other| loads[picked] * weights[other] <= loads[other] * weights[picked]);
            assert!(least, "{picked} of {loads:?} by {weights:?}");
            loads[picked] += 1;
            held.push((worker, picked, got));
        }
    }
}

#[test]
fn idle_peers_take_turns_beside_a_busy_one() {
    let fixture = fixture_of(Method::LeastConn, &[1; 5]);
    let mut worker = fixture.worker();
    let long = open_at(&mut worker, 2);
    assert_eq!(counts(&mut worker, Method::LeastConn, 5, 400), [100, 100, 0, 100, 100]);
    close(&mut worker, long);
    let fixture = fixture_of(Method::LeastConn, &[5, 1]);
    assert_eq!(counts(&mut fixture.worker(), Method::LeastConn, 2, 600), [500, 100]);
}

#[test]
fn equally_loaded_peers_are_picked_equally_often() {
    let fixture = fixture_of(Method::LeastConn, &[1; 4]);
    let mut worker = fixture.worker();
    let long: Vec<PickedPeer> = (0..4).map(|index| open_at(&mut worker, index)).collect();
    let counts = counts(&mut worker, Method::LeastConn, 4, 4_000);
    // A standard deviation is 27.
    assert!(counts.iter().all(|count| (850..=1150).contains(count)), "{counts:?}");
    for held in long {
        close(&mut worker, held);
    }
}

#[test]
fn the_least_loaded_of_many_is_picked_again_once_it_was_found() {
    const PEERS: usize = 2_000;
    const PICKS: usize = 4_000;
    let fixture = fixture_of(Method::LeastConn, &[1; PEERS]);
    let mut worker = fixture.worker();
    let mut long: Vec<_> = (0..PEERS).map(|index| open_at(&mut worker, index)).collect();
    let rest = (0..PEERS).filter(|&index| index != 1_234);
    long.extend(rest.map(|index| open_at(&mut worker, index)));
    let hits = counts(&mut worker, Method::LeastConn, PEERS, PICKS)[1_234];
    // A sample finds it with a probability of 3 %: by then it has been found, but for one time in
    // 10^26; the samples of all picks by themselves would find it 116 times.
    assert!(hits > PICKS as u32 / 2, "{hits} of {PICKS}");
    for held in long {
        close(&mut worker, held);
    }
}

#[test]
fn among_many_least_conn_finds_one_of_the_least_loaded() {
    const PEERS: usize = 2_000;
    const PICKS: usize = 2_000;
    let mut random = Random::new(5);
    let fixture = fixture_of(Method::LeastConn, &[1; PEERS]);
    let mut worker = fixture.worker();
    let mut long = Vec::new();
    let mut loads = vec![0; PEERS];
    for (index, load) in loads.iter_mut().enumerate() {
        // Fifty loads, so that 40 peers have the same: the least loaded 5 % are those of the three
        // least loads.
        *load = 1 + random.below(50);
        long.extend((0..*load).map(|_| open_at(&mut worker, index)));
    }
    let mut sorted = loads.clone();
    sorted.sort_unstable();
    let mut hits = 0;
    for _ in 0..PICKS {
        let (picked, held) = open(&mut worker, Method::LeastConn);
        hits += usize::from(loads[picked] <= sorted[PEERS / 20]);
        close(&mut worker, held);
    }
    assert!(hits > PICKS * 95 / 100, "{hits} of {PICKS}");
    for held in long {
        close(&mut worker, held);
    }
}

#[test]
fn what_a_dead_worker_had_open_does_not_count() {
    for method in [Method::LeastConn, Method::RandomTwo] {
        let fixture = fixture_of(method, &[1, 1]);
        let mut publisher = fixture.publisher_with(TableOptions {
            method,
            is_sticky: true,
            checking: None,
            is_grouped: false,
        });
        let (mut dead, mut living) = (fixture.worker_of(1), fixture.worker_of(2));
        for _ in 0..10 {
            open_at(&mut dead, 0);
        }
        let held: Vec<(usize, PickedPeer)> = (0..4).map(|_| open(&mut living, method)).collect();
        assert!(held.iter().all(|&(index, _)| index == 1), "{}", method.name());
        collect_with(&mut publisher, |process| process.id() != 1);
        // Now the first has the fewest.
        let more: Vec<(usize, PickedPeer)> = (0..4).map(|_| open(&mut living, method)).collect();
        assert!(more.iter().all(|&(index, _)| index == 0), "{}", method.name());
        for (_, held) in held.into_iter().chain(more) {
            close(&mut living, held);
        }
    }
}

/// Pearson's chi-square statistic.
fn chi_square(counts: &[u32], shares: &[f64]) -> f64 {
    let all = f64::from(counts.iter().sum::<u32>());
    let term =
        |(&count, share): (&u32, f64)| (f64::from(count) - all * share).powi(2) / (all * share);
    counts.iter().zip(shares.iter().copied()).map(term).sum()
}

#[test]
fn random_methods_follow_the_weights() {
    let weights = [1, 2, 5, 8];
    let p = weights.map(|weight| f64::from(weight) / 16.0);
    // Of two that are equally loaded it is the first.
    for (method, shares) in [(Method::Random, p), (Method::RandomTwo, p)] {
        let fixture = fixture_of(method, &weights);
        let counts = counts(&mut fixture.worker(), method, 4, 16_000);
        // With three degrees of freedom it is beyond this once in a hundred million.
        let statistic = chi_square(&counts, &shares);
        assert!(statistic < 40.0, "{}: {counts:?}, {statistic}", method.name());
    }
}

#[test]
fn workers_do_not_draw_the_same_numbers() {
    let fixture = fixture_of(Method::Random, &[1; 100]);
    let mut workers = [1, 2].map(|process| fixture.worker_of(process));
    let [one, other] = [0, 1].map(|worker| {
        (0..20).map(|_| open(&mut workers[worker], Method::Random).0).collect::<Vec<_>>()
    });
    assert_ne!(one, other);
}

#[test]
fn random_two_prefers_the_less_loaded() {
    let fixture = fixture_of(Method::RandomTwo, &[1; 10]);
    let mut worker = fixture.worker();
    let long: Vec<PickedPeer> = (0..5).map(|_| open_at(&mut worker, 3)).collect();
    let counts = counts(&mut worker, Method::RandomTwo, 10, 2_000);
    assert_eq!(counts[3], 0, "of any two the other has fewer: {counts:?}");
    for held in long {
        close(&mut worker, held);
    }
    // By weight: 4 of weight 4 are as many as 1 of weight 1.
    let fixture = fixture_of(Method::RandomTwo, &[4, 1]);
    let mut worker = fixture.worker();
    let mut loads = [0; 2];
    let mut long = Vec::new();
    for _ in 0..50 {
        let (index, held) = open(&mut worker, Method::RandomTwo);
        loads[index] += 1;
        long.push(held);
    }
    assert!((38..=42).contains(&loads[0]), "{loads:?}");
}

/// Requests one after the other within a second from `start` (s) on, each of which takes as long as
/// `time` says of its peer (µs).
fn second_of_requests(
    worker: &mut Worker,
    start: u64,
    time: impl Fn(usize) -> u32,
) -> BTreeMap<usize, u32> {
    let mut counts = BTreeMap::new();
    for step in 0..1_000 {
        let now = at_ms(start * 1_000 + step);
        let held = pick_first(worker, &context(Method::PeakEwma), now).expect("a peer");
        let index = index(worker, &held);
        *counts.entry(index).or_default() += 1;
        worker.release(held, RequestOutcome::Answered, Some(Times::Peak(time(index))), now);
    }
    counts
}

#[test]
fn peak_ewma_asks_a_slow_peer_less_and_again_when_it_is_quick() {
    let fixture = fixture_of(Method::PeakEwma, &[1; 4]);
    let mut worker = fixture.worker();
    let slow = |index: usize| if index == 0 { 100_000 } else { 10_000 };
    let quick = |_: usize| 10_000;
    let of_slow = |counts: &BTreeMap<usize, u32>| counts.get(&0).copied().unwrap_or_default();
    // The first answers are needed to know it.
    second_of_requests(&mut worker, 1_000, slow);
    for second in 1_001..1_010 {
        let counts = second_of_requests(&mut worker, second, slow);
        assert!(of_slow(&counts) <= 10, "in second {second}: {counts:?}");
    }
    // It is asked again once half-lives (8.2 s) have made 100 ms less than 10 ms, which takes 27 s.
    let mut again = None;
    for second in 1_010..1_060 {
        let counts = second_of_requests(&mut worker, second, quick);
        if of_slow(&counts) > 0 {
            again.get_or_insert(second);
        }
        if again.is_some_and(|again| second > again) {
            // Its quarter, which has a standard deviation of 14.
            assert!((150..=350).contains(&of_slow(&counts)), "in second {second}: {counts:?}");
        }
    }
    assert!(again.is_some_and(|second| (1_020..=1_040).contains(&second)), "again at {again:?}");
}

#[test]
fn a_peer_that_has_not_answered_yet_does_not_get_everything() {
    let fixture = fixture_of(Method::PeakEwma, &[1; 3]);
    let mut worker = fixture.worker();
    for index in 0..3 {
        let held = open_at(&mut worker, index);
        worker.release(held, RequestOutcome::Answered, Some(Times::Peak(10_000)), at(1));
    }
    let mut publisher = fixture.publisher_with(TableOptions {
        method: Method::PeakEwma,
        is_sticky: true,
        checking: None,
        is_grouped: false,
    });
    publish(&mut publisher, &weighted(&[1; 4])).expect("room");
    let held: Vec<(usize, PickedPeer)> =
        (0..200).map(|_| open(&mut worker, Method::PeakEwma)).collect();
    let of_new = held.iter().filter(|&&(index, _)| index == 3).count();
    assert_eq!(of_new, 1, "the first request says how it answers");
    // The others share the rest.
    let of_first = held.iter().filter(|&&(index, _)| index == 0).count();
    assert!((50..=83).contains(&of_first), "{of_first}");
}
