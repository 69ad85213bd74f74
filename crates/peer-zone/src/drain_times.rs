//! Since when a peer is being left, by what reason.
//!
//! The publisher writes it, and every worker goes by it, whichever cycle it is of: the times are
//! the zone's and not a process's.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::{
    layout::{Health, Peer},
    worker::{PeerRow, PickedPeer, Table, Worker},
    zone::Zone,
};

/// Milliseconds in the unit of [`DrainTime`]: with it a word goes round in 497 days.
const UNIT: u64 = 10;

/// A moment of the monotonic clock, or none. Rounded up, so that nothing comes sooner for it.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct DrainTime(AtomicU32);

impl DrainTime {
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
        // The difference is a signed one: for up to a unit the moment lies ahead, since it is
        // rounded up.
        let units = ((now / UNIT) as u32).wrapping_sub(since) as i32;
        (since != 0).then(|| {
            let start_of_unit = now - now % UNIT;
            start_of_unit.saturating_add_signed(-i64::from(units) * UNIT as i64)
        })
    }
}

/// For what reasons a peer's open connections are to come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReasons {
    /// It is not listed any more.
    pub removed: bool,
    /// It says `drain`.
    pub drain: bool,
    /// It fails its checks, and is not used for want of others.
    pub check: bool,
}

/// How a worker closes its connections to a peer that is being left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainPolicy {
    /// How long (ms) after that has begun.
    pub after: u64,
    /// For which reasons.
    pub on: DrainReasons,
}

/// What stands for a [`DrainPolicy`] in a word: a bit for each reason below the time.
const REASONS: u32 = 3;

impl DrainPolicy {
    /// The word in which a worker says so; 0: it closes none. A time that no word holds is cut.
    fn to_word(closing: Option<Self>) -> u64 {
        let Some(Self { after, on: DrainReasons { removed, drain, check } }) = closing else {
            return 0;
        };
        let reasons = u64::from(removed) | u64::from(drain) << 1 | u64::from(check) << 2;
        if reasons == 0 { 0 } else { after.min(u64::MAX >> REASONS) << REASONS | reasons }
    }

    fn of_word(word: u64) -> Option<Self> {
        let has = |bit: u32| word >> bit & 1 != 0;
        let on = DrainReasons { removed: has(0), drain: has(1), check: has(2) };
        (word != 0).then_some(Self { after: word >> REASONS, on })
    }
}

/// How all workers close their connections, for whoever shows it; see [`Table::policies`].
#[derive(Clone, Debug)]
pub struct DrainPolicies {
    /// The worker's that asks.
    own: Option<DrainPolicy>,
    /// Those of the workers that count in each column.
    columns: Vec<Vec<Option<DrainPolicy>>>,
}

impl Table<'_> {
    /// How all workers close their connections to peers that are being left.
    pub fn policies(&self) -> DrainPolicies {
        let zone = self.zone();
        let mut columns = vec![Vec::new(); zone.columns() as usize];
        for process_entry in zone
            .process_entries()
            .iter()
            .filter(|process_entry| process_entry.owner.holder().is_some())
        {
            let column = process_entry.counts_in.load(Ordering::Relaxed).checked_sub(1);
            if let Some(policies) = column.and_then(|column| columns.get_mut(column as usize)) {
                policies.push(DrainPolicy::of_word(process_entry.closing.load(Ordering::Relaxed)));
            }
        }
        DrainPolicies {
            own: DrainPolicy::of_word(self.process_entry().closing.load(Ordering::Relaxed)),
            columns,
        }
    }
}

impl PeerRow<'_> {
    /// In how many milliseconds from `now` (ms) the last of the workers that have connections to
    /// the peer begins to close them; 0 from then on. `None` where it is not being left, or where
    /// one of them closes none: then they live until they end.
    pub fn closes_in(&self, policies: &DrainPolicies, now: u64) -> Option<u64> {
        let left = |closing: Option<DrainPolicy>| {
            let DrainPolicy { after, on } = closing?;
            // The moment is rounded up.
            Some(self.draining_since(on, now)?.saturating_add(after).saturating_sub(now).min(after))
        };
        let with = self.columns.iter().zip(&policies.columns);
        let with = with.filter(|(column, _)| column.load(Ordering::Relaxed) != 0);
        let mut holders = with.flat_map(|(_, policies)| policies).copied().peekable();
        if holders.peek().is_none() {
            return left(policies.own);
        }
        holders.map(left).try_fold(0, |longest, left| Some(longest.max(left?)))
    }
}

impl Zone {
    /// Since when (ms) the peer is being left for one of these reasons.
    pub(crate) fn draining_since(
        &self,
        peer: &Peer,
        reasons: DrainReasons,
        now: u64,
    ) -> Option<u64> {
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

    /// Changes the word that all workers share to keep to a pace, as `next` says, from what is
    /// there to what is to be; says whether `next` allowed it. It is asked again where another
    /// worker was faster.
    pub fn update_pace(&self, next: impl FnMut(u64) -> Option<u64>) -> bool {
        self.header().pace.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

impl Worker {
    /// Tells all workers how this one closes its connections to peers that are being left; `None`:
    /// it does not. To be said time and again: the worker may count its connections in another
    /// column by then.
    pub fn set_drain_policy(&self, closing: Option<DrainPolicy>) {
        let (word, column) = (DrainPolicy::to_word(closing), self.column() + 1);
        let process_entry = self.process_entry();
        if process_entry.closing.load(Ordering::Relaxed) != word
            || process_entry.counts_in.load(Ordering::Relaxed) != column
        {
            process_entry.closing.store(word, Ordering::Relaxed);
            process_entry.counts_in.store(column, Ordering::Relaxed);
        }
    }

    /// Since when (milliseconds of the monotonic clock) the peer that a request holds is being left
    /// for one of these reasons; `None` where it is not.
    pub fn draining_since(
        &self,
        held: &PickedPeer,
        reasons: DrainReasons,
        now: u64,
    ) -> Option<u64> {
        // SAFETY: `held` counts as an open connection, and the publisher frees no peer that has
        // one.
        self.zone().draining_since(unsafe { self.zone().peer(held.place()) }, reasons, now)
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
        Capacity, KeyProgress, Now, Parameters, PeerSpec, Pick, PickContext, Publisher,
        RequestOutcome, Withdrawn, memory,
        protocol::{Process, Publishing},
    };

    const ALL: DrainReasons = DrainReasons { removed: true, drain: true, check: true };

    #[derive(Clone)]
    #[repr(align(64))]
    struct Line {
        _bytes: [u8; memory::UNIT],
    }

    fn peer(drain: bool) -> PeerSpec {
        PeerSpec {
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
            route: None,
            create_revision: 0,
            joined: 0,
        }
    }

    /// A publisher dies after a table and before it has said since when whom it concerns is being
    /// left: the next one says so, and tells it once more, since whoever was told before has found
    /// nothing.
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
            worker.read_withdrawals(0, |withdrawn| told.push(withdrawn));
            told
        };
        for list in [vec![], vec![peer(true)]] {
            // SAFETY: there is one at a time.
            let mut publisher = unsafe { Publisher::take_over(zone, &publishing) };
            publisher.publish(vec![peer(false)], 1_000, &publishing).expect("room");
            let picked = worker.pick(
                &PickContext::default(),
                &mut KeyProgress::default(),
                Now::default(),
                |_| false,
                false,
            );
            let Pick::Peer(held) = picked else { panic!("no peer") };
            publisher.publish(list.clone(), 2_000, &publishing).expect("room");
            // SAFETY: a request holds it.
            let words = unsafe { zone.peer(held.place()) };
            words.removed.end();
            words.drains.end();
            drop(publisher);
            // SAFETY: as above.
            let mut publisher = unsafe { Publisher::take_over(zone, &publishing) };
            assert!(told(&mut worker).contains(&Withdrawn::Peer(held.id())));
            assert_eq!(worker.draining_since(&held, ALL, 9_000), None);
            publisher.publish(list, 3_000, &publishing).expect("room");
            assert_eq!(worker.draining_since(&held, ALL, 9_000), Some(3_000));
            assert_eq!(told(&mut worker), [Withdrawn::Peer(held.id())]);
            worker.release(held, RequestOutcome::Answered, None, Now::default());
        }
    }

    /// A peer's connections are closed when the last worker that has some says so, and never where
    /// one of them closes none.
    #[test]
    fn the_last_worker_says_when_connections_are_closed() {
        let mut lines = vec![Line { _bytes: [0; memory::UNIT] }; (1 << 18) / memory::UNIT];
        let base = NonNull::from(&mut lines[0]).cast();
        // SAFETY: the memory is the test's alone, and lives until its end.
        let zone = unsafe { Zone::format(base, 1 << 18, Capacity { workers: 1, processes: 48 }) }
            .expect("large enough");
        let publishing = Publishing::unshared();
        // SAFETY: there is one.
        let mut publisher = unsafe { Publisher::take_over(zone, &publishing) };
        publisher.publish(vec![peer(false)], 1_000, &publishing).expect("room");
        let mut workers =
            [1, 2].map(|process| zone.join(Process::new(process, 1), |_| true).expect("an entry"));
        let held = workers.each_mut().map(|worker| {
            let picked = worker.pick(
                &PickContext::default(),
                &mut KeyProgress::default(),
                Now::default(),
                |_| false,
                false,
            );
            let Pick::Peer(held) = picked else { panic!("no peer") };
            held
        });
        let closes_in = |worker: &mut Worker| {
            let table = worker.table().expect("a table");
            let policies = table.policies();
            table.rows().next().and_then(|row| row.closes_in(&policies, 2_100))
        };
        let says = |worker: &Worker, after| {
            worker.set_drain_policy(Some(DrainPolicy {
                after,
                on: DrainReasons { drain: false, ..ALL },
            }));
        };
        let [one, other] = &mut workers;
        says(one, 500);
        other.set_drain_policy(None);
        assert_eq!(closes_in(one), None, "it is not being left");
        publisher.publish(vec![], 2_000, &publishing).expect("room");
        assert_eq!((closes_in(one), closes_in(other)), (None, None), "the other closes none");
        says(other, 700);
        assert_eq!((closes_in(one), closes_in(other)), (Some(600), Some(600)));
        other.set_drain_policy(Some(DrainPolicy {
            after: 0,
            on: DrainReasons { removed: false, ..ALL },
        }));
        assert_eq!(closes_in(one), None, "not for that reason");
        let [first, second] = held;
        other.release(second, RequestOutcome::Answered, None, Now::default());
        assert_eq!((closes_in(one), closes_in(other)), (Some(400), Some(400)));
        one.release(first, RequestOutcome::Answered, None, Now::default());
    }

    proptest! {
        #[test]
        fn what_a_worker_says_of_closing_is_read_as_it_was(after in 0..(1_u64 << 60), on in any::<[bool; 3]>()) {
            let [removed, drain, check] = on;
            let closing = DrainPolicy { after, on: DrainReasons { removed, drain, check } };
            let expected = on.contains(&true).then_some(closing);
            prop_assert_eq!(DrainPolicy::of_word(DrainPolicy::to_word(Some(closing))), expected);
            prop_assert_eq!(DrainPolicy::of_word(DrainPolicy::to_word(None)), None);
        }

        #[test]
        fn a_moment_is_shown_as_it_was_but_for_its_unit(begin in any::<u64>().prop_map(|it| it >> 2), later in 0..(1_u64 << 33)) {
            let since = DrainTime::default();
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
