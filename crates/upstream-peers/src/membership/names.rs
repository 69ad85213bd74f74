//! Host names in use.

use std::collections::BTreeMap;

/// Host names, each with the number of members that use it.
#[derive(Default)]
pub(super) struct Names {
    uses: BTreeMap<String, usize>,
    has_changed: bool,
}

impl Names {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.uses.keys().map(String::as_str)
    }

    /// Whether they are others than at the last call.
    pub(super) fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    pub(super) fn add(&mut self, host: &str) {
        match self.uses.get_mut(host) {
            Some(uses) => *uses += 1,
            None => {
                self.uses.insert(host.to_owned(), 1);
                self.has_changed = true;
            }
        }
    }

    pub(super) fn remove(&mut self, host: &str) {
        if let Some(uses) = self.uses.get_mut(host) {
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(host);
                self.has_changed = true;
            }
        }
    }
}
