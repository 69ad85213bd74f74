//! Host names with addresses where no peer may be.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use upstream_peers::{OutsideAddresses, messages};

use crate::{watcher::upstream_log::UpstreamLog, zones::report::Rejection};

/// The addresses that are left out, by key.
pub(super) struct RefusedAddresses {
    prefix: Rc<str>,
    now: BTreeMap<Arc<str>, OutsideAddresses>,
    log: UpstreamLog,
}

impl RefusedAddresses {
    pub(super) fn new(prefix: Rc<str>, log: UpstreamLog) -> Self {
        Self { prefix, now: BTreeMap::new(), log }
    }

    /// As the status shows them.
    pub(super) fn rejections(&self) -> impl Iterator<Item = Rejection> {
        self.now.iter().map(|(key, addresses)| self.rejection(key, addresses))
    }

    fn rejection(&self, key: &str, addresses: &OutsideAddresses) -> Rejection {
        Rejection { key: format!("{}{key}", self.prefix), reason: addresses.to_string() }
    }

    /// These are left out now: a line for each key whose name has none any more. Returns those of
    /// keys whose names have others than before; `None` where nothing differs.
    pub(super) fn set(
        &mut self,
        refused: BTreeMap<Arc<str>, OutsideAddresses>,
    ) -> Option<Vec<Rejection>> {
        if refused == self.now {
            return None;
        }
        let new = refused.iter().filter(|&(key, addresses)| self.now.get(key) != Some(addresses));
        let new = new.map(|(key, addresses)| self.rejection(key, addresses)).collect();
        for (key, OutsideAddresses { name, .. }) in &self.now {
            if !refused.contains_key(key) {
                let key = format!("{}{key}", self.prefix);
                self.log.notice(messages::all_allowed(name, &key));
            }
        }
        self.now = refused;
        Some(new)
    }
}
