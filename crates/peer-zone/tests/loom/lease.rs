//! One process holds the lease, and none writes after another has taken it.

use loom::{cell::UnsafeCell, sync::Arc, thread};
use peer_zone::protocol::Lease;

/// A silence (ms) after which a holder that lives is passed over.
const LATE: u64 = 10_000;

fn all_live(_: u32) -> bool {
    true
}

#[test]
fn of_two_that_claim_one_holds() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let rival = thread::spawn({
            let lease = lease.clone();
            move || lease.claim(2, 1, 0, all_live)
        });
        let mine = lease.claim(1, 1, 0, all_live);
        let theirs = rival.join().expect("the rival");
        assert!(mine.is_some() != theirs.is_some());
        assert_eq!(lease.holder(), if mine.is_some() { 1 } else { 2 });
    });
}

#[test]
fn of_two_that_follow_a_dead_holder_one_writes() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let dead = lease.claim(9, 1, 0, all_live).expect("the first");
        // It died while it wrote.
        let _written_until_it_died = lease.begin(dead).expect("held");
        let written = Arc::new(UnsafeCell::new(0));
        let followers = [1, 2].map(|process| {
            let (lease, written) = (lease.clone(), written.clone());
            thread::spawn(move || {
                let Some(mine) = lease.claim(process, 1, 0, |process| process != 9) else {
                    return 0;
                };
                let Some(publishing) = lease.begin(mine) else { return 0 };
                // SAFETY: one holder writes at a time; loom checks it.
                written.with_mut(|written| unsafe { *written += 1 });
                lease.end(mine, publishing);
                1
            })
        });
        let wrote: u32 =
            followers.into_iter().map(|follower| follower.join().expect("a follower")).sum();
        assert_eq!(wrote, 1);
    });
}

#[test]
fn a_silent_holder_writes_before_it_is_passed_over_or_not_at_all() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let written = Arc::new(UnsafeCell::new(0));
        let mine = lease.claim(1, 1, 0, all_live).expect("the first");
        let write = |lease: &Lease, word: u64, written: &UnsafeCell<u32>| {
            let Some(publishing) = lease.begin(word) else { return false };
            // SAFETY: one holder writes at a time; loom checks it.
            written.with_mut(|written| unsafe { *written += 1 });
            lease.end(word, publishing);
            true
        };
        let follower = thread::spawn({
            let (lease, written) = (lease.clone(), written.clone());
            move || {
                let word = lease.claim(2, 1, LATE, all_live)?;
                assert!(
                    write(&lease, word, &written),
                    "nobody may pass over a holder that is not silent"
                );
                Some(word)
            }
        });
        let before = write(&lease, mine, &written);
        let followed = follower.join().expect("the follower").is_some();
        assert!(before || followed);
        if followed {
            assert!(lease.begin(mine).is_none(), "a holder that was passed over may not begin");
            assert!(!lease.beat(mine, 1, LATE));
        }
        // SAFETY: all others have ended.
        assert_eq!(
            written.with(|written| unsafe { *written }),
            u32::from(before) + u32::from(followed)
        );
    });
}

#[test]
fn giving_back_does_not_take_it_from_another() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let mine = lease.claim(1, 1, 0, all_live).expect("the first");
        let follower = thread::spawn({
            let lease = lease.clone();
            move || lease.claim(2, 1, LATE, all_live)
        });
        lease.release(mine);
        let followed = follower.join().expect("the follower");
        assert_eq!(lease.holder(), if followed.is_some() { 2 } else { 0 });
        assert!(lease.begin(mine).is_none());
        assert!(followed.is_none_or(|word| lease.begin(word).is_some()));
    });
}

#[test]
fn a_watcher_that_fails_while_it_writes_leaves_the_lease_to_others() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let mine = lease.claim(1, 1, 0, all_live).expect("the first");
        // As after a panic: nothing says that the writing has ended, and the process lives on.
        drop(lease.begin(mine).expect("the holder may write"));
        assert!(lease.claim(2, 1, LATE, all_live).is_none());
        let follower = thread::spawn({
            let lease = lease.clone();
            move || lease.claim(2, 1, LATE, all_live)
        });
        lease.release(mine);
        let followed =
            follower.join().expect("the follower").or_else(|| lease.claim(2, 1, LATE, all_live));
        assert!(followed.is_some_and(|word| lease.begin(word).is_some()));
        assert!(lease.begin(mine).is_none());
    });
}

#[test]
fn a_late_heartbeat_does_not_make_its_successor_silent() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let mine = lease.claim(1, 1, 0, all_live).expect("the first");
        let late = thread::spawn({
            let lease = lease.clone();
            move || lease.beat(mine, 1, 1)
        });
        let followed = lease.claim(2, 1, LATE, all_live);
        late.join().expect("the late one");
        if let Some(word) = followed {
            assert!(lease.claim(3, 1, LATE + 1, all_live).is_none());
            assert!(lease.begin(word).is_some());
        }
    });
}

#[test]
fn an_older_cycle_gives_way() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let (old, new) = (lease.number_cycle(), lease.number_cycle());
        lease.enter_cycle(old);
        let mine = lease.claim(1, old, 0, all_live).expect("the first");
        let newer = thread::spawn({
            let lease = lease.clone();
            move || lease.enter_cycle(new)
        });
        lease.beat(mine, old, 1);
        newer.join().expect("the newer cycle");
        assert!(!lease.beat(mine, old, 2));
        assert!(lease.claim(2, old, LATE, all_live).is_none());
        lease.release(mine);
        assert!(lease.claim(3, new, 3, all_live).is_some());
    });
}
