//! `least_time`, as `ngx_http_upstream_get_least_time_peer`.

use core::sync::atomic::Ordering;

use peer_balance::{InFlight, LeastTime, TimeAverages};

use super::{
    claim::PickRequest,
    least::{EXACT, Load, ROUNDS},
    picked_peer::PickedPeer,
    table::Table,
    tier::Tier,
    weighted_draw::Turn,
};
use crate::{
    layout::{Entry, Peer},
    zone::Zone,
};

/// Positions of round robin at which one of several equal peers is looked for, at most, for each
/// peer in service.
const TURNS: u32 = 2;

impl Table<'_> {
    /// The peer with the least estimated time for its weight; of several, by round robin.
    ///
    /// `None` where round robin must find one.
    pub(super) fn pick_least_time<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        request: &PickRequest<'_, F>,
        least_time: LeastTime,
    ) -> Option<PickedPeer> {
        if tier.plan.in_service < 2 {
            return None;
        }
        let is_open = match if request.has_ramps { self.turn(tier, request) } else { Turn::Others }
        {
            Turn::Starting(held) => return Some(held),
            Turn::Open if tier.places.len() > EXACT => return None,
            Turn::Open => true,
            Turn::Others => false,
        };
        let load = |entry: &Entry, peer: &Peer| estimate(entry, peer, request, least_time);
        (0..ROUNDS).find_map(|_| {
            let best = self.least_loaded(tier, request, is_open, load)?;
            // Of more, the sample is a draw already.
            let equal = best.equal.filter(|_| tier.places.len() <= EXACT);
            equal
                .and_then(|equal| self.next_of_equal(tier, request, equal, load))
                .or_else(|| self.hold_peer(best.entry, self.peer(best.entry), request))
        })
    }

    /// The next one in the order of round robin that has this load for its weight. As in round
    /// robin, the positions of others are used up, so that each gets its part by weight.
    fn next_of_equal<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        request: &PickRequest<'_, F>,
        equal: Load,
        load: impl Fn(&Entry, &Peer) -> u64,
    ) -> Option<PickedPeer> {
        (0..tier.plan.in_service * TURNS).find_map(|_| {
            let (entry, weighing) = self.next_entry(tier, None);
            let peer = self.peer(entry);
            let is_equal = Load::new(load(entry, peer), entry).order(equal).is_eq()
                && !self.is_starting(entry, peer, request);
            is_equal.then(|| self.claim_peer(entry, request, weighing))?
        })
    }
}

/// What a peer would take for one more request, with those that are open.
fn estimate<F>(
    entry: &Entry,
    peer: &Peer,
    request: &PickRequest<'_, F>,
    least_time: LeastTime,
) -> u64 {
    let averages = TimeAverages::of_word(peer.response_time.load(Ordering::Relaxed));
    let idle = request.now.seconds.saturating_sub(peer.checked.load(Ordering::Relaxed));
    let waiting = if least_time.is_inflight {
        InFlight(peer.in_flight.load(Ordering::Relaxed)).mean_age(request.now.milliseconds)
    } else {
        None
    };
    let times = (idle, entry.parameters().fail_timeout);
    least_time.estimate(averages, times, waiting, Zone::open(peer))
}
