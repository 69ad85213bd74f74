//! Which peers are others, so that one change need not walk all of them.

use std::collections::BTreeSet;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use super::Membership;
use super::entry::Server;
use super::member::Member;
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
    fn add(&mut self, key: &Arc<str>) {
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

    fn take(&mut self) -> Option<BTreeSet<Arc<str>>> {
        self.0.replace(BTreeSet::new())
    }
}

/// What members are, or how many of them are it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// They stand for peers.
    pub(super) good: usize,
    /// Their current value is rejected.
    pub(super) rejected: usize,
    /// Servers of valid values that are not wanted.
    pub(super) unselected: usize,
    /// Their peers depend on more than their value: on host names, on the priorities of others, or
    /// on other keys.
    pub(super) dependent: usize,
}

impl Tally {
    fn of(member: &Member) -> Self {
        Self {
            good: member.is_good().into(),
            rejected: member.rejected().is_some().into(),
            unselected: member.unselected(),
            dependent: member.is_dependent().into(),
        }
    }

    fn replace(&mut self, before: Self, after: Self) {
        // What is taken off was put on.
        let change = |all: &mut usize, before, after| *all = *all + after - before;
        change(&mut self.good, before.good, after.good);
        change(&mut self.rejected, before.rejected, after.rejected);
        change(&mut self.unselected, before.unselected, after.unselected);
        change(&mut self.dependent, before.dependent, after.dependent);
    }
}

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

    /// Takes in what may have become of a key.
    pub(super) fn note_member(&mut self, key: &str) {
        let Some((key, member)) = self.members.get_key_value(key) else { return };
        let (key, after) = (Arc::clone(key), Tally::of(member));
        let Some(member) = self.members.get_mut(&key) else { return };
        let before = mem::replace(&mut member.tally, after);
        self.note_tally(&key, before, after);
    }

    /// Takes in that a key is gone.
    pub(super) fn note_removal(&mut self, key: &Arc<str>, member: &mut Member) {
        self.note_tally(key, mem::take(&mut member.tally), Tally::default());
    }

    fn note_tally(&mut self, key: &Arc<str>, before: Tally, after: Tally) {
        self.tally.replace(before, after);
        self.changed.add(key);
        if before.dependent + after.dependent > 0 {
            self.changed.add_all();
        }
    }

    /// Takes in what may have become of all keys.
    pub(super) fn note_members(&mut self) {
        self.tally = Tally::default();
        for member in self.members.values_mut() {
            member.tally = Tally::of(member);
            self.tally.replace(Tally::default(), member.tally);
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
        route: parameters.overrides.route,
        labels,
        create_revision: member.create_revision(),
        source: crate::source::Source { scheme, ..Default::default() },
    }
}
