//! Publishes an upstream: its peers to the table, and what the status says of them.

use std::sync::Arc;

use change_history::Cause;
use etcd_watch::Origin;
use host_names::HostNames;
use peer_zone::{Changes, KeyPeers, PeerSpec, protocol::Publishing};
use saved_state::ListVersion;
use upstream_peers::{ChangedPeers, Peer, messages};

use super::{
    WatchedUpstream, rejection_log::MAX_SHOWN, saved_list::SavedList, settings::FollowedSettings,
    unresolved::failing,
};
#[cfg(feature = "injected-faults")]
use crate::watcher::faults;
use crate::{nginx::clock, watcher::state::StateOffer, zones::report::Report};

/// The peers of some keys, as they were and as they are.
#[derive(Default)]
struct Edit {
    before: Vec<Arc<PeerSpec>>,
    now: Vec<Arc<PeerSpec>>,
}

impl WatchedUpstream {
    /// Publishes what has come in.
    pub(in crate::watcher) fn publish(&mut self, names: &HostNames, publishing: &Publishing) {
        if self.is_waiting_for_settings() {
            return;
        }
        self.apply_settings(publishing);
        self.contents.adopt_successor(names);
        self.take_news(Cause::HoldEnded);
        let has_state_report = self.state.as_mut().is_some_and(StateOffer::take_report);
        let may_have_names = self.pending.peers && self.names().next().is_some();
        self.report.note_change(has_state_report || may_have_names);
        // A key that the status shows may be gone, or have an address now, be it the last one with
        // a host name.
        if self.pending.peers && self.report.last().unresolved_total > 0 {
            self.note_rejections();
        }
        let has_peers = std::mem::take(&mut self.pending.peers);
        let edit = if has_peers { self.publish_peers(names, publishing) } else { None };
        // Only now it is known whether all peers fit.
        self.publish_report(names, publishing);
        if has_peers {
            // After the report: who sees the revision finds in the status what belongs to it.
            self.publish_revision();
            self.offer_state();
            if let Some(checks) = &mut self.checks {
                match edit {
                    Some(Edit { before, now }) => {
                        checks.change_peers(&before, &now, &self.publisher);
                    }
                    None => checks.set_peers(&self.publisher),
                }
            }
        }
        if let Some(checks) = &mut self.checks {
            checks.publish(&mut self.publisher, &self.log, &mut self.changes, publishing);
        }
    }

    /// Whether nginx starts and knows the peers, but not yet what their groups have of their own:
    /// no request is to go by anything else meanwhile.
    fn is_waiting_for_settings(&mut self) -> bool {
        if self.zone.revision() != 0 || !self.watch.has_listed() {
            return false;
        }
        let Some(settings) = &mut self.settings else { return false };
        let is_settled = settings.are_settled();
        // Whoever tells of them may be heard after this.
        settings.read();
        !is_settled
    }

    /// Says which peers were published, unless these are all.
    fn publish_peers(&mut self, names: &HostNames, publishing: &Publishing) -> Option<Edit> {
        let now = clock::now();
        if self.space.shortage().is_some() {
            // Peers that have gone since the last look make room for those that are left out.
            self.collect(publishing);
        }
        let changed = self.contents.take_changed_peers();
        let is_all = std::mem::take(&mut self.pending.all_peers) || self.space.shortage().is_some();
        let published = match changed {
            ChangedPeers::OfKeys(keys) if !is_all => self.publish_keys(keys, now, publishing),
            ChangedPeers::OfKeys(_) | ChangedPeers::All => None,
        };
        let (changes, edit) = match published {
            Some((changes, edit)) => (changes, Some(edit)),
            None => (self.publish_all(names, now, publishing), None),
        };
        self.log_changes(&changes);
        edit
    }

    /// Publishes the peers of these keys, if that can be done without the others.
    fn publish_keys(
        &mut self,
        keys: Vec<(Arc<str>, Vec<Peer>)>,
        now: u64,
        publishing: &Publishing,
    ) -> Option<(Changes, Edit)> {
        let (described, ages) = (&mut self.described, self.contents.ages());
        let mut edit = Edit::default();
        let describe = |(key, peers)| {
            let [before, peers] = described.update_key(&key, peers, ages, now);
            edit.before.extend(before);
            edit.now.extend(peers.iter().cloned());
            KeyPeers { key, peers }
        };
        let keys = keys.into_iter().map(describe).collect();
        #[cfg(feature = "injected-faults")]
        faults::reach(faults::Place::BeforePublication);
        let changes = self.publisher.publish_keys(keys, now, publishing)?;
        #[cfg(feature = "injected-faults")]
        faults::reach(faults::Place::InPublication);
        Some((changes, edit))
    }

    fn publish_all(&mut self, names: &HostNames, now: u64, publishing: &Publishing) -> Changes {
        let peers = self.contents.peers(names);
        if let Some(refused) = self.refused.set(self.contents.outside(names)) {
            refused.iter().for_each(|rejection| self.rejections.log_rejection(rejection, now));
            self.note_rejections();
        }
        self.described.update(peers, self.contents.ages(), now);
        self.contents.settle_ages(names, now);
        let desired: Vec<Arc<PeerSpec>> =
            self.servers.iter().chain(self.described.iter()).cloned().collect();
        #[cfg(feature = "injected-faults")]
        faults::reach(faults::Place::BeforePublication);
        let result = self.publisher.publish(desired, now, publishing);
        #[cfg(feature = "injected-faults")]
        faults::reach(faults::Place::InPublication);
        let full = result.as_ref().err();
        // Before the first list a watcher that takes over wants but those that are there, and what
        // its predecessor has said stands.
        if full.is_some() || self.watch.has_listed() {
            let is_other = self.space.note_result(full, &self.publisher);
            self.report.note_change(is_other);
        }
        result.unwrap_or_else(|full| *full.changes)
    }

    fn publish_revision(&self) {
        if let Some(Origin { cluster_id, revision }) = self.contents.origin() {
            self.zone.set_revision(cluster_id, revision.unsigned_abs());
        }
    }

    /// Has the list kept that is published, if it came from etcd: not one that was found here, and
    /// not while those in hand are not etcd's own.
    fn offer_state(&mut self) {
        if let Some(state) = &self.state
            && self.watch.has_listed()
            && !self.contents.is_held()
        {
            let settings = self.settings.as_ref();
            let changes = settings.map_or(0, FollowedSettings::count);
            // Both are but counted up, and so is their sum.
            let generation = self.publisher.generation() + changes;
            let zone = self.publisher.zone();
            let (cluster_id, revision) = (zone.cluster_id(), zone.revision());
            let version = ListVersion { generation, cluster_id, revision };
            state.offer(version, || {
                let settings = settings.map(FollowedSettings::to_saved);
                let list = SavedList::new(&self.publisher, settings, self.saved.take());
                self.saved = Some(list.clone());
                Arc::new(list)
            });
        }
    }

    /// One line for each change, and its place in the history.
    fn log_changes(&mut self, changes: &Changes) {
        let revision = self.contents.revision();
        self.changes.note_published(changes, revision.unsigned_abs());
        let &Changes { added, removed, changed, .. } = changes;
        if added + removed + changed > 0 {
            let count = self.publisher.keyed();
            let changes = (added, removed, changed);
            self.log.notice(module_messages::peers_changed(count, changes, revision));
        }
    }

    /// Publishes what the status is to say, where it is something else than before.
    fn publish_report(&mut self, names: &HostNames, publishing: &Publishing) {
        if !self.report.take_due() {
            return;
        }
        let rejections = || self.contents.rejections().chain(self.refused.rejections());
        let has_listed = self.watch.has_listed();
        // Before the first list nothing is known that a predecessor did not know better.
        if has_listed && std::mem::take(&mut self.pending.memory) {
            self.rejections.remember(rejections(), failing(&self.contents, names));
        }
        let (unresolved, unresolved_total) = if has_listed {
            self.unresolved.update(&self.contents, names)
        } else {
            // Which names there are is not known yet, and what a predecessor knew stands.
            let last = self.report.last();
            (last.unresolved.clone(), last.unresolved_total)
        };
        let before = self.report.last().unselected;
        let unselected = if has_listed { self.contents.unselected() } else { before };
        if unselected != before {
            self.log.notice(messages::unselected(unselected));
        }
        let report = Report {
            unselected,
            rejected: rejections().take(MAX_SHOWN).collect(),
            unresolved,
            unresolved_total,
            room: self.space.shortage().map(str::to_owned),
            holding: self.contents.holding(),
            state: self.state.as_ref().map(|state| state.report().clone()),
            ..Report::default()
        };
        self.report.publish(report, &mut self.publisher, publishing);
    }
}
