//! Workers that come, go and die, and more of them than there are columns.

use peer_zone::{Outcome, Worker};

use crate::fixture::{Fixture, at, collect, collect_with, peer, pick, publish, rows, try_pick, with};

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
    collect_with(&mut publisher, |process, started| {
        assert_eq!(started, u64::from(process) * 10);
        process != 1
    });
    assert_eq!(connections(&mut living), 2);
    // In the same second, though nothing could be picked just before.
    let more: Vec<_> = std::iter::from_fn(|| try_pick(&mut living, 1)).collect();
    assert_eq!(more.len(), 3);
    for held in more.into_iter().chain(held) {
        living.release(held, Outcome::Answered, None, at(1));
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
    collect_with(&mut publisher, |_, _| false);
    assert_eq!(fixture.used(), used);
}

#[test]
fn a_later_process_of_the_same_id_is_another() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    let mut first = fixture.zone.join(7, 100).expect("an entry");
    pick(&mut first, 1);
    let mut second = fixture.zone.join(7, 200).expect("an entry");
    let held = pick(&mut second, 1);
    collect_with(&mut publisher, |process, started| (process, started) == (7, 200));
    assert_eq!(connections(&mut second), 1);
    second.release(held, Outcome::Answered, None, at(1));
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
        collect_with(&mut publisher, |_, _| false);
    }
}

#[test]
fn beyond_the_own_columns_the_last_is_shared() {
    let fixture = Fixture::with_workers(1 << 18, 1);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    let mut workers: Vec<Worker> = (1..).map_while(|process| fixture.zone.join(process, 1)).collect();
    assert!(workers.len() > 20, "one column each would do for {}", workers.len());
    let mut held: Vec<_> = workers.iter_mut().map(|worker| pick(worker, 1)).collect();
    let all = held.len() as u32;
    assert_eq!(connections(&mut workers[0]), all);

    // The last two share a column. What one of them leaves there stays until nobody shares it any more.
    let (last, other) = (all, all - 1);
    held.pop();
    collect_with(&mut publisher, |process, _| process != last);
    assert_eq!(connections(&mut workers[0]), all);
    // Its entry is free for another, which shares as well.
    let mut follower = fixture.zone.join(1_000, 1).expect("the entry of the dead one");
    let followers = pick(&mut follower, 1);
    assert_eq!(connections(&mut workers[0]), all + 1);
    follower.release(followers, Outcome::Answered, None, at(1));
    held.pop();
    let shares = |process: u32| process > 15;
    assert!(shares(other));
    collect_with(&mut publisher, |process, _| !shares(process));
    let mut own = 0;
    for (process, (worker, held)) in (1..).zip(workers.iter_mut().zip(held)) {
        if !shares(process) {
            own += 1;
            worker.release(held, Outcome::Answered, None, at(1));
        }
    }
    assert_eq!(own, 15);
    assert_eq!(connections(&mut workers[0]), 0);
    // All entries that were shared are free again.
    let again = (0..).map_while(|process| fixture.zone.join(2_000 + process, 1)).count();
    assert_eq!(again, workers.len() - 15);
}
