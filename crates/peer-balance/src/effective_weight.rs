//! nginx's effective weight: a peer that failed gets less for a while, although it is not yet taken
//! for unavailable.

use crate::slow_start::Share;

/// What a peer's effective weight lacks of its weight, in one word: the bit 63 says that it is
/// frozen, the 31 bits below are the amount, the low 32 the position at which that was the amount.
///
/// In nginx (`ngx_http_upstream_get_peer` and `ngx_http_upstream_free_round_robin_peer` in
/// `src/http/ngx_http_upstream_round_robin.c`) a failure takes `weight / max_fails` from the
/// effective weight, and each pick that considers the peer, whichever it picks, gives 1 back. A
/// position is a pick, counted for all workers together and wrapping, so that what was given back
/// since is a difference, and no pick has to visit the peers for it.
///
/// Positions wrap after 2³² picks, when what was made good long ago lacks once more, for as many
/// picks as the amount. That can be avoided by setting [`NONE`](Self::NONE) once the amount is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deficit(pub u64);

const FROZEN: u64 = 1 << 63;
/// The greatest amount that 31 bits can say.
const MAX_AMOUNT: u32 = u32::MAX >> 1;

impl Deficit {
    /// The whole weight is there.
    pub const NONE: Self = Self(0);

    /// What it is after a failure at this position of a peer of this `weight`, whose `max_fails`
    /// failures make it unavailable.
    ///
    /// The amount grows by `weight / max_fails`, rounded down as in nginx, and to no more than the
    /// weight; where `max_fails` is 0 nothing changes. `disabled` is whether this failure makes the
    /// peer unavailable, or it is already: then no pick considers it, and the amount is frozen
    /// until [`considered`](Self::considered).
    #[must_use]
    pub fn failed(self, weight: u32, max_fails: u32, position: u32, disabled: bool) -> Self {
        let Some(loss) = weight.checked_div(max_fails) else { return self };
        let amount = self.amount(position).saturating_add(loss).min(weight).min(MAX_AMOUNT);
        if amount == 0 {
            return Self::NONE;
        }
        Self::new(amount, position, disabled)
    }

    /// What it is when the peer is considered by the pick at this position: if it was frozen it
    /// recovers from here on, else it is unchanged.
    #[must_use]
    pub fn considered(self, position: u32) -> Self {
        if self.0 & FROZEN == 0 {
            return self;
        }
        Self::new(self.stored_amount(), position, false)
    }

    /// What it is when the peer's visit at a position was not admitted because of its
    /// [`share`](Self::share).
    ///
    /// Such a position is used up without a pick, and nginx gives 1 back for each pick. Without
    /// this a peer recovers as much faster as positions are more than picks: one with three
    /// quarters of all weights that had lost its whole weight got 47 of the next 100 picks instead
    /// of nginx's 28.
    #[must_use]
    pub fn passed_over(self) -> Self {
        let position = (self.0 as u32).wrapping_add(1);
        Self(self.0 & !u64::from(u32::MAX) | u64::from(position))
    }

    /// What lacks at this position.
    ///
    /// At a position before that of the failure, which another worker may have been given but not
    /// used yet, nothing lacks.
    #[must_use]
    pub fn amount(self, position: u32) -> u32 {
        if self.0 & FROZEN != 0 {
            return self.stored_amount();
        }
        self.stored_amount().saturating_sub(position.wrapping_sub(self.0 as u32))
    }

    /// The effective weight at this position as a share of the weight:
    /// `(weight - amount) / weight`, and all where nothing lacks.
    ///
    /// The weight may have become smaller since the failure; a share is never below 0.
    #[must_use]
    pub fn share(self, weight: u32, position: u32) -> Share {
        let effective = match self.amount(position) {
            0 => return Share::MAX,
            amount => u64::from(weight.saturating_sub(amount)) << 32,
        };
        // With an amount of 1 at least it is less than all. A weight of 0 has no share.
        effective.checked_div(u64::from(weight)).unwrap_or(0) as Share
    }

    fn new(amount: u32, position: u32, frozen: bool) -> Self {
        let frozen = if frozen { FROZEN } else { 0 };
        Self(frozen | u64::from(amount) << 32 | u64::from(position))
    }

    fn stored_amount(self) -> u32 {
        (self.0 >> 32) as u32 & MAX_AMOUNT
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::slow_start::admits;
    use crate::smooth::smooth_sequence;

    #[test]
    fn recovers_by_one_each_position() {
        let deficit = Deficit::NONE.failed(50, 3, 1000, false);
        assert_eq!(
            [1000, 1001, 1015, 1016, 5000].map(|position| deficit.amount(position)),
            [16, 15, 1, 0, 0]
        );
        assert_eq!(deficit.share(50, 1000), ((34u64 << 32) / 50) as u32);
        assert_eq!(deficit.share(50, 1016), u32::MAX);
        // A second failure, before the first is made good, and a third one with nothing left.
        let second = deficit.failed(50, 3, 1006, false);
        assert_eq!(second.amount(1006), 26);
        assert_eq!(Deficit::NONE.failed(50, 1, 7, false).failed(50, 1, 7, false).share(50, 7), 0);
    }

    #[test]
    fn frozen_while_disabled() {
        let disabled = Deficit::NONE.failed(50, 1, u32::MAX, true);
        assert_eq!(disabled.amount(u32::MAX - 1_000_000), 50);
        assert_eq!(disabled.share(50, 12), 0);
        let considered = disabled.considered(3000);
        assert_eq!([3000, 3020, 3050].map(|position| considered.amount(position)), [50, 30, 0]);
        assert_eq!(considered.considered(3020), considered);
        assert_eq!(considered.passed_over().amount(3021), 30);
        assert_eq!(Deficit::NONE.considered(9), Deficit::NONE);
    }

    #[test]
    fn deficits_at_the_limits_do_not_overflow() {
        assert_eq!(
            Deficit::NONE.failed(50, 0, 7, false),
            Deficit::NONE,
            "max_fails=0 counts no failures"
        );
        assert_eq!(
            Deficit::NONE.failed(1, 3, 7, true),
            Deficit::NONE,
            "a third of 1 is 0, as in nginx"
        );
        let across = Deficit::NONE.failed(50, 1, u32::MAX - 9, false);
        assert_eq!(across.amount(10), 30);
        assert_eq!(
            Deficit::NONE.failed(50, 1, u32::MAX, true).passed_over(),
            Deficit::NONE.failed(50, 1, 0, true)
        );
        // Weights that no configuration can give: neither an overflow nor a division by 0.
        let greatest = Deficit::NONE.failed(u32::MAX, 1, 0, true);
        assert_eq!(greatest.amount(0), MAX_AMOUNT);
        assert_eq!(greatest.failed(u32::MAX, 1, 0, true), greatest);
        assert_eq!((greatest.share(0, 0), greatest.share(10, 0)), (0, 0));
        assert_eq!(Deficit(u64::MAX).considered(0).amount(0), MAX_AMOUNT);
    }

    /// nginx's loop and its `free`, as they stand in its source, for peers whose times of failure
    /// are given by hand.
    struct Nginx {
        peers: Vec<NginxPeer>,
    }

    struct NginxPeer {
        weight: i64,
        effective_weight: i64,
        current_weight: i64,
        disabled: bool,
    }

    impl Nginx {
        fn new(weights: &[u32]) -> Self {
            let peer = |&weight: &u32| {
                let weight = i64::from(weight);
                NginxPeer { weight, effective_weight: weight, current_weight: 0, disabled: false }
            };
            Self { peers: weights.iter().map(peer).collect() }
        }

        fn pick(&mut self) -> usize {
            let (mut best, mut total) = (None, 0);
            for index in 0..self.peers.len() {
                let peer = &mut self.peers[index];
                if peer.disabled {
                    continue;
                }
                peer.current_weight += peer.effective_weight;
                total += peer.effective_weight;
                if peer.effective_weight < peer.weight {
                    peer.effective_weight += 1;
                }
                if best.is_none_or(|best: usize| {
                    self.peers[index].current_weight > self.peers[best].current_weight
                }) {
                    best = Some(index);
                }
            }
            let best = best.expect("one is not disabled");
            self.peers[best].current_weight -= total;
            best
        }

        fn failed(&mut self, peer: usize, max_fails: u32) {
            let peer = &mut self.peers[peer];
            peer.effective_weight =
                (peer.effective_weight - peer.weight / i64::from(max_fails)).max(0);
        }
    }

    /// Round robin by a sequence written down, in which a peer with a deficit takes its share of
    /// its visits.
    struct Planned {
        weights: Vec<u32>,
        sequence: Vec<u32>,
        position: u32,
        peers: Vec<PlannedPeer>,
    }

    #[derive(Clone, Default)]
    struct PlannedPeer {
        deficit: Deficit,
        credit: u32,
        disabled: bool,
    }

    impl Planned {
        fn new(weights: &[u32], position: u32) -> Self {
            let sequence = smooth_sequence(weights, usize::MAX).expect("short");
            let peers = vec![PlannedPeer::default(); weights.len()];
            Self { weights: weights.to_vec(), sequence, position, peers }
        }

        fn pick(&mut self) -> usize {
            for _ in 0..1000 {
                let position = self.position;
                self.position = position.wrapping_add(1);
                let index = self.sequence[position as usize % self.sequence.len()] as usize;
                let peer = &mut self.peers[index];
                if peer.disabled {
                    continue;
                }
                peer.deficit = peer.deficit.considered(position);
                let share = peer.deficit.share(self.weights[index], position);
                let credit = peer.credit;
                peer.credit = credit.wrapping_add(share);
                if admits(credit, share) {
                    return index;
                }
                peer.deficit = peer.deficit.passed_over();
            }
            panic!("one is not disabled, and has all of its weight");
        }

        fn failed(&mut self, peer: usize, max_fails: u32) {
            let disabled = self.peers[peer].disabled;
            let deficit = self.peers[peer].deficit;
            self.peers[peer].deficit =
                deficit.failed(self.weights[peer], max_fails, self.position, disabled);
        }
    }

    /// What happens to a peer: failures in a row, of which the last one makes it unavailable where
    /// there are `max_fails` of them.
    #[derive(Clone, Copy, Debug)]
    struct Failing {
        peer: usize,
        max_fails: u32,
        failures: u32,
        /// Picks of others while it is unavailable.
        disabled_for: u32,
    }

    /// The picks of the peer in the 100 picks after it failed, or after it was unavailable:
    /// nginx's, and ours.
    fn picks_after(weights: &[u32], before: u32, failing: Failing) -> [usize; 2] {
        let Failing { peer, max_fails, failures, disabled_for } = failing;
        let disabled = failures >= max_fails;
        let (mut nginx, mut planned) = (Nginx::new(weights), Planned::new(weights, 0));
        for _ in 0..before {
            nginx.pick();
            planned.pick();
        }
        nginx.peers[peer].disabled = disabled;
        planned.peers[peer].disabled = disabled;
        for _ in 0..failures {
            nginx.failed(peer, max_fails);
            planned.failed(peer, max_fails);
        }
        if disabled {
            for _ in 0..disabled_for {
                nginx.pick();
                planned.pick();
            }
            nginx.peers[peer].disabled = false;
            planned.peers[peer].disabled = false;
        }
        let picks_of_nginx = (0..100).filter(|_| nginx.pick() == peer).count();
        let picks_of_ours = (0..100).filter(|_| planned.pick() == peer).count();
        [picks_of_nginx, picks_of_ours]
    }

    #[test]
    fn picks_are_close_to_nginx() {
        for weights in [[50, 50, 100], [500, 500, 1000], [60, 60, 60], [10, 100, 300]] {
            for (peer, failures) in
                (0..3).flat_map(|peer| [1, 2, 3].map(|failures| (peer, failures)))
            {
                for before in [0, 1, 2, 3, 1000] {
                    let failing = Failing { peer, max_fails: 3, failures, disabled_for: 40 };
                    let [nginx, ours] = picks_after(&weights, before, failing);
                    // A tenth, or one pick where there are few.
                    let bound = (nginx / 10).max(1);
                    assert!(
                        nginx.abs_diff(ours) <= bound,
                        "{weights:?} {failing:?} after {before} picks: nginx {nginx}, ours {ours}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn amounts_are_nginx_amounts(
            weight in 1u32..200,
            max_fails in 1u32..5,
            start in any::<u32>(),
            waits in prop::collection::vec(0u32..60, 1..20),
        ) {
            let mut nginx = Nginx::new(&[weight, 1000]);
            let (mut deficit, mut position) = (Deficit::NONE, start);
            for wait in waits {
                nginx.failed(0, max_fails);
                deficit = deficit.failed(weight, max_fails, position, false);
                for _ in 0..wait {
                    nginx.pick();
                    position = position.wrapping_add(1);
                }
                let lacks = nginx.peers[0].weight - nginx.peers[0].effective_weight;
                prop_assert_eq!(i64::from(deficit.amount(position)), lacks);
                let share = f64::from(deficit.share(weight, position)) / 2f64.powi(32);
                prop_assert!((share - 1.0 + lacks as f64 / f64::from(weight)).abs() < 1e-9);
            }
        }
    }
}
