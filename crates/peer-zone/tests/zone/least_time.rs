//! `least_time`: as nginx's own module chooses.

use peer_zone::{
    LeastTime, Method, PickContext, PickedPeer, RequestOutcome, ResponseTime, Times, Worker,
};
use proptest::prelude::*;

use crate::{
    fixture::{
        Fixture, address, at_ms, collect_with, context, peer, pick_first, publish, publish_at, with,
    },
    least::{fixture_of, index, open_at, weighted},
};

const HEADER: LeastTime = LeastTime { time: ResponseTime::Header, is_inflight: false };
const LAST_BYTE: LeastTime = LeastTime { time: ResponseTime::LastByte, is_inflight: false };

fn inflight(least_time: LeastTime) -> LeastTime {
    LeastTime { is_inflight: true, ..least_time }
}

fn open(worker: &mut Worker, least_time: LeastTime, now: u64) -> (usize, PickedPeer) {
    let context = context(Method::LeastTime(least_time));
    let held = pick_first(worker, &context, at_ms(now)).expect("a peer");
    (index(worker, &held), held)
}

/// At the peer of this index, whose cookie the request has.
fn open_named(worker: &mut Worker, least_time: LeastTime, index: usize, now: u64) -> PickedPeer {
    let context =
        PickContext { sticky: Some(index as u64 + 1), ..context(Method::LeastTime(least_time)) };
    pick_first(worker, &context, at_ms(now)).expect("a peer")
}

fn answer(worker: &mut Worker, held: PickedPeer, header: u32, response: u32, now: u64) {
    let times = Times::Average { header, response };
    worker.release(held, RequestOutcome::Answered, Some(times), at_ms(now));
}

/// How many of so many requests, one after the other, each gets, where each takes as long as
/// `times` says of its peer.
fn shares<const PEERS: usize>(
    worker: &mut Worker,
    least_time: LeastTime,
    requests: u32,
    times: [(u32, u32); PEERS],
) -> [u32; PEERS] {
    let mut counts = [0; PEERS];
    for step in 0..requests {
        let now = 1_000_000 + u64::from(step);
        let (index, held) = open(worker, least_time, now);
        counts[index] += 1;
        answer(worker, held, times[index].0, times[index].1, now);
    }
    counts
}

#[test]
fn quickest_gets_all_by_the_time_that_counts() {
    let times = [(10, 900), (300, 300)];
    for (least_time, expected) in [(HEADER, [39, 1]), (LAST_BYTE, [1, 39])] {
        let fixture = fixture_of(Method::LeastTime(least_time), &[1, 1]);
        let counts = shares(&mut fixture.worker(), least_time, 40, times);
        assert_eq!(counts, expected, "{least_time:?}: each is asked once to be known");
    }
}

#[test]
fn equal_peers_take_turns() {
    let fixture = fixture_of(Method::LeastTime(HEADER), &[1; 4]);
    let counts = shares(&mut fixture.worker(), HEADER, 400, [(3, 3), (0, 5), (19, 19), (7, 99)]);
    assert_eq!(counts, [100; 4], "all are within 20 ms");
    // The requests of the two that are slow go to both others.
    let fixture = fixture_of(Method::LeastTime(HEADER), &[1; 4]);
    let counts = shares(&mut fixture.worker(), HEADER, 402, [(3, 3), (80, 5), (19, 9), (70, 9)]);
    assert_eq!(counts, [200, 1, 200, 1]);
}

/// As in nginx: without other requests, the time of the heavier is half of the other's.
#[test]
fn weight_divides_the_time() {
    let fixture = fixture_of(Method::LeastTime(HEADER), &[1, 2]);
    assert_eq!(shares(&mut fixture.worker(), HEADER, 40, [(5, 5); 2]), [0, 40]);
    let fixture = fixture_of(Method::LeastTime(HEADER), &[1, 2]);
    let mut worker = fixture.worker();
    let held: Vec<_> = (0..30).map(|_| open(&mut worker, HEADER, 1_000_000)).collect();
    let of_second = held.iter().filter(|(index, _)| *index == 1).count();
    assert!((19..=21).contains(&of_second), "{of_second} of 30");
}

#[test]
fn failures_say_nothing_of_the_time() {
    let fixture = fixture_of(Method::LeastTime(HEADER), &[1, 1]);
    let mut worker = fixture.worker();
    let held = open_named(&mut worker, HEADER, 0, 1_000);
    worker.release(held, RequestOutcome::Failed, None, at_ms(1_000));
    let averages: Vec<_> =
        worker.table().expect("a table").rows().map(|row| row.peer.averages.header()).collect();
    assert_eq!(averages, [None, None]);
}

#[test]
fn slow_peer_is_tried_again_after_fail_timeout() {
    let fixture = fixture_of(Method::LeastTime(HEADER), &[1, 1]);
    let mut worker = fixture.worker();
    let mut tried = Vec::new();
    for second in 1_000..1_200_u64 {
        let (index, held) = open(&mut worker, HEADER, second * 1_000);
        let time = if index == 0 { 150 } else { 30 };
        answer(&mut worker, held, time, time, second * 1_000);
        if index == 0 {
            tried.push(second - 1_000);
        }
    }
    // After twice 11 s 150 ms count as 37, as much as 30 ms.
    assert!(tried[0] <= 1 && (8..=10).contains(&tried.len()), "{tried:?}");
    assert!(
        tried[1..].windows(2).all(|pair| (22..=24).contains(&(pair[1] - pair[0]))),
        "{tried:?}"
    );
}

#[test]
fn peer_that_hangs_gets_no_more_requests() {
    for time in [HEADER, LAST_BYTE] {
        for (least_time, most) in [(inflight(time), 1..=12), (time, 40..=100)] {
            let fixture = fixture_of(Method::LeastTime(least_time), &[1, 1]);
            let mut worker = fixture.worker();
            // The second takes 100 ms, with ten requests at a time.
            let (mut hanging, mut answered) = (Vec::new(), std::collections::VecDeque::new());
            for step in 0..1_000_u64 {
                let now = 1_000_000 + step * 10;
                if answered.len() >= 10 {
                    let held = answered.pop_front().expect("one");
                    answer(&mut worker, held, 100, 100, now);
                }
                let (index, held) = open(&mut worker, least_time, now);
                if index == 0 {
                    hanging.push(held);
                    // Some tenths of a second are enough to know it.
                    assert!(!least_time.is_inflight || step < 50, "{least_time:?}: step {step}");
                } else {
                    answered.push_back(held);
                }
            }
            assert!(most.contains(&hanging.len()), "{least_time:?}: {}", hanging.len());
        }
    }
}

#[test]
fn header_ends_what_least_time_header_waits_for() {
    for (time, waits) in [(HEADER, 0), (LAST_BYTE, 1)] {
        let least_time = inflight(time);
        let fixture = fixture_of(Method::LeastTime(least_time), &[1, 1]);
        let mut worker = fixture.worker();
        let of_first = |worker: &mut Worker| {
            let table = worker.table().expect("a table");
            let peer = table.rows().next().expect("a peer").peer;
            (peer.in_flight, peer.averages.header(), peer.averages.response())
        };
        let mut held = open_named(&mut worker, least_time, 0, 1_000);
        assert_eq!(of_first(&mut worker), (1, None, None));
        worker.note_header(&mut held, 30, least_time);
        assert_eq!(of_first(&mut worker), (waits, Some(30), None));
        // Known already: it counts once.
        answer(&mut worker, held, 90, 500, 1_500);
        assert_eq!(of_first(&mut worker), (0, Some(30), Some(500)));
        // An upgraded connection has no last byte that says anything.
        let mut held = open_named(&mut worker, least_time, 0, 2_000);
        worker.upgrade(&mut held);
        worker.note_header(&mut held, 30, least_time);
        assert_eq!(of_first(&mut worker).0, 0);
        let times = Times::Average { header: 30, response: 97_000 };
        worker.release(held, RequestOutcome::Answered, Some(times), at_ms(99_000));
        assert_eq!(of_first(&mut worker), (0, Some(30), Some(500)));
    }
}

#[test]
fn requests_of_a_dead_worker_are_forgotten() {
    let least_time = inflight(LAST_BYTE);
    let fixture = fixture_of(Method::LeastTime(least_time), &[1, 1]);
    let mut publisher = fixture.publisher();
    let (mut dead, mut living) = (fixture.worker_of(1), fixture.worker_of(2));
    let in_flight = |worker: &mut Worker| -> Vec<u32> {
        worker.table().expect("a table").rows().map(|row| row.peer.in_flight).collect()
    };
    open_named(&mut dead, least_time, 0, 1_000);
    let old = [0, 1].map(|index| open_named(&mut living, least_time, index, 1_000));
    assert_eq!(in_flight(&mut living), [2, 1]);
    collect_with(&mut publisher, |process| process.id() != 1);
    assert_eq!(in_flight(&mut living), [0, 1], "those at the other peer stay");
    let new = open_named(&mut living, least_time, 0, 2_000);
    for held in old {
        answer(&mut living, held, 1, 1, 3_000);
    }
    assert_eq!(in_flight(&mut living), [1, 0], "the end of one that is forgotten ends no other");
    answer(&mut living, new, 1, 1, 3_000);
    assert_eq!(in_flight(&mut living), [0, 0]);
}

/// What another method has written says nothing, and the other way round.
#[test]
fn another_method_begins_without_times() {
    let fixture = fixture_of(Method::PeakEwma, &[1, 1]);
    let mut worker = fixture.worker();
    let held = open_at(&mut worker, 0);
    worker.release(held, RequestOutcome::Answered, Some(Times::Peak(9_000_000)), at_ms(1_000));
    assert_eq!(shares(&mut worker, HEADER, 40, [(5, 5); 2]), [20, 20]);
    let table = worker.table().expect("a table");
    assert!(table.rows().all(|row| row.peer.peak.cost(1_000) == 0));
}

#[test]
fn backups_are_compared_as_well() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher_of(Method::LeastTime(HEADER));
    let mut peers: Vec<_> =
        weighted(&[1; 2]).into_iter().map(|peer| with(peer, |it| it.backup = true)).collect();
    peers.push(with(peer("z", "2"), |it| it.down = true));
    publish(&mut publisher, &peers).expect("room");
    let counts = shares(&mut fixture.worker(), HEADER, 40, [(90, 90), (5, 5), (0, 0)]);
    assert_eq!(counts, [1, 39, 0]);
}

/// Above 256 peers those that are compared are drawn: of 1000 all but two are slow, and the two are
/// among 59 in one of nine draws.
#[test]
fn of_many_peers_some_are_compared() {
    const PEERS: usize = 1_000;
    let fixture = fixture_of(Method::LeastTime(HEADER), &[1; PEERS]);
    let mut worker = fixture.worker();
    for index in 0..PEERS {
        let held = open_named(&mut worker, HEADER, index, 1_000_000);
        let time = if index < PEERS / 2 { 50 } else { 500 };
        answer(&mut worker, held, time, time, 1_000_000);
    }
    let mut slow = 0;
    for _ in 0..2_000 {
        let (index, held) = open(&mut worker, HEADER, 1_000_000);
        slow += u32::from(index >= PEERS / 2);
        answer(&mut worker, held, 50, 50, 1_000_000);
    }
    assert_eq!(slow, 0, "none of 59 is a quick one once in 2^59 picks");
}

/// What nginx keeps of a peer.
#[derive(Clone, Debug, Default)]
struct State {
    weight: u64,
    conns: u64,
    checked: u64,
    header: Option<u64>,
    response: Option<u64>,
    /// When each request in flight began.
    waiting: Vec<u64>,
}

impl State {
    fn estimate(&self, least_time: LeastTime, now: u64) -> u64 {
        let time = match least_time.time {
            ResponseTime::LastByte => self.response,
            _ => self.header,
        };
        let halvings = (now / 1_000 - self.checked) / 11;
        let mut time = time.unwrap_or(0).checked_shr(halvings as u32).unwrap_or(0);
        if least_time.is_inflight && !self.waiting.is_empty() {
            let ages: u64 = self.waiting.iter().map(|begin| now - begin).sum();
            time = time.max(ages / self.waiting.len() as u64);
        }
        let time = if time > 5_000 { 5_000 } else { time + 20 - time % 20 };
        time * (1 + self.conns)
    }
}

fn average(average: &mut Option<u64>, time: u64) {
    *average = Some(match *average {
        None | Some(0) => time,
        Some(average) => (time + 19 * average + 10) / 20,
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any requests that begin and end: the peer is always one of those with the least estimate for
    /// its weight.
    #[test]
    fn picks_are_the_least_of_all(
        weights in prop::collection::vec(1u32..5, 2..6),
        (is_header, is_inflight) in any::<(bool, bool)>(),
        steps in prop::collection::vec((any::<u16>(), 0u64..3_000, any::<bool>()), 1..150),
    ) {
        let time = if is_header { ResponseTime::Header } else { ResponseTime::LastByte };
        let least_time = LeastTime { time, is_inflight };
        let fixture = Fixture::new(1 << 20);
        let mut publisher = fixture.publisher_of(Method::LeastTime(least_time));
        publish_at(&mut publisher, &weighted(&weights), 0);
        let mut worker = fixture.worker();
        let mut now = 1_000_000;
        let new = |&weight: &u32| State { weight: weight.into(), ..State::default() };
        let mut states: Vec<State> = weights.iter().map(new).collect();
        let mut held: Vec<(PickedPeer, u64)> = Vec::new();
        for (number, pause, is_pick) in steps {
            now += pause;
            if is_pick || held.is_empty() {
                let (index, picked) = open(&mut worker, least_time, now);
                let estimates: Vec<u64> =
                    states.iter().map(|state| state.estimate(least_time, now)).collect();
                let is_less = |other: usize| {
                    let [mine, its] = [&states[index], &states[other]].map(|state| state.weight);
                    estimates[other] * mine < estimates[index] * its
                };
                prop_assert!(!(0..states.len()).any(is_less), "{index}: {estimates:?}, {states:?}");
                let state = &mut states[index];
                state.conns += 1;
                if now / 1_000 - state.checked > 10 {
                    state.checked = now / 1_000;
                }
                state.waiting.push(now);
                held.push((picked, now));
            } else {
                let (ended, begin) = held.swap_remove(usize::from(number) % held.len());
                let index: usize = address(&worker, &ended).parse().expect("an index");
                let state = &mut states[index];
                state.conns -= 1;
                let position = state.waiting.iter().position(|&it| it == begin).expect("it waits");
                state.waiting.swap_remove(position);
                let (header, response) = ((now - begin) / 2, now - begin);
                average(&mut state.header, header);
                average(&mut state.response, response);
                answer(&mut worker, ended, header as u32, response as u32, now);
            }
        }
    }
}
