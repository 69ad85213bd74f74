//! Which peers are others, so that one change need not walk all of them.

use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use super::Membership;
use super::changed_keys::ChangedPeers;
use super::entry::Server;
use super::member::Member;
use super::tally::{Counted, Tally};
use crate::peer::Peer;
use crate::source::Source;

impl Membership {
    /// The peers that may be others than at the last call; at the first call, any.
    pub fn take_changed(&mut self) -> ChangedPeers {
        let keys = self.changed.take().filter(|_| self.tally.dependent == 0);
        let Some(keys) = keys else { return ChangedPeers::All };
        let peers = |key: Arc<str>| {
            let mut peers = Vec::new();
            if let Some(member) = self.members.get(&key) {
                let no_name = |_: &str| [] as [IpAddr; 0];
                member.each_peer(no_name, self.is_one_address, |server| {
                    peers.push(own_peer(&key, member, server));
                });
            }
            (key, peers)
        };
        ChangedPeers::OfKeys(keys.into_iter().map(peers).collect())
    }

    /// The peers of this key are to be looked at again, though etcd says the same of them.
    pub fn look_again(&mut self, key: &Arc<str>) {
        self.changed.add(key);
    }

    /// Takes in what may have become of a key.
    pub(super) fn note_member(&mut self, key: &str) {
        let Some((key, member)) = self.members.get_key_value(key) else { return };
        let (key, after) = (Arc::clone(key), member.counted_now());
        let Some(member) = self.members.get_mut(&key) else { return };
        let before = mem::replace(&mut member.counted, after);
        self.note_tally(&key, before, after);
    }

    /// Takes in that a key is gone.
    pub(super) fn note_removal(&mut self, key: &Arc<str>, member: &mut Member) {
        self.note_tally(key, mem::take(&mut member.counted), Counted::default());
    }

    fn note_tally(&mut self, key: &Arc<str>, before: Counted, after: Counted) {
        self.tally.replace(before, after);
        self.changed.add(key);
        if before.is_dependent || after.is_dependent {
            self.changed.add_all();
        }
    }

    /// Takes in what may have become of all keys.
    pub(super) fn note_members(&mut self) {
        self.tally = Tally::default();
        for member in self.members.values_mut() {
            member.counted = member.counted_now();
            self.tally.replace(Counted::default(), member.counted);
        }
        self.changed.add_all();
    }
}

/// The peer of a key by itself.
fn own_peer(key: &Arc<str>, member: &Member, server: Server) -> Peer {
    let Server { address, text, parameters, labels, scheme, .. } = server;
    Peer {
        key: Arc::clone(key),
        address,
        server: text,
        parameters: parameters.all,
        own: parameters.own(),
        route: parameters.route().cloned(),
        labels,
        create_revision: member.create_revision(),
        source: Source { scheme, ..Default::default() },
    }
}
