//! Drained peers, as a worker sees them: since when, and when their connections are closed.

use core::sync::atomic::Ordering;

use super::{Worker, picked_peer::PickedPeer, row::PeerRow, table::Table};
use crate::{
    closing::Closing,
    connections::Connections,
    drain_policy::{DrainPolicy, DrainReasons},
};

/// How all workers close their connections, to be shown; see [`Table::policies`].
#[derive(Clone, Debug)]
pub struct DrainPolicies {
    /// The worker's that asks.
    own: Option<DrainPolicy>,
    /// Those of the workers that count in each column.
    columns: Vec<Vec<Option<DrainPolicy>>>,
}

impl Table<'_> {
    /// How all workers close their connections to peers that are drained.
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
                policies.push(DrainPolicy::from_word(
                    process_entry.drain_policy.load(Ordering::Relaxed),
                ));
            }
        }
        DrainPolicies {
            own: DrainPolicy::from_word(self.process_entry().drain_policy.load(Ordering::Relaxed)),
            columns,
        }
    }
}

impl PeerRow<'_> {
    /// In how many milliseconds from `now` (ms) the last of the workers that have connections to
    /// the peer begins to close them; 0 from then on. `None` where it is not drained, or where
    /// one of them closes none: then they live until they end. A peer of a group that has a closing
    /// of its own goes by that, and not by what the workers say.
    pub fn closes_in(&self, policies: &DrainPolicies, now: u64) -> Option<u64> {
        let own = self.closing();
        let left = |policy: Option<DrainPolicy>| {
            let DrainPolicy { after, on } = policy?;
            // The moment is rounded up.
            Some(self.draining_since(on, now)?.saturating_add(after).saturating_sub(now).min(after))
        };
        if let Some(closing) = own {
            return left(closing.map(|Closing { after, on, .. }| DrainPolicy { after, on }));
        }
        let with = self.columns.counts(Ordering::Relaxed).zip(&policies.columns);
        let with = with.filter(|&(count, _)| count != Connections::default());
        let mut holders = with.flat_map(|(_, policies)| policies).copied().peekable();
        if holders.peek().is_none() {
            return left(policies.own);
        }
        holders.map(left).try_fold(0, |longest, left| Some(longest.max(left?)))
    }
}

impl Worker {
    /// Tells all workers how this one closes its connections to peers that are drained; `None`:
    /// it does not. To be said time and again: the worker may count its connections in another
    /// column by then.
    pub fn set_drain_policy(&self, policy: Option<DrainPolicy>) {
        let (word, column) = (DrainPolicy::to_word(policy), self.column() + 1);
        let process_entry = self.process_entry();
        if process_entry.drain_policy.load(Ordering::Relaxed) != word
            || process_entry.counts_in.load(Ordering::Relaxed) != column
        {
            process_entry.drain_policy.store(word, Ordering::Relaxed);
            process_entry.counts_in.store(column, Ordering::Relaxed);
        }
    }

    /// How connections to the peer that a request holds are closed; the outer `None`: as the
    /// upstream says, the inner one: none is.
    pub fn closing(&self, held: &PickedPeer) -> Option<Option<Closing>> {
        // SAFETY: `held` counts as an open connection, and the publisher frees no peer that has
        // one.
        self.zone().closing_of(unsafe { self.zone().peer(held.place()) })
    }

    /// Since when (milliseconds of the monotonic clock) the peer that a request holds is drained
    /// for one of these reasons; `None` if it is not.
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

#[cfg(test)]
mod tests {
    use core::ptr::NonNull;

    use super::*;
    use crate::{
        Capacity, KeyProgress, Now, Parameters, PeerSpec, Pick, PickContext, Publisher,
        RequestOutcome, Withdrawn, Zone, memory,
        protocol::{Process, Publishing},
    };

    const ALL: DrainReasons = DrainReasons { removed: true, drain: true, check: true };

    #[derive(Clone)]
    #[repr(align(64))]
    struct Line {
        _bytes: [u8; memory::LINE],
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
            labels: None,
            source: None,
            group: None,
            create_revision: 0,
            joined: 0,
        }
    }

    /// A publisher dies after a table and before it has said since when whom it concerns is being
    /// left: the next one says so, and tells it once more, since those that were told before have
    /// found nothing.
    #[test]
    fn what_a_dead_publisher_has_not_said_is_told_by_the_next_one() {
        let mut lines = vec![Line { _bytes: [0; memory::LINE] }; (1 << 18) / memory::LINE];
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
        let mut lines = vec![Line { _bytes: [0; memory::LINE] }; (1 << 18) / memory::LINE];
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
        assert_eq!(closes_in(one), None, "it is not drained");
        publisher.publish(Vec::<PeerSpec>::new(), 2_000, &publishing).expect("room");
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
}
