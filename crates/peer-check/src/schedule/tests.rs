use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use proptest::prelude::*;
use tokio::time::Instant;

use super::{NEWCOMER_GAP, Schedule, Turn};
use crate::attempt::CheckOutcome;
use crate::checked::Checked;
use crate::config::{CheckConfig, CheckKind};
use crate::failure::Failure;
use crate::health::HealthState;
use crate::peer::{Address, PeerId};

const INTERVAL: Duration = Duration::from_secs(5);

fn config(fall: u32, rise: u32) -> CheckConfig {
    CheckConfig {
        kind: CheckKind::Tcp { exchange: None },
        interval: INTERVAL,
        timeout: Duration::from_secs(1),
        fall,
        rise,
    }
}

fn schedule() -> Schedule {
    Schedule::new(&config(3, 2), Rng::with_seed(7))
}

fn peer(number: usize) -> Checked {
    Checked {
        id: PeerId {
            key: Some(format!("node-{number}").into()),
            address: [1, 2].as_slice().into(),
        },
        target: Address::Ip(SocketAddr::from(([127, 0, 0, 1], 80))),
        state: HealthState::Unknown,
        plan: None,
    }
}

fn peers(numbers: impl IntoIterator<Item = usize>) -> Vec<Checked> {
    numbers.into_iter().map(peer).collect()
}

/// Makes every check that is due before `end`; each takes `duration`, with no limit to how many at
/// once. Says when each began.
fn run(schedule: &mut Schedule, end: Instant, duration: Duration) -> Vec<(Instant, PeerId)> {
    let mut begun = Vec::new();
    while let Some(due) = schedule.next_due(true).filter(|due| *due < end) {
        let turn = schedule.start(due, true).expect("it is due");
        begun.push((due, turn.id.clone()));
        schedule.record_result(turn, CheckOutcome::Passed, due + duration);
    }
    begun
}

/// The most and the fewest checks within any span of a tenth of the interval, between the first and
/// the last check.
fn extremes(begun: &[(Instant, PeerId)]) -> (usize, usize) {
    let times: Vec<_> = begun.iter().map(|(time, _)| *time).collect();
    let within = |from: Instant| times.partition_point(|time| *time < from + INTERVAL / 10);
    let last = times[times.len() - 1] - INTERVAL / 10;
    let counts = times.iter().enumerate().filter(|(_, time)| **time <= last);
    let counts: Vec<_> = counts.map(|(index, time)| within(*time) - index).collect();
    (*counts.iter().max().expect("checks"), *counts.iter().min().expect("checks"))
}

/// How many peers wait for their next check.
fn waiting(schedule: &Schedule) -> usize {
    schedule.waiting.others.len() + schedule.waiting.failing.len()
}

#[test]
fn newcomers_have_their_turns_in_random_order() {
    let mut schedule = schedule();
    schedule.set_peers(peers(0..100), Instant::now());
    let order: Vec<_> = schedule.waiting.others.values().cloned().collect();
    let given: Vec<_> = peers(0..100).into_iter().map(|peer| peer.id).collect();
    assert_ne!(order, given);
}

#[test]
fn who_fails_can_be_left_to_wait() {
    let mut schedule = Schedule::new(&config(1, 1), Rng::with_seed(7));
    let now = Instant::now();
    schedule.set_peers([Checked { state: HealthState::Failing, ..peer(0) }, peer(1), peer(2)], now);
    let later = now + INTERVAL;
    let turns: Vec<_> = std::iter::from_fn(|| schedule.start(later, false)).collect();
    assert!(turns.len() == 2 && turns.iter().all(|turn| !turn.is_failing), "{turns:?}");
    assert_eq!(schedule.next_due(false), None);
    let turn = schedule.start(later, true).expect("it is due");
    assert!(turn.is_failing && turn.id == peer(0).id);
    // With its state a peer changes its queue.
    assert!(schedule.record_result(turn, CheckOutcome::Passed, later).is_some());
    assert!(schedule.next_due(false).is_some());
    schedule.set_peers([], later);
    assert_eq!(waiting(&schedule), 0);
}

#[test]
fn two_thousand_newcomers_are_spread_from_the_first_check_on() {
    let mut schedule = schedule();
    let now = Instant::now();
    schedule.set_peers(peers(0..2000), now);
    let begun = run(&mut schedule, now + INTERVAL * 40, Duration::from_millis(10));
    // 200 are expected. In the first interval it is one a slot; later it is chance, and 14 a
    // standard deviation.
    let first = begun.partition_point(|(time, _)| *time < now + INTERVAL);
    let (most, fewest) = extremes(&begun[..first]);
    assert!(most <= 300 && fewest >= 120, "{fewest} to {most} in the first interval");
    let (most, fewest) = extremes(&begun);
    assert!(most <= 300 && fewest >= 120, "{fewest} to {most}");
    let checked: HashSet<_> = begun.iter().take(2200).map(|(_, id)| id).collect();
    assert_eq!(checked.len(), 2000, "each within the first interval and a tenth");
}

#[test]
fn peers_that_come_one_by_one_in_a_burst_are_spread_too() {
    let mut schedule = schedule();
    let now = Instant::now();
    let all = peers(0..600);
    for (index, _) in all.iter().enumerate() {
        schedule.set_peers(
            all[..=index].iter().cloned(),
            now + Duration::from_micros(800) * index as u32,
        );
    }
    let arrived = now + Duration::from_millis(500);
    let begun = run(&mut schedule, now + INTERVAL * 20, Duration::ZERO);
    let (most, _) = extremes(&begun);
    // 60 are expected, 8 a standard deviation; at the rate at which they came it would be 600.
    assert!(most <= 105, "{most}");
    let first = begun.partition_point(|(time, _)| *time <= arrived + INTERVAL);
    let checked: HashSet<_> = begun[..first].iter().map(|(_, id)| id).collect();
    assert_eq!(checked.len(), 600);
}

#[test]
fn a_lone_newcomer_is_checked_soon() {
    let now = Instant::now();
    for others in [0, 1, 50, 2000] {
        let mut schedule = schedule();
        schedule.set_peers(peers(0..others), now);
        let settled = now + INTERVAL * 3;
        run(&mut schedule, settled, Duration::ZERO);
        schedule.set_peers(peers(0..=others), settled);
        let begun = run(&mut schedule, settled + NEWCOMER_GAP, Duration::ZERO);
        assert!(begun.iter().any(|(_, id)| *id == peer(others).id), "beside {others} others");
    }
}

#[test]
fn checks_come_an_interval_apart_and_do_not_drift() {
    let mut schedule = schedule();
    let now = Instant::now();
    schedule.set_peers(peers(0..1), now);
    let begun = run(&mut schedule, now + INTERVAL * 1000, INTERVAL / 3);
    for pair in begun.windows(2) {
        let apart = pair[1].0 - pair[0].0;
        assert!(apart >= INTERVAL.mul_f64(0.9) && apart <= INTERVAL.mul_f64(1.1), "{apart:?}");
    }
    // With a third of an interval added each time it would be 750.
    assert!((980..=1020).contains(&begun.len()), "{}", begun.len());
}

#[test]
fn who_stays_keeps_the_schedule() {
    let mut schedule = schedule();
    let now = Instant::now();
    schedule.set_peers(peers(0..100), now);
    let later = now + INTERVAL * 2;
    run(&mut schedule, later, Duration::ZERO);
    let of_those_who_stay = |schedule: &Schedule| -> HashMap<_, _> {
        let stay: HashSet<_> = (50..100).map(|number| peer(number).id).collect();
        let waiting = schedule.waiting.others.iter();
        waiting
            .map(|((due, _), id)| (id.clone(), *due))
            .filter(|(id, _)| stay.contains(id))
            .collect()
    };
    let before = of_those_who_stay(&schedule);
    assert_eq!(before.len(), 50);
    schedule.set_peers(peers(50..150), later);
    assert_eq!(of_those_who_stay(&schedule), before);
    assert_eq!((schedule.len(), waiting(&schedule)), (100, 100));
}

/// The turn that is next, begun when it is due.
fn begin(schedule: &mut Schedule) -> (Turn, Instant) {
    let due = schedule.next_due(true).expect("a peer waits");
    (schedule.start(due, true).expect("it is due"), due)
}

fn failed() -> CheckOutcome {
    CheckOutcome::Failed(Failure::of_status(500))
}

#[test]
fn counts_survive_keep_and_the_given_state_does_not_matter_then() {
    let mut schedule = schedule();
    let now = Instant::now();
    schedule.set_peers([Checked { state: HealthState::Passing, ..peer(0) }], now);
    for _ in 0..2 {
        let (turn, due) = begin(&mut schedule);
        assert_eq!(schedule.record_result(turn, failed(), due), None);
        schedule.set_peers([Checked { state: HealthState::Unknown, ..peer(0) }, peer(1)], due);
        schedule.set_peers([peer(0)], due);
    }
    let (turn, due) = begin(&mut schedule);
    let verdict = schedule.record_result(turn, failed(), due).expect("the third failure in a row");
    assert_eq!(verdict.state, HealthState::Failing);
    assert_eq!(verdict.reason.as_deref(), Some("status 500"));
}

#[test]
fn a_removed_peer_s_attempt_has_no_effect_not_even_when_it_is_back() {
    let mut schedule = Schedule::new(&config(1, 1), Rng::with_seed(7));
    let now = Instant::now();
    schedule.set_peers([peer(0)], now);
    let (turn, due) = begin(&mut schedule);
    schedule.set_peers([], due);
    assert!(!schedule.is_wanted(&turn));
    assert_eq!(schedule.record_result(turn.clone(), CheckOutcome::Passed, due), None);
    schedule.set_peers([peer(0)], due);
    assert!(!schedule.is_wanted(&turn));
    assert_eq!(schedule.record_result(turn, CheckOutcome::Passed, due), None);
    let (turn, due) = begin(&mut schedule);
    assert!(schedule.is_wanted(&turn));
    assert!(schedule.record_result(turn, CheckOutcome::Passed, due).is_some());
}

#[test]
fn a_peer_that_moves_to_another_target_is_a_newcomer() {
    let mut schedule = schedule();
    let now = Instant::now();
    schedule.set_peers([Checked { state: HealthState::Passing, ..peer(0) }], now);
    let (turn, due) = begin(&mut schedule);
    schedule.record_result(turn, CheckOutcome::Passed, due);
    let (turn, due) = begin(&mut schedule);
    let moved = Checked { target: Address::Unix("/run/app.sock".into()), ..peer(0) };
    // Of two with one id the first counts.
    schedule.set_peers([moved.clone(), peer(0)], due);
    assert_eq!((schedule.len(), waiting(&schedule)), (1, 1));
    assert_eq!(schedule.record_result(turn, CheckOutcome::Passed, due), None);
    let (turn, began) = begin(&mut schedule);
    assert!(began <= due + NEWCOMER_GAP);
    assert_eq!(turn.target, moved.target);
    let verdict =
        schedule.record_result(turn, CheckOutcome::Passed, began).expect("it was unknown");
    assert_eq!(verdict.state, HealthState::Passing);
}

#[test]
fn a_check_that_was_not_made_counts_as_nothing() {
    let mut schedule = Schedule::new(&config(2, 1), Rng::with_seed(7));
    schedule.set_peers([peer(0)], Instant::now());
    for (outcome, changes) in [(failed(), false), (CheckOutcome::NotMade, false), (failed(), true)]
    {
        let (turn, due) = begin(&mut schedule);
        assert_eq!(schedule.record_result(turn, outcome, due).is_some(), changes);
    }
}

#[test]
fn a_late_check_is_not_followed_by_the_next_at_once() {
    let mut schedule = schedule();
    schedule.set_peers([peer(0)], Instant::now());
    let late = schedule.next_due(true).expect("a peer waits") + INTERVAL * 3;
    let turn = schedule.start(late, true).expect("it is overdue");
    schedule.record_result(turn, CheckOutcome::Passed, late);
    assert_eq!(schedule.next_due(true), Some(late + INTERVAL / 2));
}

#[test]
fn extreme_intervals_are_bounded() {
    let now = Instant::now();
    for interval in [Duration::ZERO, Duration::MAX] {
        let mut schedule = Schedule::new(
            &CheckConfig { interval, timeout: interval, ..config(0, 0) },
            Rng::with_seed(7),
        );
        schedule.set_peers(peers(0..100), now);
        for _ in 0..300 {
            let (turn, due) = begin(&mut schedule);
            schedule.record_result(turn, CheckOutcome::Passed, due);
        }
        assert!(schedule.next_due(true).is_some_and(|due| due > now));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Keep(Vec<usize>),
    /// In the place of the first ones come the second ones.
    Change([Vec<usize>; 2]),
    Begin,
    /// The attempt under way at this place (modulo their number) ends.
    End(usize, bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    let numbers = |most| prop::collection::vec(0_usize..8, 0..most);
    prop_oneof![
        1 => numbers(8).prop_map(Step::Keep),
        2 => [numbers(3), numbers(3)].prop_map(Step::Change),
        6 => Just(Step::Begin),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(place, passed)| Step::End(place, passed)),
    ]
}

/// A peer as the rules have it, with its results since the last change of state.
struct Model {
    life: usize,
    state: HealthState,
    since: Vec<bool>,
}

impl Model {
    fn result(&mut self, passed: bool, fall: usize, rise: usize) -> Option<HealthState> {
        self.since.push(passed);
        let in_a_row = self.since.iter().rev().take_while(|result| **result == passed).count();
        let (state, needed) =
            if passed { (HealthState::Passing, rise) } else { (HealthState::Failing, fall) };
        let needed = if passed && self.state == HealthState::Unknown { 1 } else { needed };
        if state == self.state || in_a_row < needed {
            return None;
        }
        self.state = state;
        self.since.clear();
        Some(state)
    }
}

proptest! {
    #[test]
    fn any_interleaving_follows_the_rules(
        fall in 1_usize..4,
        rise in 1_usize..4,
        seed in any::<u64>(),
        steps in prop::collection::vec(any_step(), 0..200),
    ) {
        let mut schedule = Schedule::new(&config(fall as u32, rise as u32), Rng::with_seed(seed));
        let mut now = Instant::now();
        let mut model: HashMap<PeerId, Model> = HashMap::new();
        let mut under_way: Vec<(Turn, usize)> = Vec::new();
        for (life, step) in steps.into_iter().enumerate() {
            let ids = |numbers: &[usize]| -> HashSet<PeerId> {
                numbers.iter().map(|number| peer(*number).id).collect()
            };
            let new = || Model { life, state: HealthState::Unknown, since: Vec::new() };
            match step {
                Step::Keep(numbers) => {
                    let wanted = ids(&numbers);
                    schedule.set_peers(peers(numbers), now);
                    model.retain(|id, _| wanted.contains(id));
                    wanted.into_iter().for_each(|id| _ = model.entry(id).or_insert_with(new));
                }
                Step::Change([before, numbers]) => {
                    let (gone, wanted) = (ids(&before), ids(&numbers));
                    schedule.change_peers(gone.iter().cloned(), peers(numbers), now);
                    model.retain(|id, _| wanted.contains(id) || !gone.contains(id));
                    wanted.into_iter().for_each(|id| _ = model.entry(id).or_insert_with(new));
                }
                Step::Begin => {
                    if let Some(due) = schedule.next_due(true) {
                        now = now.max(due);
                        let turn = schedule.start(now, true).expect("it is due");
                        let life = model[&turn.id].life;
                        let twice =
                            under_way.iter().any(|(other, of)| other.id == turn.id && *of == life);
                        prop_assert!(!twice, "one attempt at a time");
                        under_way.push((turn, life));
                    }
                }
                Step::End(place, passed) if !under_way.is_empty() => {
                    let (turn, life) = under_way.swap_remove(place % under_way.len());
                    let id = turn.id.clone();
                    let known = model.get_mut(&id).filter(|known| known.life == life);
                    prop_assert_eq!(schedule.is_wanted(&turn), known.is_some());
                    let expected = known.and_then(|known| known.result(passed, fall, rise));
                    let outcome = if passed { CheckOutcome::Passed } else { failed() };
                    let verdict = schedule.record_result(turn, outcome, now);
                    prop_assert_eq!(verdict.as_ref().map(|verdict| verdict.state), expected);
                    let reason = verdict.and_then(|verdict| verdict.reason);
                    prop_assert_eq!(reason.is_some(), expected == Some(HealthState::Failing));
                }
                Step::End(..) => {}
            }
            prop_assert_eq!(schedule.len(), model.len());
            let busy = under_way.iter().filter(|(turn, _)| schedule.is_wanted(turn)).count();
            prop_assert_eq!(waiting(&schedule) + busy, model.len());
        }
    }
}
