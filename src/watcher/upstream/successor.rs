//! etcd was wiped, restored or replaced: for how long the peers in hand stay, and what is logged and
//! shown of it.

use etcd_watch::{Continuity, Holding, Origin, Replaced, Replica};
use host_names::HostNames;
use peer_zone::Zone;
use upstream_peers::Membership;

use super::{Upstream, new_membership};
use crate::zones::report::{self, HoldingReason};

/// Where the peers that are published in a zone came from; `None` where that is not known.
pub(super) fn published_origin(zone: &Zone) -> Option<Origin> {
    let cluster_id = zone.cluster_id();
    let revision = zone.revision().cast_signed();
    (cluster_id != 0).then_some(Origin { cluster_id, revision })
}

/// Goes on with what a predecessor has held. Returns as well until when (ms) it has held peers
/// whose leases had run out, if it did.
pub(super) fn resume(
    members: Replica<Membership>,
    held: Option<&report::Holding>,
) -> (Replica<Membership>, Option<u64>) {
    let Some(&report::Holding { reason, until, .. }) = held else { return (members, None) };
    match reason.continuity() {
        Some(continuity) => (members.resume(Holding { continuity, until }), None),
        None => (members, Some(until)),
    }
}

impl Upstream {
    /// etcd has listed: says so where it is another one, or in an older state, than the one that
    /// has listed before.
    pub(super) fn list_origin(&mut self, listed: Origin, now: u64) {
        let (defaults, allow) = (self.defaults, &self.allow);
        let before = self.members.latest();
        let listing = self.members.list(listed, now, |_| new_membership(defaults, allow));
        let (Some(before), Some(holding)) = (before, self.members.holding()) else { return };
        // Names of a successor are others than those of one before it.
        self.has_other_members = true;
        self.said.changed();
        if listing.continuity != Continuity::Same {
            self.lines.warn(format!(
                "etcd: upstream \"{}\": etcd is {} than before (cluster {:x}, revision {}; \
                 before: cluster {:x}, revision {}); the peers in hand stay until it has a valid \
                 one, at most for {} s (\"hold=\")",
                self.name,
                what_it_is(listing.continuity),
                listed.cluster_id,
                listed.revision,
                before.cluster_id,
                before.revision,
                holding.until.saturating_sub(now).div_ceil(1_000),
            ));
        }
    }

    /// The new content takes over once it has a peer that can be reached: one whose host name is
    /// still being resolved is none yet.
    pub(super) fn adopt_successor(&mut self, names: &HostNames) {
        let has_peers =
            |members: &Membership| !members.peers(|name| names.addresses(name)).is_empty();
        if self.members.adopt_if(|in_hand, new| in_hand.is_empty() || has_peers(new)).is_some() {
            self.note_adoption();
        }
    }

    /// The new content takes over when the time is up, whatever it has. What etcd has is not known
    /// while it cannot be followed.
    pub(super) fn end_hold(&mut self, now: u64) {
        let Some(Replaced { former, continuity }) = self.members.end_hold(now, self.is_connected)
        else {
            return;
        };
        self.lines.warn(format!(
            "etcd: upstream \"{}\": the time (\"hold=\") is up for which peers outlive an etcd \
             that is {} than before, and has no valid one: {} keys go",
            self.name,
            what_it_is(continuity),
            former.len(),
        ));
        self.note_adoption();
    }

    fn note_adoption(&mut self) {
        self.has_other_members = true;
        self.ages.adopted();
        self.is_changed = true;
        self.said.rejections_changed(true);
    }

    /// The peers that outlive their keys, as the status shows them.
    pub(super) fn holding(&self) -> Option<report::Holding> {
        let held = |reason, until, peers| Some(report::Holding { reason, until, peers });
        let peers = self.members.in_hand().len();
        if let Some(Holding { continuity, until }) = self.members.holding() {
            return held(HoldingReason::of(continuity), until, peers);
        }
        if let Some(until) = self.leases_held_until {
            // Which of them are held shows with the first list.
            return held(HoldingReason::ExpiredLeases, until, peers);
        }
        let (peers, until) = self.expiry_guard.as_ref()?.kept()?;
        held(HoldingReason::ExpiredLeases, until, peers)
    }
}

fn what_it_is(continuity: Continuity) -> &'static str {
    if continuity == Continuity::OtherCluster { "another cluster" } else { "an older state" }
}
