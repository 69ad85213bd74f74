//! Host names with addresses where no peer may be: what has been said of them.

use std::{collections::BTreeMap, sync::Arc};

use host_names::HostNames;
use upstream_peers::OutsideAddresses;

use super::Upstream;
use crate::zones::report::Rejection;

/// What is left out, as it was said last.
#[derive(Default)]
pub(super) struct Outside {
    now: BTreeMap<Arc<str>, OutsideAddresses>,
}

impl Outside {
    /// As the status shows them.
    pub(super) fn rejections(&self, prefix: &str) -> impl Iterator<Item = Rejection> {
        self.now.iter().map(move |(key, addresses)| rejection(prefix, key, addresses))
    }
}

fn rejection(prefix: &str, key: &str, addresses: &OutsideAddresses) -> Rejection {
    Rejection { key: format!("{prefix}{key}"), reason: addresses.to_string() }
}

impl Upstream {
    /// Notes which addresses of host names are left out: a line for each key whose name has others
    /// than before, and one when it has none any more.
    pub(super) fn note_outside(&mut self, names: &HostNames) {
        let outside = self.members.in_hand().outside(|name| names.addresses(name));
        if outside == self.said.outside.now {
            return;
        }
        for (key, addresses) in &outside {
            if self.said.outside.now.get(key) == Some(addresses) {
                continue;
            }
            self.say_rejected(&rejection(&self.prefix, key, addresses));
        }
        let ended = self.said.outside.now.iter().filter(|(key, _)| !outside.contains_key(*key));
        for (key, OutsideAddresses { name, .. }) in ended {
            self.lines.notice(format!(
                "etcd: upstream \"{}\": key \"{}{key}\" has no host name \"{name}\" with an \
                 address outside of \"etcd_allow\" any more",
                self.name, self.prefix
            ));
        }
        self.said.outside.now = outside;
        self.said.rejections_changed(true);
    }
}
