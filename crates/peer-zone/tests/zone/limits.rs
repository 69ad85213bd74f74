//! max_conns: never exceeded, and always reached.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use peer_zone::{Process, RequestOutcome};

use crate::fixture::{Fixture, at, fail, peer, pick, publish, try_pick, with};

#[test]
fn is_reached_and_not_exceeded() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    let limited = |limit| {
        [("a", "1"), ("b", "2")]
            .map(|(key, address)| with(peer(key, address), |it| it.max_conns = limit))
    };
    publish(&mut publisher, &limited(3)).expect("room");
    let mut workers = [1, 2].map(|process| fixture.worker_of(process));
    let mut held: VecDeque<_> =
        (0..6).map(|index| (index % 2, pick(&mut workers[index % 2], 1))).collect();
    // Each that ends makes room for one, for every worker and in the same second.
    for round in 0..10 {
        for worker in &mut workers {
            assert!(try_pick(worker, 1).is_none());
        }
        let (worker, ended) = held.pop_front().expect("one");
        workers[worker].release(ended, RequestOutcome::Answered, None, at(1));
        let next = round / 2 % 2;
        held.push_back((next, pick(&mut workers[next], 1)));
    }
}

#[test]
fn a_limit_that_comes_later_counts_what_is_open() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    let mut worker = fixture.worker();
    let mut held: Vec<_> = (0..5).map(|_| pick(&mut worker, 1)).collect();
    publish(&mut publisher, &[with(peer("a", "1"), |it| it.max_conns = 3)]).expect("room");
    while held.len() > 3 {
        assert!(try_pick(&mut worker, 1).is_none(), "{} are open", held.len());
        worker.release(held.pop().expect("one"), RequestOutcome::Answered, None, at(1));
    }
    assert!(try_pick(&mut worker, 1).is_none());
    worker.release(held.pop().expect("one"), RequestOutcome::Answered, None, at(1));
    // In the same second.
    held.push(pick(&mut worker, 1));
    assert!(try_pick(&mut worker, 1).is_none());
}

#[test]
fn a_full_peer_keeps_its_trial() {
    let fixture = Fixture::new(1 << 18);
    let set = |peer| with(peer, |it| it.max_conns = 2);
    publish(&mut fixture.publisher(), &[set(peer("a", "1")), set(peer("b", "2"))]).expect("room");
    let mut worker = fixture.worker();
    let open: Vec<_> = (0..3).map(|_| pick(&mut worker, 100)).collect();
    // "1" is full, "2" has one place left: it fails there, and is full as well.
    assert_eq!(fail(&mut worker, 100), "2");
    let last = pick(&mut worker, 111);
    for _ in 0..3 {
        assert!(try_pick(&mut worker, 115).is_none());
    }
    worker.release(last, RequestOutcome::Answered, None, at(115));
    assert!(try_pick(&mut worker, 115).is_some());
    for held in open {
        worker.release(held, RequestOutcome::Answered, None, at(115));
    }
}

#[test]
fn holds_among_threads() {
    const LIMIT: u32 = 3;
    const PICKS: u32 = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    let fixture = Fixture::new(1 << 18);
    let limited = |key, address| with(peer(key, address), |it| it.max_conns = LIMIT);
    publish(&mut fixture.publisher(), &[limited("a", "0"), limited("b", "1")]).expect("room");
    let open = [const { AtomicU32::new(0) }; 2];
    let (exceeded, picked) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let workers = [1, 2, 3, 4].map(|process| {
            let (zone, open, exceeded, picked) = (fixture.zone, &open, &exceeded, &picked);
            scope.spawn(move || {
                let mut worker = zone.join(Process::new(process, 1), |_| true).expect("an entry");
                let mut held = Vec::new();
                for step in 0..PICKS {
                    if let Some(got) = try_pick(&mut worker, 1) {
                        let index = usize::from(worker.peer(&got).socket_address == b"1");
                        if open[index].fetch_add(1, Ordering::SeqCst) >= LIMIT {
                            exceeded.store(true, Ordering::Relaxed);
                        }
                        held.push((index, got));
                        picked.fetch_add(1, Ordering::Relaxed);
                    }
                    if (held.len() > 2 || step % 3 == 0)
                        && let Some((index, held)) = held.pop()
                    {
                        open[index].fetch_sub(1, Ordering::SeqCst);
                        worker.release(held, RequestOutcome::Answered, None, at(1));
                    }
                }
                for (index, held) in held {
                    open[index].fetch_sub(1, Ordering::SeqCst);
                    worker.release(held, RequestOutcome::Answered, None, at(1));
                }
            })
        });
        // The scope would wait as well, but in a way that ThreadSanitizer does not see.
        for worker in workers {
            worker.join().expect("a worker");
        }
    });
    assert!(!exceeded.load(Ordering::Relaxed));
    assert!(picked.load(Ordering::Relaxed) > PICKS / 4);
    // All places are there again, and not one more.
    let mut worker = fixture.worker_of(9);
    let held: Vec<_> = std::iter::from_fn(|| try_pick(&mut worker, 1)).collect();
    assert_eq!(held.len(), 2 * LIMIT as usize);
}
