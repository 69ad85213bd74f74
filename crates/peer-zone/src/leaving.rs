//! Since when a peer is being left, by what reason.
//!
//! The publisher writes it, and every worker goes by it, whichever cycle it is of: the times are the zone's and not a process's.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::{
    layout::{Health, Peer},
    worker::{Held, Worker},
    zone::Zone,
};

/// Milliseconds in the unit of [`Since`]: with it a word goes round in 497 days.
const UNIT: u64 = 10;

/// A moment of the monotonic clock, or none. Rounded up, so that nothing comes sooner for it.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Since(AtomicU32);

impl Since {
    /// From `now` (ms) on, unless it is so already. Returns whether it was not.
    pub(crate) fn begin(&self, now: u64) -> bool {
        let is_new = self.0.load(Ordering::Relaxed) == 0;
        if is_new {
            self.begin_anew(now);
        }
        is_new
    }

    /// From `now` (ms) on.
    pub(crate) fn begin_anew(&self, now: u64) {
        // 0 stands for none; the unit after it is as good.
        self.0.store((now.div_ceil(UNIT) as u32).max(1), Ordering::Relaxed);
    }

    /// Not any more.
    pub(crate) fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The moment, in milliseconds of the clock that shows `now`.
    fn moment(&self, now: u64) -> Option<u64> {
        let since = self.0.load(Ordering::Relaxed);
        // The difference is a signed one: for up to a unit the moment lies ahead, since it is rounded up.
        let units = ((now / UNIT) as u32).wrapping_sub(since) as i32;
        (since != 0).then(|| {
            let start_of_unit = now - now % UNIT;
            start_of_unit.saturating_add_signed(-i64::from(units) * UNIT as i64)
        })
    }
}

/// For what reasons a peer's open connections are to come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reasons {
    /// It is not listed any more.
    pub removed: bool,
    /// It says `drain`.
    pub drain: bool,
    /// It fails its checks, and is not used for want of others.
    pub check: bool,
}

impl Zone {
    /// Since when (ms) the peer is being left for one of these reasons.
    pub(crate) fn leaving_since(&self, peer: &Peer, reasons: Reasons, now: u64) -> Option<u64> {
        let fails = || {
            let is_left = Health::load(&peer.health) == Health::Failing
                && self.header().panic.load(Ordering::Relaxed) == 0;
            is_left.then(|| peer.failing.moment(now)).flatten()
        };
        [
            reasons.removed.then(|| peer.removed.moment(now)).flatten(),
            reasons.drain.then(|| peer.drains.moment(now)).flatten(),
            reasons.check.then(fails).flatten(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Counts connections that a drain has closed.
    pub fn count_drained(&self, count: u64) {
        self.header().drained.fetch_add(count, Ordering::Relaxed);
    }

    /// Changes the word that all workers share to keep to a pace, as `next` says, from what is there to what is to be; says
    /// whether `next` allowed it. It is asked again where another worker was faster.
    pub fn pace(&self, next: impl FnMut(u64) -> Option<u64>) -> bool {
        self.header().pace.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

impl Worker {
    /// Since when (milliseconds of the monotonic clock) the peer that a request holds is being left for one of these reasons; `None` where
    /// it is not.
    pub fn leaving_since(&self, held: &Held, reasons: Reasons, now: u64) -> Option<u64> {
        // SAFETY: `held` counts as an open connection, and the publisher frees no peer that has one.
        self.zone().leaving_since(unsafe { self.zone().peer(held.place()) }, reasons, now)
    }
}

impl Peer {
    /// Whether it says `drain` for at least `grace` milliseconds.
    pub(crate) fn has_drained_for(&self, grace: u64, now: u64) -> bool {
        self.drains.moment(now).is_some_and(|since| now.saturating_sub(since) >= grace)
    }
}

#[cfg(test)]
mod tests {
    use core::ptr::NonNull;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Capacity, Departed, Desired, Now, Outcome, Parameters, Pick, Progress, Publisher, Wish, memory,
        protocol::{Process, Publishing},
    };

    const ALL: Reasons = Reasons { removed: true, drain: true, check: true };

    #[derive(Clone)]
    #[repr(align(64))]
    struct Line {
        _bytes: [u8; memory::UNIT],
    }

    fn peer(drain: bool) -> Desired {
        Desired {
            key: Some("key".into()),
            socket_address: b"address".as_slice().into(),
            name: "name".into(),
            server: "name".into(),
            parameters: Parameters {
                weight: 1,
                max_conns: 0,
                max_fails: 0,
                fail_timeout: 0,
                slow_start: 0,
                backup: false,
                down: false,
                drain,
            },
            sticky: 0,
            create_revision: 0,
            joined: 0,
        }
    }

    /// A publisher dies after a table and before it has said since when whom it concerns is being left: the next one says so, and tells it once
    /// more, since whoever was told before has found nothing.
    #[test]
    fn what_a_dead_publisher_has_not_said_is_told_by_the_next_one() {
        let mut lines = vec![Line { _bytes: [0; memory::UNIT] }; (1 << 18) / memory::UNIT];
        let base = NonNull::from(&mut lines[0]).cast();
        // SAFETY: the memory is the test's alone, and lives until its end.
        let zone = unsafe { Zone::format(base, 1 << 18, Capacity { workers: 1, processes: 48 }) }
            .expect("large enough");
        let publishing = Publishing::unshared();
        let mut worker = zone.join(Process::new(1, 1), |_| true).expect("an entry");
        let told = |worker: &mut Worker| {
            let mut told = Vec::new();
            worker.departed(0, |departed| told.push(departed));
            told
        };
        for list in [vec![], vec![peer(true)]] {
            // SAFETY: there is one at a time.
            let mut publisher = unsafe { Publisher::take_over(zone, &publishing) };
            publisher.publish(vec![peer(false)], 1_000, &publishing).expect("room");
            let picked =
                worker.pick(&Wish::default(), &mut Progress::default(), Now::default(), |_| false, false);
            let Pick::Peer(held) = picked else { panic!("no peer") };
            publisher.publish(list.clone(), 2_000, &publishing).expect("room");
            // SAFETY: a request holds it.
            let words = unsafe { zone.peer(held.place()) };
            words.removed.end();
            words.drains.end();
            drop(publisher);
            // SAFETY: as above.
            let mut publisher = unsafe { Publisher::take_over(zone, &publishing) };
            assert!(told(&mut worker).contains(&Departed::Peer(held.id())));
            assert_eq!(worker.leaving_since(&held, ALL, 9_000), None);
            publisher.publish(list, 3_000, &publishing).expect("room");
            assert_eq!(worker.leaving_since(&held, ALL, 9_000), Some(3_000));
            assert_eq!(told(&mut worker), [Departed::Peer(held.id())]);
            worker.release(held, Outcome::Answered, None, Now::default());
        }
    }

    proptest! {
        #[test]
        fn a_moment_is_shown_as_it_was_but_for_its_unit(begin in any::<u64>().prop_map(|it| it >> 2), later in 0..(1_u64 << 33)) {
            let since = Since::default();
            since.begin(begin);
            let moment = since.moment(begin + later).expect("begun");
            prop_assert!(moment >= begin && moment - begin <= 2 * UNIT, "{moment} for {begin}");
            since.begin(begin + later);
            prop_assert_eq!(since.moment(begin + later), Some(moment));
            since.end();
            prop_assert_eq!(since.moment(begin), None);
        }
    }
}
