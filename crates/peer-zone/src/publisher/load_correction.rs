//! Whether counts that are kept twice agree, after a worker has died.

use crate::memory::Offset;

/// How often the counts are compared after a death. A worker changes the two counts of a request
/// within some nanoseconds of each other, so that of two looks at different times two that find the
/// same difference find one that stays.
const ROUNDS: u32 = 4;

/// What was found at the last look, and how many looks are still to come.
#[derive(Debug, Default)]
pub(super) struct LoadCorrection {
    looks: u32,
    /// What the zone said last of how often there has been reason to.
    reasons: u32,
    found: Vec<(Offset, u32)>,
}

impl LoadCorrection {
    /// A worker has died, or has moved what it counted.
    pub(super) fn begin(&mut self) {
        self.looks = ROUNDS;
        self.found.clear();
    }

    /// As [`LoadCorrection::begin`], where there have been other `reasons` than at the last call.
    pub(super) fn restart_if_requested(&mut self, reasons: u32) {
        if std::mem::replace(&mut self.reasons, reasons) != reasons {
            self.begin();
        }
    }

    /// Whether there are looks to be had, with so many reasons by now.
    pub(super) fn is_due(&self, reasons: u32) -> bool {
        self.looks > 0 || self.reasons != reasons
    }

    /// Whether there is a look to be had, which begins.
    pub(super) fn next_round(&mut self) -> bool {
        let is_due = self.looks > 0;
        self.looks = self.looks.saturating_sub(1);
        is_due
    }

    /// Takes what a look has found, in the order of the peers; gives those differences that the
    /// look before has found as well.
    pub(super) fn confirm_differences(&mut self, found: Vec<(Offset, u32)>) -> Vec<(Offset, u32)> {
        let before = std::mem::replace(&mut self.found, found);
        let stays: Vec<_> =
            self.found.iter().copied().filter(|found| before.contains(found)).collect();
        self.found.retain(|found| !stays.contains(found));
        stays
    }
}

#[cfg(test)]
mod tests {
    use core::{ptr::NonNull, sync::atomic::Ordering};
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Capacity, KeyProgress, Now, Parameters, PeerSpec, Pick, PickContext, PickedPeer, Publisher,
        RequestOutcome, Worker, Zone,
        memory::LINE,
        protocol::{Process, Publishing},
    };

    const PEERS: usize = 4;
    const CAPACITY: Capacity = Capacity { workers: 2, processes: 48 };
    const NOW: Now = Now { seconds: 1, milliseconds: 1_000 };

    #[derive(Clone)]
    #[repr(align(64))]
    struct Line {
        _bytes: [u8; LINE],
    }

    /// What one of the peers has too much, or too little, in `open` when a worker dies: it was
    /// killed between the two counts of some request. Several such deaths add up.
    fn differences() -> impl Strategy<Value = [i32; PEERS]> {
        prop::array::uniform4(prop_oneof![3 => Just(0), 1 => -3..=3])
    }

    fn spec(index: usize) -> PeerSpec {
        let name: Arc<str> = index.to_string().into();
        let parameters = Parameters {
            weight: 1,
            max_conns: 0,
            max_fails: 0,
            fail_timeout: 0,
            slow_start: 0,
            backup: false,
            down: false,
            drain: false,
        };
        PeerSpec {
            key: Some(Arc::clone(&name)),
            socket_address: name.as_bytes().into(),
            server: Arc::clone(&name),
            name,
            parameters,
            sticky: 0,
            route: None,
            labels: None,
            source: None,
            group: None,
            create_revision: 0,
            joined: 0,
        }
    }

    fn open(worker: &mut Worker) -> PickedPeer {
        match worker.pick(
            &PickContext::default(),
            &mut KeyProgress::default(),
            NOW,
            |_| false,
            false,
        ) {
            Pick::Peer(held) => held,
            Pick::Busy => unreachable!("the peers have no limits"),
        }
    }

    /// What lies in `open` of each peer, and the sum of its columns.
    fn counts(zone: &Zone, places: &[Offset]) -> Vec<(u32, u32)> {
        let both = |&place: &Offset| {
            // SAFETY: no test frees the peers that it looks at.
            unsafe {
                (zone.peer(place).open.load(Ordering::Relaxed), zone.connections(place).all())
            }
        };
        places.iter().map(both).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Whatever a worker that dies leaves between the two counts, also of peers that are gone
        /// since, and also where the publisher dies with it: in the end they agree, while others
        /// open and close connections.
        #[test]
        fn counts_agree_after_a_death(
            lost in differences(),
            of_dead in 0..9_usize,
            of_living in 0..9_usize,
            is_one_removed in any::<bool>(),
            dies_with_it in any::<bool>(),
        ) {
            let mut memory = vec![Line { _bytes: [0; LINE] }; (1 << 17) / LINE];
            let base = NonNull::new(memory.as_mut_ptr().cast::<u8>()).expect("an address");
            // SAFETY: the memory is ours alone, and outlives all that is made from it here.
            let zone =
                unsafe { Zone::format(base, memory.len() * LINE, CAPACITY) }.expect("large enough");
            // SAFETY: there is one publisher at a time.
            let take_over = || unsafe { Publisher::take_over(zone, &Publishing::unshared()) };
            let mut publisher = take_over();
            publisher
                .publish((0..PEERS).map(spec).collect(), 0, &Publishing::unshared())
                .expect("room");
            let listed = publisher.group.listed.iter();
            let places: Vec<Offset> = listed.map(|peer| peer.place).collect();
            let mut living = zone.join(Process::new(1, 1), |_| true).expect("an entry");
            let mut dead = zone.join(Process::new(2, 1), |_| true).expect("an entry");
            // One for each peer keeps those that are removed.
            let mut held: Vec<PickedPeer> =
                (0..PEERS + of_living).map(|_| open(&mut living)).collect();
            for _ in 0..of_dead {
                open(&mut dead);
            }
            for (&place, &lost) in places.iter().zip(&lost) {
                // SAFETY: the peer is published.
                unsafe { zone.peer(place) }.open.fetch_add(lost as u32, Ordering::Relaxed);
            }
            if is_one_removed {
                publisher
                    .publish((1..PEERS).map(spec).collect(), 0, &Publishing::unshared())
                    .expect("room");
            }
            if dies_with_it {
                drop(publisher);
                publisher = take_over();
            }
            for look in 0..ROUNDS {
                let me = Process::new(1, 1);
                publisher.reclaim_memory(me, |process| process == me, &Publishing::unshared());
                if look % 2 == 0 {
                    held.push(open(&mut living));
                } else if held.len() > PEERS {
                    living.release(held.remove(PEERS), RequestOutcome::Answered, None, NOW);
                }
            }
            let counts = counts(&zone, &places);
            prop_assert!(counts.iter().all(|(open, sum)| open == sum), "{:?}", counts);
            prop_assert_eq!(counts.iter().map(|(_, sum)| *sum as usize).sum::<usize>(), held.len());
        }
    }

    #[test]
    fn what_a_worker_is_just_counting_is_left_alone() {
        let mut recounts = LoadCorrection::default();
        recounts.begin();
        let (one, other) = (Offset(8), Offset(16));
        assert!(recounts.next_round());
        assert_eq!(recounts.confirm_differences(vec![(one, 1)]), []);
        assert!(recounts.next_round());
        // The first has gone, another has come: neither stays.
        assert_eq!(recounts.confirm_differences(vec![(other, 1)]), []);
        assert!(recounts.next_round());
        assert_eq!(
            recounts.confirm_differences(vec![(other, 2)]),
            [],
            "another difference is not the same"
        );
        assert!(recounts.next_round());
        assert_eq!(recounts.confirm_differences(vec![(one, 1), (other, 2)]), [(other, 2)]);
        assert!(!recounts.next_round(), "until another worker dies");
    }
}
