//! Workers that come, go and die, and more of them than there are columns.

use std::collections::BTreeMap;

use peer_zone::{PickedPeer, Process, RequestOutcome, Statistics, Worker, protocol::Publishing};
use proptest::prelude::*;

use crate::fixture::{
    Fixture, PROCESSES, at, collect, collect_with, peer, pick, process_of, publish,
    publisher_process, rows, try_pick, with,
};

fn connections(worker: &mut Worker) -> u32 {
    rows(worker)[0].2
}

#[test]
fn a_dead_worker_takes_its_counts_along() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[with(peer("a", "1"), |it| it.max_conns = 5)]).expect("room");
    let (mut dead, mut living) = (fixture.worker_of(1), fixture.worker_of(2));
    for _ in 0..3 {
        pick(&mut dead, 1);
    }
    let held = [pick(&mut living, 1), pick(&mut living, 1)];
    assert!(try_pick(&mut living, 1).is_none());
    collect_with(&mut publisher, |process| {
        assert!(process == process_of(1) || process == process_of(2));
        process.id() != 1
    });
    assert_eq!(connections(&mut living), 2);
    // In the same second, though nothing could be picked just before.
    let more: Vec<_> = std::iter::from_fn(|| try_pick(&mut living, 1)).collect();
    assert_eq!(more.len(), 3);
    for held in more.into_iter().chain(held) {
        living.release(held, RequestOutcome::Answered, None, at(1));
    }
    assert_eq!(connections(&mut living), 0);
}

#[test]
fn a_dead_worker_keeps_nothing_from_being_freed() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    let used = fixture.used();
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    let mut dead = fixture.worker();
    pick(&mut dead, 1);
    // It dies while it reads a table.
    std::mem::forget(dead.table());
    publish(&mut publisher, &[]).expect("room");
    collect(&mut publisher);
    assert!(fixture.used() > used);
    collect_with(&mut publisher, |_| false);
    assert_eq!(fixture.used(), used);
}

#[test]
fn a_later_process_of_the_same_id_is_another() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    let mut first = fixture.zone.join(Process::new(7, 100), |_| true).expect("an entry");
    pick(&mut first, 1);
    let mut second = fixture.zone.join(Process::new(7, 200), |_| true).expect("an entry");
    let held = pick(&mut second, 1);
    collect_with(&mut publisher, |process| process == Process::new(7, 200));
    assert_eq!(connections(&mut second), 1);
    second.release(held, RequestOutcome::Answered, None, at(1));
}

#[test]
fn entries_are_used_again() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    for process in 1..500 {
        let mut worker = fixture.worker_of(process);
        assert_eq!(connections(&mut worker), 0);
        pick(&mut worker, 1);
        if process % 2 == 0 {
            let mut leaving = fixture.worker_of(process);
            assert!(leaving.table().is_some());
            leaving.leave();
        }
        collect_with(&mut publisher, |_| false);
    }
}

/// As many as a zone for one worker has columns for one process each.
const OWN_COLUMNS: u32 = 8;

/// Each one picks a peer.
fn picking(workers: &mut [Worker]) -> Vec<PickedPeer> {
    workers.iter_mut().map(|worker| pick(worker, 1)).collect()
}

#[test]
fn what_a_dead_one_of_those_that_share_a_column_has_counted_goes() {
    let fixture = Fixture::with_workers(1 << 18, 1);
    let mut publisher = fixture.publisher();
    let limited = with(peer("a", "1"), |it| it.max_conns = 28);
    publish(&mut publisher, &[limited]).expect("room");
    let mut workers: Vec<Worker> = (1..=14).map(|process| fixture.worker_of(process)).collect();
    let mut held = picking(&mut workers);
    held.extend(picking(&mut workers));
    assert!(try_pick(&mut workers[0], 1).is_none());
    assert_eq!(fixture.zone.statistics().sharing, 14 - OWN_COLUMNS);

    // Of the six that share a column one dies, and later another one.
    let mut is_dead = vec![14];
    for left in [26, 24] {
        let is_alive = |process: Process| !is_dead.contains(&process.id());
        collect_with(&mut publisher, is_alive);
        // What it has left there cannot be told from what the others have, until these have moved
        // theirs.
        assert_eq!(connections(&mut workers[0]), left + 2);
        let living = workers.len() - is_dead.len();
        workers[..living].iter_mut().for_each(Worker::update_column);
        collect_with(&mut publisher, is_alive);
        assert_eq!(connections(&mut workers[0]), left);
        let more: Vec<_> = std::iter::from_fn(|| try_pick(&mut workers[11], 1)).collect();
        assert_eq!(more.len() as u32, 28 - left, "there is room again");
        for held in more {
            workers[11].release(held, RequestOutcome::Answered, None, at(1));
        }
        is_dead.push(13);
    }

    // Those with columns of their own end: those that share get theirs.
    is_dead.extend(1..=4);
    let is_alive = |process: Process| !is_dead.contains(&process.id());
    collect_with(&mut publisher, is_alive);
    workers[4..12].iter_mut().for_each(Worker::update_column);
    assert_eq!(fixture.zone.statistics().sharing, 0);
    assert_eq!(connections(&mut workers[4]), 16);
    for (index, held) in (0..14).chain(0..14).zip(held) {
        if is_alive(process_of(index + 1)) {
            workers[index as usize].release(held, RequestOutcome::Answered, None, at(1));
        }
    }
    assert_eq!(connections(&mut workers[4]), 0);
    publish(&mut publisher, &[]).expect("room");
    collect_with(&mut publisher, is_alive);
    assert!(rows(&mut workers[4]).is_empty(), "what nobody holds is gone");
}

#[test]
fn entries_of_dead_processes_need_no_publisher_to_be_free() {
    let fixture = Fixture::with_workers(1 << 18, 1);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    // Ten times as many as there is room for, none of which ends in order; no publisher is there to
    // see it.
    for generation in 0..10 {
        let processes = generation * PROCESSES + 1..=(generation + 1) * PROCESSES;
        let is_alive = |process: Process| processes.contains(&process.id());
        for id in processes.clone() {
            let mut worker =
                fixture.zone.join(process_of(id), is_alive).expect("an entry of a dead one");
            pick(&mut worker, 1);
            std::mem::forget(worker.table());
        }
        let all = fixture.zone.join(process_of(1_000), |_| true);
        assert!(all.is_none(), "all entries are those of processes that live");
        let Statistics { processes, most_processes, .. } = fixture.zone.statistics();
        assert_eq!((processes, most_processes), (PROCESSES, PROCESSES));
    }
    // What the first nine generations have left in columns of their own went as these were taken.
    let mut last =
        fixture.zone.join(process_of(1_000), |process| process.id() != 480).expect("of 480");
    let shared = 10 * (PROCESSES - OWN_COLUMNS);
    assert_eq!(connections(&mut last), OWN_COLUMNS + shared);
    last.leave();
    collect_with(&mut publisher, |_| false);
    let mut next = fixture.worker_of(1_001);
    assert_eq!(connections(&mut next), 0);
    assert_eq!(fixture.zone.statistics().processes, 1);
}

/// More connections than a worker's own column holds of one peer.
const MANY: u32 = (1 << 16) + 9;

/// A peer's connections: all, and those that are upgraded.
fn both(worker: &mut Worker) -> (u32, u32) {
    let table = worker.table().expect("a table");
    let row = table.rows().next().expect("a peer");
    (row.connections.all(), row.connections.upgraded())
}

/// A worker with this many connections to the only peer, some of which were upgraded early.
fn crowded(fixture: &Fixture) -> (Worker, Vec<PickedPeer>) {
    let mut worker = fixture.worker_of(1);
    let mut held: Vec<PickedPeer> = (0..100).map(|_| pick(&mut worker, 1)).collect();
    held.iter_mut().take(7).for_each(|held| worker.upgrade(held));
    held.extend((100..MANY).map(|_| pick(&mut worker, 1)));
    (worker, held)
}

#[test]
fn more_connections_than_an_own_column_holds_are_counted_in_a_shared_one() {
    let fixture = Fixture::with_workers(1 << 18, 1);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    let mut other = fixture.worker_of(2);
    let of_other = [pick(&mut other, 1), pick(&mut other, 1)];
    let (mut worker, mut held) = crowded(&fixture);
    assert_eq!(both(&mut other), (MANY + 2, 7));
    assert_eq!(fixture.zone.statistics().sharing, 1);
    // Others may have the column that it had.
    let mut taking: Vec<Worker> =
        (3..2 + OWN_COLUMNS).map(|process| fixture.worker_of(process)).collect();
    assert_eq!(fixture.zone.statistics().sharing, 1);
    let taken = picking(&mut taking);
    assert_eq!(both(&mut other), (MANY + 1 + OWN_COLUMNS, 7));
    for (worker, held) in taking.iter_mut().zip(taken) {
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    taking.into_iter().for_each(Worker::leave);
    // It shares one until a column of its own holds all with room to spare.
    worker.update_column();
    assert_eq!((both(&mut other), fixture.zone.statistics().sharing), ((MANY + 2, 7), 1));
    for held in held.drain(1_000..) {
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    assert_eq!(both(&mut other), (1_002, 7));
    worker.update_column();
    assert_eq!((both(&mut other), fixture.zone.statistics().sharing), ((1_002, 7), 0));
    for held in held {
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    assert_eq!(both(&mut worker), (2, 0));
    for held in of_other {
        other.release(held, RequestOutcome::Answered, None, at(1));
    }
    publish(&mut publisher, &[]).expect("room");
    collect(&mut publisher);
    assert!(rows(&mut worker).is_empty(), "what nobody holds is gone");
}

#[test]
fn a_dead_worker_with_more_than_its_column_holds_takes_them_along() {
    let fixture = Fixture::with_workers(1 << 18, 1);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    let mut other = fixture.worker_of(2);
    let held = pick(&mut other, 1);
    let _dead = crowded(&fixture);
    assert_eq!(both(&mut other), (MANY + 1, 7));
    collect_with(&mut publisher, |process| process == process_of(2));
    assert_eq!(both(&mut other), (1, 0));
    other.release(held, RequestOutcome::Answered, None, at(1));
}

/// What happens, each to one of the workers that there are.
#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    Die,
    Pick,
    Upgrade,
    Release,
    Settle,
    Collect,
    /// Of three lists the next one.
    Publish,
}

fn steps() -> impl Strategy<Value = Vec<(Step, usize)>> {
    let step = prop_oneof![
        3 => Just(Step::Join),
        1 => Just(Step::Die),
        8 => Just(Step::Pick),
        2 => Just(Step::Upgrade),
        4 => Just(Step::Release),
        4 => Just(Step::Settle),
        3 => Just(Step::Collect),
        1 => Just(Step::Publish),
    ];
    proptest::collection::vec((step, any::<usize>()), 1..250)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..ProptestConfig::default()
    })]

    /// Whichever workers come, die, pick and move: the counts are never below what those that live
    /// hold, and in the end they are that, and nothing is kept that nobody holds.
    #[test]
    fn counts_are_those_of_the_living(steps in steps()) {
        let fixture = Fixture::with_workers(1 << 18, 1);
        let mut publisher = fixture.publisher();
        let lists =
            [vec![peer("a", "1"), peer("b", "2")], vec![peer("b", "2")], vec![peer("c", "3")]];
        publish(&mut publisher, &lists[0]).expect("room");
        let mut workers: Vec<(u32, Worker, Vec<PickedPeer>)> = Vec::new();
        let (mut last, mut list) = (0, 0);
        // Most columns are taken from the start.
        let occupied: Vec<Worker> =
            (0..OWN_COLUMNS - 2).map(|id| fixture.worker_of(10_000 + id)).collect();
        for (step, which) in steps {
            let living: Vec<u32> = workers.iter().map(|(id, ..)| *id).collect();
            let is_alive =
                |process: Process| process.id() >= 10_000 || living.contains(&process.id());
            match step {
                Step::Join if workers.len() < 12 => {
                    last += 1;
                    let worker = fixture.zone.join(process_of(last), is_alive).expect("an entry");
                    workers.push((last, worker, Vec::new()));
                }
                Step::Collect => {
                    let publishing = Publishing::unshared();
                    publisher.reclaim_memory(publisher_process(), is_alive, &publishing);
                }
                Step::Publish => {
                    list += 1;
                    publish(&mut publisher, &lists[list % 3]).expect("room");
                }
                _ if workers.is_empty() => {}
                Step::Join => {}
                Step::Die => drop(workers.swap_remove(which % workers.len())),
                Step::Pick => {
                    let index = which % workers.len();
                    let (_, worker, held) = &mut workers[index];
                    held.push(pick(worker, 1));
                }
                Step::Upgrade => {
                    let index = which % workers.len();
                    let (_, worker, held) = &mut workers[index];
                    if let Some(held) = held.first_mut() {
                        worker.upgrade(held);
                    }
                }
                Step::Release => {
                    let index = which % workers.len();
                    let (_, worker, held) = &mut workers[index];
                    if let Some(held) = held.pop() {
                        worker.release(held, RequestOutcome::Answered, None, at(1));
                    }
                }
                Step::Settle => {
                    let index = which % workers.len();
                    workers[index].1.update_column();
                }
            }
            let expected = held_by(&workers);
            for (_, worker, held) in &workers {
                for held in held {
                    let connections = worker.connections(held).all();
                    prop_assert!(Some(&connections) >= expected.get(&held.id()));
                }
            }
        }
        let living: Vec<u32> = workers.iter().map(|(id, ..)| *id).collect();
        let is_alive = |process: Process| process.id() >= 10_000 || living.contains(&process.id());
        // One that died in between may have left something in both shared columns.
        for _ in 0..3 {
            collect_with(&mut publisher, is_alive);
            workers.iter_mut().for_each(|(_, worker, _)| worker.update_column());
        }
        collect_with(&mut publisher, is_alive);
        let mut expected = held_by(&workers);
        let mut reader = fixture.zone.join(process_of(20_000), is_alive).expect("an entry");
        let table = reader.table().expect("a table");
        for row in table.rows() {
            let held = expected.remove(&row.peer.id).unwrap_or_default();
            prop_assert_eq!(row.connections.all(), held);
            prop_assert!(!row.is_removed || held > 0);
        }
        prop_assert!(expected.is_empty());
        drop(table);
        drop(occupied);
    }
}

/// How many each peer has of what these hold, by the peers' ids.
fn held_by(workers: &[(u32, Worker, Vec<PickedPeer>)]) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for held in workers.iter().flat_map(|(_, _, held)| held) {
        *counts.entry(held.id()).or_default() += 1;
    }
    counts
}
