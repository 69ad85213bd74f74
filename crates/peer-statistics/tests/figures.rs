//! What workers add is what is read, whoever it was and whatever happened to them.

use std::sync::atomic::{AtomicU64, Ordering};

use peer_statistics::{
    Answer, BUCKETS, CheckFault, Class, Failure, Layout, PeerFigures, PickReason, Recorder,
    Statistics, TIME_BOUNDS, Totals,
};
use proptest::prelude::*;

mod memory;

use memory::Memory;

const PROCESSES: usize = 3;
const INDEXES: usize = 4;

fn statistics() -> Statistics {
    Memory::new(Layout::new(PROCESSES, INDEXES)).statistics()
}

/// The recorder of a process.
fn recorder(statistics: &Statistics, process: usize) -> Recorder {
    statistics.recorder(process).expect("an entry")
}

/// What can become of a request.
#[derive(Clone, Copy, Debug)]
enum Event {
    Picked(PickReason, bool),
    Answered { status: u32, header: u64, response: u64, bytes: (u64, u64) },
    Upgraded(u64),
    Failed(Failure),
    NoPeer,
}

fn event() -> impl Strategy<Value = Event> {
    let reason =
        prop_oneof![Just(PickReason::Balance), Just(PickReason::Sticky), Just(PickReason::Panic)];
    let time = || prop_oneof![0_u64..20_000, 0_u64..10];
    prop_oneof![
        (reason, any::<bool>()).prop_map(|(reason, is_retry)| Event::Picked(reason, is_retry)),
        (200_u32..600, time(), time(), (0_u64..9_999, 0_u64..9_999)).prop_map(
            |(status, header, response, bytes)| Event::Answered { status, header, response, bytes }
        ),
        time().prop_map(Event::Upgraded),
        (0..Failure::ALL.len()).prop_map(|kind| Event::Failed(Failure::ALL[kind])),
        Just(Event::NoPeer),
    ]
}

fn apply(recorder: &Recorder, index: usize, event: Event) {
    match event {
        Event::Picked(reason, is_retry) => {
            recorder.picked(index, 77);
            recorder.picked_with_care(index, reason, is_retry);
        }
        Event::Answered { status, header, response, bytes: (sent, received) } => {
            let class = Class::of(status).expect("a status");
            let (header_time, response_time) = (header, response);
            let answer = Answer { class, header_time, response_time, sent, received };
            // Whichever of the two counts it, the figures are the same.
            let slot = &recorder.slots()[index];
            if status % 2 == 0 && !slot.may_carry(class) {
                let (header, response) = (|| header_time, || response_time);
                recorder.answered_at_once(slot, class, header, response, || sent, || received);
            } else {
                recorder.answered(index, &answer);
            }
        }
        Event::Upgraded(header) => recorder.upgraded(index, header),
        Event::Failed(failure) => recorder.failed(index, failure),
        Event::NoPeer => recorder.found_no_peer(),
    }
}

/// The bucket of a time, by the bounds alone.
fn bucket(milliseconds: u64) -> usize {
    let is_above = |bound: &&f64| milliseconds as f64 / 1e3 > **bound;
    TIME_BOUNDS.iter().filter(is_above).count()
}

/// What a peer's figures must be after these events.
fn expected(events: &[Event]) -> PeerFigures {
    let mut figures = PeerFigures::default();
    for &event in events {
        let mut header_time = |milliseconds: u64| {
            figures.header_time.counts[bucket(milliseconds)] += 1;
            figures.header_time.sum_microseconds += milliseconds * 1_000;
        };
        match event {
            Event::Picked(_, is_retry) => {
                figures.last_picked = Some(77);
                figures.retries += u64::from(is_retry);
            }
            Event::Answered { status, header, response, bytes } => {
                header_time(header);
                figures.response_time.counts[bucket(response)] += 1;
                figures.response_time.sum_microseconds += response * 1_000;
                figures.responses[status as usize / 100 - 1] += 1;
                figures.sent += bytes.0;
                figures.received += bytes.1;
            }
            Event::Upgraded(header) => {
                header_time(header);
                figures.responses[0] += 1;
            }
            Event::Failed(failure) => {
                let failures = &mut figures.failures;
                *match failure {
                    Failure::Connect => &mut failures.connect,
                    Failure::Timeout => &mut failures.timeout,
                    Failure::Reset => &mut failures.reset,
                    Failure::InvalidHeader => &mut failures.invalid_header,
                    Failure::Status => &mut failures.status,
                    Failure::Other => &mut failures.other,
                } += 1;
            }
            Event::NoPeer => {}
        }
    }
    figures
}

/// What of the upstream's figures is a sum over its peers.
fn sums(totals: &Totals) -> PeerFigures {
    let &Totals {
        responses, failures, retries, sent, received, header_time, response_time, ..
    } = totals;
    PeerFigures {
        responses,
        failures,
        retries,
        sent,
        received,
        header_time,
        response_time,
        ..PeerFigures::default()
    }
}

proptest! {
    #[test]
    fn figures_are_the_sums_of_what_was_added(
        events in proptest::collection::vec((0..PROCESSES, 0..INDEXES, event()), 0..60)
    ) {
        let statistics = statistics();
        let ids: Vec<u64> = (0..INDEXES as u64).map(|index| 1 << 40 | index).collect();
        for (index, &id) in ids.iter().enumerate() {
            statistics.begin(index, id);
        }
        for &(process, index, event) in &events {
            apply(&recorder(&statistics, process), index, event);
        }
        for (index, &id) in ids.iter().enumerate() {
            let of_peer: Vec<Event> =
                events.iter().filter(|event| event.1 == index).map(|event| event.2).collect();
            prop_assert_eq!(statistics.peer(index, id), expected(&of_peer));
        }
        let all: Vec<Event> = events.iter().map(|event| event.2).collect();
        let totals = statistics.totals();
        let sum = PeerFigures { last_picked: None, ..expected(&all) };
        prop_assert_eq!(sums(&totals), sum);
        let count = |is_so: fn(&Event) -> bool| {
            all.iter().filter(|event| is_so(event)).count() as u64
        };
        prop_assert_eq!(totals.requests, count(|event| matches!(event, Event::Picked(..))));
        prop_assert_eq!(totals.no_peer, count(|event| matches!(event, Event::NoPeer)));
        let picks = totals.picks;
        prop_assert_eq!(picks.balance + picks.sticky + picks.panic, totals.requests);
        let is_sticky = |event: &Event| matches!(event, Event::Picked(PickReason::Sticky, _));
        prop_assert_eq!(picks.sticky, count(is_sticky));
    }
}

#[test]
fn a_new_peer_at_the_index_of_another_begins_with_zeroes() {
    let statistics = statistics();
    let recorder = recorder(&statistics, 0);
    statistics.begin(2, 10);
    let events = [
        Event::Picked(PickReason::Balance, true),
        Event::Answered { status: 200, header: 3, response: 9, bytes: (5, 6) },
        Event::Failed(Failure::Reset),
    ];
    events.into_iter().for_each(|event| apply(&recorder, 2, event));
    statistics.set_state_since(2, 10, 44);
    statistics.count_check(2, 10, 45, Some(CheckFault::Timeout));
    let before = statistics.totals();
    assert_ne!(statistics.peer(2, 10), PeerFigures::default());

    statistics.begin(2, 20);
    assert_eq!(statistics.peer(2, 20), PeerFigures::default());
    assert_eq!(statistics.peer(2, 10), PeerFigures::default(), "those of a peer that is gone");
    assert_eq!(statistics.totals(), before, "the upstream's go on");
}

#[test]
fn a_successor_keeps_figures_of_the_same_peer_only() {
    let statistics = statistics();
    statistics.begin(1, 10);
    recorder(&statistics, 0).failed(1, Failure::Connect);
    statistics.keep(1, 10);
    assert_eq!(statistics.peer(1, 10).failures.connect, 1);
    statistics.keep(1, 11);
    assert_eq!(statistics.peer(1, 11), PeerFigures::default());
}

#[test]
fn checks_and_states_of_a_peer_that_is_gone_are_not_noted() {
    let statistics = statistics();
    statistics.begin(1, 11);
    statistics.set_state_since(1, 10, 5);
    statistics.count_check(1, 10, 5, None);
    assert_eq!(statistics.peer(1, 11), PeerFigures::default());

    statistics.set_state_since(1, 11, 6);
    statistics.count_check(1, 11, 7, None);
    statistics.count_check(1, 11, 8, Some(CheckFault::Status(503)));
    statistics.count_check(1, 11, 9, None);
    let figures = statistics.peer(1, 11);
    assert_eq!(figures.state_since, Some(6));
    let checks = figures.checks;
    assert_eq!((checks.made, checks.failed, checks.last), (3, 1, Some(9)));
    assert_eq!(checks.last_failure, Some((8, CheckFault::Status(503))));
}

#[test]
fn an_entry_that_another_process_takes_over_goes_on() {
    let statistics = statistics();
    statistics.begin(0, 1);
    for _ in 0..3 {
        recorder(&statistics, 1).failed(0, Failure::Other);
    }
    assert_eq!(statistics.totals().failures.other, 3);
    assert!(statistics.recorder(PROCESSES).is_none(), "there are no more entries");
}

#[test]
fn an_index_without_a_slot_is_counted_for_the_upstream_only() {
    let statistics = statistics();
    let recorder = recorder(&statistics, 0);
    recorder.picked(INDEXES, 1);
    recorder.failed(INDEXES, Failure::Timeout);
    statistics.begin(INDEXES, 1);
    assert_eq!(statistics.peer(INDEXES, 1), PeerFigures::default());
    assert_eq!((statistics.totals().requests, statistics.totals().failures.timeout), (1, 1));
}

#[test]
fn what_a_process_without_an_entry_counts_is_nowhere() {
    let statistics = statistics();
    statistics.begin(0, 1);
    let class = Class::of(200).expect("a status");
    for nowhere in [Recorder::nowhere(), Recorder::nowhere_of(INDEXES)] {
        nowhere.picked(0, 5);
        nowhere.failed(0, Failure::Connect);
        for slot in nowhere.slots() {
            nowhere.answered_at_once(slot, class, || 1, || 1, || 1, || 1);
        }
    }
    assert_eq!(Recorder::nowhere_of(INDEXES).slots().len(), INDEXES);
    assert_eq!(statistics.peer(0, 1), PeerFigures::default());
    assert_eq!(statistics.totals(), Totals::default());
}

#[test]
fn times_of_publications_are_in_their_buckets() {
    let statistics = statistics();
    let publication = statistics.publication();
    let times = [400, 500, 501, 9_000_000];
    times.into_iter().for_each(|time| publication.note_published(7, 7 + time));
    publication.note_seen(|| 3_007);
    let mut counts = [0; BUCKETS];
    (counts[0], counts[1], counts[BUCKETS - 1]) = (2, 1, 1);
    let published = publication.published();
    assert_eq!((published.counts, published.count()), (counts, 4));
    assert_eq!(published.sum_seconds(), 9.001_401);
    assert_eq!(publication.seen().counts[2], 1);
}

#[test]
fn readers_of_a_busy_peer_see_figures_that_only_grow() {
    const ROUNDS: u64 = 20_000;
    let statistics = statistics();
    statistics.begin(3, 5);
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for process in 0..PROCESSES {
            let (done, recorder) = (&done, recorder(&statistics, process));
            scope.spawn(move || {
                let event = Event::Answered { status: 204, header: 1, response: 4, bytes: (2, 3) };
                (0..ROUNDS).for_each(|_| apply(&recorder, 3, event));
                done.fetch_add(1, Ordering::Release);
            });
        }
        let mut last = 0;
        while done.load(Ordering::Acquire) < PROCESSES as u64 {
            let now = statistics.peer(3, 5).responses[1];
            assert!(now >= last);
            last = now;
        }
    });
    let all = PROCESSES as u64 * ROUNDS;
    let figures = statistics.peer(3, 5);
    assert_eq!((figures.responses[1], figures.sent, figures.received), (all, 2 * all, 3 * all));
    assert_eq!(sums(&statistics.totals()), figures);
}
