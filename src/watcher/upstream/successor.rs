//! etcd was wiped, restored or replaced: what it has now succeeds the peers in hand.

use host_names::HostNames;
use upstream_peers::Membership;

use super::Upstream;
use crate::zones::report::HoldingReason;

/// What another etcd has, for as long as it is not what the peers are made of.
pub(super) struct Successor {
    pub(super) members: Membership,
    /// What etcd is, compared with before.
    pub(super) reason: HoldingReason,
    /// Until when (ms of the monotonic clock) the peers in hand stay without it having any.
    pub(super) until: u64,
}

impl Upstream {
    /// From now on etcd is another one, or in an older state, than what the peers in hand came
    /// from.
    pub(super) fn succeed(&mut self, is_other: bool, cluster_id: u64, revision: u64, now: u64) {
        let reason =
            if is_other { HoldingReason::AnotherCluster } else { HoldingReason::OlderState };
        let held = self.held.take().filter(|held| held.reason != HoldingReason::ExpiredLeases);
        // One that is wiped time and again does not make the peers in hand stay for ever.
        let before =
            self.successor.take().map(|successor| successor.until).or(held.map(|held| held.until));
        let until = before.unwrap_or(now + self.hold);
        self.lines.warn(format!(
            "etcd: upstream \"{}\": etcd is {} than before (cluster {cluster_id:x}, revision \
             {revision}; before: cluster {:x}, revision {}); the peers in hand stay until it has a \
             valid one, at most for {} s (\"hold=\")",
            self.name,
            in_words(reason),
            self.cluster_id,
            self.revision,
            until.saturating_sub(now).div_ceil(1_000),
        ));
        let members = self.new_membership();
        self.successor = Some(Successor { members, reason, until });
        self.has_other_members = true;
        self.said.changed();
    }

    /// The new content takes over once it has a peer that can be reached: one whose host name is
    /// still being resolved is none yet.
    pub(super) fn adopt_successor(&mut self, names: &HostNames) {
        let has_peers = |successor: &mut Successor| {
            !successor.members.peers(|name| names.addresses(name)).is_empty()
        };
        if let Some(successor) = self.successor.take_if(has_peers) {
            self.adopt(successor);
        }
    }

    /// The new content takes over when the time is up, whatever it has. What etcd has is not known
    /// while it cannot be followed.
    pub(super) fn end_hold(&mut self, now: u64) {
        let is_connected = self.is_connected;
        let Some(successor) =
            self.successor.take_if(|successor| is_connected && successor.until <= now)
        else {
            return;
        };
        self.lines.warn(format!(
            "etcd: upstream \"{}\": the time (\"hold=\") is up for which peers outlive an etcd \
             that is {} than before, and has no valid one: {} keys go",
            self.name,
            in_words(successor.reason),
            self.members.len(),
        ));
        self.adopt(successor);
    }

    fn adopt(&mut self, successor: Successor) {
        self.members = successor.members;
        self.has_other_members = true;
        self.ages.adopted();
        self.is_changed = true;
        self.said.rejections_changed(true);
    }
}

fn in_words(reason: HoldingReason) -> &'static str {
    if reason == HoldingReason::OlderState { "an older state" } else { "another cluster" }
}
