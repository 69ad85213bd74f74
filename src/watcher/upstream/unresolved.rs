//! Keys whose host names cannot be resolved, as the status shows them.

use std::collections::BTreeMap;

use host_names::HostNames;

use super::{
    Upstream,
    said::MAX_SHOWN,
    told::{self, of_name},
};
use crate::{nginx::clock, zones::report::Unresolved};

/// Since when (ms of the monotonic clock) which names have been amiss, and why; also what a
/// predecessor knew, who has asked before.
pub(super) type Amiss = BTreeMap<String, (u64, Option<String>)>;

/// What a predecessor knew.
pub(super) fn of_predecessor(unresolved: &[Unresolved]) -> Amiss {
    let parts = |key: &Unresolved| (key.name.clone(), (key.since, key.reason.clone()));
    unresolved.iter().map(parts).collect()
}

impl Upstream {
    /// There is news of host names.
    pub(in crate::watcher) fn note_names(&mut self) {
        self.said.rejections_changed(true);
    }

    /// Whether a predecessor has said that this name cannot be resolved.
    pub(in crate::watcher) fn has_told_of_name(&mut self, name: &str) -> bool {
        self.said.memory.has_said(of_name(name))
    }

    /// The names of which it was said that they cannot be resolved.
    pub(super) fn failing_names<'a>(
        &'a self,
        names: &'a HostNames,
    ) -> impl Iterator<Item = u64> + 'a {
        let fails = |name: &&str| {
            names.lookup_failure(name).is_some_and(|trouble| trouble.reason.is_some())
        };
        self.names().filter(fails).map(told::of_name)
    }

    /// The keys whose names cannot be resolved, or have no address yet: the first ones, and how
    /// many there are.
    pub(super) fn unresolved(&mut self, names: &HostNames) -> (Vec<Unresolved>, usize) {
        if !self.has_listed {
            // Which names there are is not known yet, and what a predecessor knew stands.
            return self.said.unresolved();
        }
        let (mut shown, mut count) = (Vec::new(), 0);
        let mut amiss = Amiss::new();
        if self.names().next().is_some() {
            let now = clock::now();
            let resolve = |name: &str| names.addresses(name);
            let named = self.memberships().flat_map(|members| members.named(resolve));
            for (key, name, peers) in named {
                let Some(trouble) = names.lookup_failure(name) else { continue };
                let before = self.said.amiss.get(name);
                // One that has addresses, and has not been asked for yet, is as good as it was.
                if trouble.reason.is_none() && peers > 0 && before.is_none() {
                    continue;
                }
                count += 1;
                if shown.len() == MAX_SHOWN {
                    continue;
                }
                let (since, reason) = amiss.entry(name.to_owned()).or_insert_with(|| {
                    let elapsed =
                        u64::try_from(trouble.since.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let (since, reason) =
                        before.cloned().unwrap_or((now.saturating_sub(elapsed), None));
                    (since, trouble.reason.map(str::to_owned).or(reason))
                });
                shown.push(Unresolved {
                    key: format!("{}{key}", self.prefix),
                    name: name.to_owned(),
                    addresses: peers,
                    since: *since,
                    reason: reason.clone(),
                });
            }
        }
        self.said.amiss = amiss;
        (shown, count)
    }
}
