//! Publishing the peers of the group at hand: all of them or, where there is not room for all, as
//! many as fit.
//!
//! The others are tried as they are, and not computed beforehand as in `fitting`: a group is small,
//! and there are many of them.

use std::{collections::HashSet, sync::Arc};

use super::{
    Publisher,
    blocks::Spare,
    fitting::with_entry_of,
    matching::{Changes, Match},
    options::TableOptions,
};
use crate::peer_spec::{PeerSpec, identity};

/// Additions that may be refused, before the rest is left out without a try.
const MOST_REFUSED: usize = 4;

/// What came of it.
#[derive(Default)]
pub(super) struct GroupPublished {
    pub(super) changes: Changes,
    /// Peers that are left out, or are without a change that there is no room for.
    pub(super) left_out: usize,
    pub(super) lacks_method: bool,
    /// Peers that are gone are listed still: there was no room for a table without them.
    pub(super) is_stuck: bool,
}

impl Publisher {
    /// The group at hand has these peers, in order, from the next directory on, at `now` (ms).
    pub(super) fn publish_group(&mut self, specs: Vec<Arc<PeerSpec>>, now: u64) -> GroupPublished {
        self.take_group_options(now);
        if specs.is_empty() {
            let Match { changes, .. } = self.match_listed(&specs);
            self.remove_all_listed(now);
            return GroupPublished { changes, ..GroupPublished::default() };
        }
        if self.is_published(&specs) && self.has_what_it_needs() {
            return GroupPublished::default();
        }
        let options = self.options();
        let mut published = GroupPublished::default();
        let adds = self.adds(&specs);
        let Err(specs) =
            self.try_group(specs, &options, Spare::NeededIfLarger, now, &mut published)
        else {
            return published;
        };
        self.make_room();
        let Err(specs) =
            self.try_group(specs, &options, Spare::NeededIfLarger, now, &mut published)
        else {
            return published;
        };
        let kept = self.keep_group(&specs, adds, now, &mut published);
        self.make_room();
        // What of the group is gone, and idle, makes room for what comes in its place.
        self.unlist();
        let options = if published.lacks_method { options.plain() } else { options };
        let included = self.add_to_group(&specs, kept, &options, now, &mut published);
        published.left_out = specs.len() - included.iter().filter(|&&is| is).count();
        // If there is no room for a table that says what the group has of its own, the last one
        // stays.
        published.lacks_method |= self.group.table.0 != 0 && !self.has_what_it_needs();
        published.is_stuck = self.group.listed.len() > included.iter().filter(|&&is| is).count()
            && self.lists_others_than(&specs);
        published
    }

    /// Whether any peer is listed that is not one of these.
    fn lists_others_than(&self, specs: &[Arc<PeerSpec>]) -> bool {
        let wanted: HashSet<_> = specs.iter().map(|spec| identity(spec)).collect();
        self.group.listed.iter().any(|peer| !wanted.contains(&identity(&peer.spec)))
    }

    /// Whether any of them is not listed.
    fn adds(&self, specs: &[Arc<PeerSpec>]) -> bool {
        specs.iter().any(|spec| !self.is_listed_as(spec))
    }

    fn is_listed_as(&self, spec: &PeerSpec) -> bool {
        self.group.find(spec.key.as_deref(), &spec.socket_address).is_some()
    }

    /// Tries it with these peers.
    fn try_group(
        &mut self,
        specs: Vec<Arc<PeerSpec>>,
        options: &TableOptions,
        spare: Spare,
        now: u64,
        published: &mut GroupPublished,
    ) -> Result<(), Vec<Arc<PeerSpec>>> {
        let Match { known, changes } = self.match_listed(&specs);
        self.install(specs, &known, options, spare, now)?;
        let before = std::mem::take(&mut published.changes);
        published.changes = before.and(changes);
        Ok(())
    }

    /// What is gone goes, whatever else has no room. Says which of the peers are as they are
    /// wanted, and which are listed as they were.
    fn keep_group(
        &mut self,
        specs: &[Arc<PeerSpec>],
        adds: bool,
        now: u64,
        published: &mut GroupPublished,
    ) -> Vec<Option<Arc<PeerSpec>>> {
        let listed = |publisher: &Self, spec: &PeerSpec| {
            let listed = publisher.group.find(spec.key.as_deref(), &spec.socket_address);
            listed.map(|listed| Arc::clone(&listed.spec))
        };
        let wanted: Vec<Option<Arc<PeerSpec>>> =
            specs.iter().map(|spec| self.is_listed_as(spec).then(|| Arc::clone(spec))).collect();
        let unchanged: Vec<Option<Arc<PeerSpec>>> =
            specs.iter().map(|spec| Some(with_entry_of(spec, &*listed(self, spec)?))).collect();
        let options = self.options();
        let forms = [(&wanted, options, adds), (&unchanged, options, true)];
        let plain = [(&wanted, options.plain(), true), (&unchanged, options.plain(), true)];
        let has_plain = options.plain() != options;
        for (peers, options, is_tried) in forms.into_iter().chain(plain) {
            let is_plain = options != self.options();
            if !is_tried || is_plain && !has_plain {
                continue;
            }
            let peers_now: Vec<Arc<PeerSpec>> = peers.iter().flatten().cloned().collect();
            let is_kept = if peers_now.is_empty() {
                let Match { changes, .. } = self.match_listed(&peers_now);
                self.remove_all_listed(now);
                let before = std::mem::take(&mut published.changes);
                published.changes = before.and(changes);
                true
            } else if self.is_published(&peers_now)
                && (is_plain && self.has_table_of_own() || self.has_what_it_needs())
            {
                true
            } else {
                self.try_group(peers_now, &options, Spare::NotNeeded, now, published).is_ok()
            };
            if is_kept {
                published.lacks_method = is_plain;
                return peers.clone();
            }
        }
        // Not even that: all is as it was.
        specs.iter().map(|spec| listed(self, spec)).collect()
    }

    /// Adds to the peers that are `kept` as many of the others as fit, in order. Says which are as
    /// they are wanted.
    fn add_to_group(
        &mut self,
        specs: &[Arc<PeerSpec>],
        kept: Vec<Option<Arc<PeerSpec>>>,
        options: &TableOptions,
        now: u64,
        published: &mut GroupPublished,
    ) -> Vec<bool> {
        let mut kept = kept;
        let is_same = |kept: &[Option<Arc<PeerSpec>>], at: usize| {
            kept[at].as_ref().is_some_and(|kept| *kept == specs[at])
        };
        let missing: Vec<usize> = (0..specs.len()).filter(|&at| !is_same(&kept, at)).collect();
        let (mut at, mut step, mut refused) = (0, 1, 0);
        while at < missing.len() && refused < MOST_REFUSED {
            let batch = &missing[at..missing.len().min(at + step)];
            let mut more = kept.clone();
            batch.iter().for_each(|&index| more[index] = Some(Arc::clone(&specs[index])));
            let peers = more.iter().flatten().cloned().collect();
            if self.try_group(peers, options, Spare::Needed, now, published).is_ok() {
                (kept, at, step) = (more, at + batch.len(), 2 * step);
            } else if batch.len() == 1 {
                (at, step, refused) = (at + 1, 1, refused + 1);
            } else {
                step = 1;
            }
        }
        debug_assert!(
            self.group.listed.iter().map(|peer| identity(&peer.spec)).is_sorted()
                || self.group.name.is_empty()
        );
        (0..specs.len()).map(|at| is_same(&kept, at)).collect()
    }
}
