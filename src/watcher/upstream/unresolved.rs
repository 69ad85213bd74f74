//! Keys whose host names cannot be resolved, as the status shows them.

use std::{collections::BTreeMap, rc::Rc};

use host_names::HostNames;

use super::{contents::Contents, rejection_log::MAX_SHOWN};
use crate::{nginx::clock, zones::report};

/// What is amiss with a name: since when (ms of the monotonic clock), and why.
type Trouble = (u64, Option<String>);

/// The names that cannot be resolved, or have no address yet; also what a predecessor knew, who has
/// asked before.
pub(super) struct UnresolvedNames {
    prefix: Rc<str>,
    amiss: BTreeMap<String, Trouble>,
}

impl UnresolvedNames {
    /// Goes on from what a predecessor knew.
    pub(super) fn new(prefix: Rc<str>, of_predecessor: &[report::Unresolved]) -> Self {
        let parts = |key: &report::Unresolved| (key.name.clone(), (key.since, key.reason.clone()));
        Self { prefix, amiss: of_predecessor.iter().map(parts).collect() }
    }

    /// The keys of such names: the first ones, and how many there are.
    pub(super) fn update(
        &mut self,
        contents: &Contents,
        names: &HostNames,
    ) -> (Vec<report::Unresolved>, usize) {
        let (mut shown, mut count) = (Vec::new(), 0);
        let mut amiss = BTreeMap::<String, Trouble>::new();
        if contents.names().next().is_some() {
            let now = clock::now();
            contents.each_named(names, |key, name, peers| {
                let Some(trouble) = names.lookup_failure(name) else { return };
                let before = self.amiss.get(name);
                // One that has addresses, and has not been asked for yet, is as good as it was.
                if trouble.reason.is_none() && peers > 0 && before.is_none() {
                    return;
                }
                count += 1;
                if shown.len() == MAX_SHOWN {
                    return;
                }
                let (since, reason) = amiss.entry(name.to_owned()).or_insert_with(|| {
                    let elapsed =
                        u64::try_from(trouble.since.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let (since, reason) =
                        before.cloned().unwrap_or((now.saturating_sub(elapsed), None));
                    (since, trouble.reason.map(str::to_owned).or(reason))
                });
                shown.push(report::Unresolved {
                    key: format!("{}{key}", self.prefix),
                    name: name.to_owned(),
                    addresses: peers,
                    since: *since,
                    reason: reason.clone(),
                });
            });
        }
        self.amiss = amiss;
        (shown, count)
    }
}

/// The names of which it was said that they cannot be resolved.
pub(super) fn failing<'a>(
    contents: &'a Contents,
    names: &'a HostNames,
) -> impl Iterator<Item = &'a str> {
    let fails =
        |name: &&str| names.lookup_failure(name).is_some_and(|trouble| trouble.reason.is_some());
    contents.names().filter(fails)
}
