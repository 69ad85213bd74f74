//! One process holds the lease, and none writes after another has taken it.

use loom::{cell::UnsafeCell, sync::Arc, thread};
use peer_zone::protocol::Lease;

fn all_live(_: u32) -> bool {
    true
}

#[test]
fn of_two_that_claim_one_holds() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let rival = thread::spawn({
            let lease = lease.clone();
            move || lease.claim(2, 1, all_live)
        });
        let mine = lease.claim(1, 1, all_live);
        let theirs = rival.join().expect("the rival");
        assert!(mine.is_some() != theirs.is_some());
        assert_eq!(lease.holder(), if mine.is_some() { 1 } else { 2 });
    });
}

#[test]
fn of_two_that_follow_a_dead_holder_one_writes() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let dead = lease.claim(9, 1, all_live).expect("the first");
        // It died while it wrote.
        let _written_until_it_died = lease.begin(dead).expect("held");
        let written = Arc::new(UnsafeCell::new(0));
        let followers = [1, 2].map(|process| {
            let (lease, written) = (lease.clone(), written.clone());
            thread::spawn(move || {
                let Some(mine) = lease.claim(process, 1, |process| process != 9) else {
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
fn a_stopped_holder_writes_before_it_is_passed_over_or_not_at_all() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let written = Arc::new(UnsafeCell::new(0));
        let mine = lease.claim(1, 1, all_live).expect("the first");
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
                let word = lease.pass_over(1, 2, 1)?;
                assert!(write(&lease, word, &written), "nobody passes over this one");
                Some(word)
            }
        });
        let before = write(&lease, mine, &written);
        let followed = follower.join().expect("the follower").is_some();
        assert!(before || followed);
        if followed {
            assert!(lease.begin(mine).is_none(), "a holder that was passed over may not begin");
            assert!(!lease.holds(mine, 1));
        }
        // SAFETY: all others have ended.
        assert_eq!(
            written.with(|written| unsafe { *written }),
            u32::from(before) + u32::from(followed)
        );
    });
}

#[test]
fn of_two_that_pass_over_a_holder_one_holds() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let mine = lease.claim(1, 1, all_live).expect("the first");
        let rival = thread::spawn({
            let lease = lease.clone();
            move || lease.pass_over(1, 2, 1)
        });
        let own = lease.pass_over(1, 3, 1);
        let other = rival.join().expect("the rival");
        assert!(own.is_some() != other.is_some());
        assert!(!lease.holds(mine, 1));
        assert!(own.or(other).is_some_and(|word| lease.holds(word, 1)));
    });
}

#[test]
fn a_holder_that_was_passed_over_does_not_count_as_one_that_has_ended() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let mut mine = lease.claim(1, 1, all_live).expect("the first");
        for process in 2..6 {
            assert_eq!(lease.restart_backoff().begin(mine, 0), Ok(()));
            let follower = thread::spawn({
                let lease = lease.clone();
                move || lease.pass_over(process - 1, process, 1).expect("it is stopped")
            });
            // As far as the stopped one comes before it is stopped.
            let _ = lease.holds(mine, 1);
            mine = follower.join().expect("the follower");
        }
        assert_eq!(lease.restart_backoff().waiting(0), None);
    });
}

#[test]
fn giving_back_does_not_take_it_from_another() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let mine = lease.claim(1, 1, all_live).expect("the first");
        let follower = thread::spawn({
            let lease = lease.clone();
            move || lease.pass_over(1, 2, 1)
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
        let mine = lease.claim(1, 1, all_live).expect("the first");
        // As after a panic: nothing says that the writing has ended, and the process lives on.
        drop(lease.begin(mine).expect("the holder may write"));
        assert!(lease.claim(2, 1, all_live).is_none());
        assert!(lease.pass_over(1, 2, 1).is_none());
        let follower = thread::spawn({
            let lease = lease.clone();
            move || lease.claim(2, 1, all_live)
        });
        lease.release(mine);
        let followed =
            follower.join().expect("the follower").or_else(|| lease.claim(2, 1, all_live));
        assert!(followed.is_some_and(|word| lease.begin(word).is_some()));
        assert!(lease.begin(mine).is_none());
    });
}

/// A process watches the one that it found to hold the lease. If that one dies, the process claims
/// the lease that another may hold by then.
#[test]
fn the_death_of_an_earlier_holder_takes_nothing_from_the_next() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        lease.claim(9, 1, all_live).expect("the first");
        let is_alive = |process| process != 9;
        let rival = thread::spawn({
            let lease = lease.clone();
            move || lease.claim(1, 1, is_alive)
        });
        let mine = lease.claim(2, 1, is_alive);
        let theirs = rival.join().expect("the rival");
        assert!(mine.is_some() != theirs.is_some());
        assert!(lease.claim(3, 1, is_alive).is_none());
    });
}

#[test]
fn an_older_cycle_gives_way() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let (old, new) = (lease.number_cycle(), lease.number_cycle());
        lease.enter_cycle(old);
        let mine = lease.claim(1, old, all_live).expect("the first");
        let newer = thread::spawn({
            let lease = lease.clone();
            move || lease.enter_cycle(new)
        });
        lease.holds(mine, old);
        newer.join().expect("the newer cycle");
        assert!(!lease.holds(mine, old));
        assert!(lease.claim(2, old, |_| false).is_none());
        assert!(lease.pass_over(1, 2, old).is_none());
        lease.release(mine);
        assert!(lease.claim(3, new, all_live).is_some());
    });
}
