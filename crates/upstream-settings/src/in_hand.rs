//! The settings in hand, as who follows their keys hands them to who applies them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::Entry;

/// Changes that are kept apart; who has not asked for longer looks at all.
const MANY: usize = 1024;

/// The settings of all groups that have some.
#[derive(Debug, Default)]
pub struct InHand(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    groups: BTreeMap<Arc<str>, Entry>,
    /// Counts the changes.
    count: u64,
    /// The last of them.
    changes: VecDeque<Arc<str>>,
    is_settled: bool,
}

/// How far somebody has asked for changes.
#[derive(Debug, Default)]
pub struct Reader {
    count: u64,
    /// The groups that had settings at the last call.
    known: BTreeSet<Arc<str>>,
}

/// The settings of a group; `None` if it has none any more.
pub type Change = (Arc<str>, Option<Entry>);

impl InHand {
    /// etcd's first list is in hand, or cannot be had just now. Peers wait for it when nginx
    /// starts, so that the revisions of settings that come with it say nothing of peers. Those of
    /// later ones do: a peer may come before settings that are older than it is.
    pub fn settle(&self) {
        self.lock().is_settled = true;
    }

    /// Whether [`settle`](Self::settle) was called.
    pub fn is_settled(&self) -> bool {
        self.lock().is_settled
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group has these settings from now on, or none.
    pub fn set(&self, group: &Arc<str>, settings: Option<Entry>) {
        let mut state = self.lock();
        match settings {
            Some(mut settings) => {
                settings.put_at = settings.put_at.filter(|_| state.is_settled);
                state.groups.insert(Arc::clone(group), settings)
            }
            None => state.groups.remove(group),
        };
        state.count += 1;
        state.changes.push_back(Arc::clone(group));
        if state.changes.len() > MANY {
            state.changes.pop_front();
        }
    }

    /// What has changed since the last call of this reader, each group once; at the first one, all.
    pub fn changes(&self, reader: &mut Reader) -> Vec<Change> {
        let state = self.lock();
        let missed = usize::try_from(state.count - reader.count).unwrap_or(usize::MAX);
        reader.count = state.count;
        let groups: BTreeSet<Arc<str>> = if missed <= state.changes.len() {
            state.changes.iter().rev().take(missed).cloned().collect()
        } else {
            reader.known.iter().chain(state.groups.keys()).cloned().collect()
        };
        let change = |group: Arc<str>| {
            let settings = state.groups.get(&group).cloned();
            if settings.is_some() {
                reader.known.insert(Arc::clone(&group));
            } else {
                reader.known.remove(&group);
            }
            (group, settings)
        };
        groups.into_iter().map(change).collect()
    }
}
