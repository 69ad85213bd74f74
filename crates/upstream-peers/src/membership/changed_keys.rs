//! The keys whose peers may be others than at the last look.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::peer::Peer;

/// Keys that are kept apart; if more have changed, all peers are looked at again, which is less.
const MANY: usize = 64;

/// The peers that may be others than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangedPeers {
    /// Any of them.
    All,
    /// Those of these keys, in their order, each with the peers that it has now, in the order of
    /// their addresses.
    OfKeys(Vec<(Arc<str>, Vec<Peer>)>),
}

/// The keys whose peers may be others than at the last look.
pub(super) struct ChangedKeys(Option<BTreeSet<Arc<str>>>);

impl Default for ChangedKeys {
    /// Any.
    fn default() -> Self {
        Self(None)
    }
}

impl ChangedKeys {
    pub(super) fn add(&mut self, key: &Arc<str>) {
        let is_too_many = self.0.as_mut().is_some_and(|keys| {
            keys.insert(Arc::clone(key));
            keys.len() > MANY
        });
        if is_too_many {
            self.add_all();
        }
    }

    pub(super) fn add_all(&mut self) {
        self.0 = None;
    }

    pub(super) fn take(&mut self) -> Option<BTreeSet<Arc<str>>> {
        self.0.replace(BTreeSet::new())
    }
}
