//! The peers that a table gives requests to, with what tables say of all of them together.

use std::{collections::BTreeMap, ops::Deref};

use super::records::Listed;
use crate::memory::Offset;

/// The peers that are listed. What is asked of all of them for each table is kept with them, so
/// that a change of a few walks none of the others.
#[derive(Debug, Default)]
pub(super) struct Roster {
    peers: Vec<Listed>,
    /// The places of their entries.
    entries: Vec<Offset>,
    /// Those without `backup`, and those with it.
    tiers: [Tier; 2],
}

/// What there is to know of the peers with `backup`, or of those without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tier {
    pub(super) peers: usize,
    pub(super) in_service: usize,
    /// Those without `max_conns` and `slow_start`.
    plain: usize,
    /// How many have each weight.
    weights: BTreeMap<u32, usize>,
    /// The weights of those in service.
    share: u64,
}

impl Tier {
    fn add(&mut self, peer: &Listed) {
        self.peers += 1;
        self.in_service += usize::from(peer.weight_in_turn() > 0);
        self.plain += usize::from(peer.is_plain);
        *self.weights.entry(peer.weight).or_default() += 1;
        self.share += u64::from(peer.weight_in_turn());
    }

    fn remove(&mut self, peer: &Listed) {
        self.peers -= 1;
        self.in_service -= usize::from(peer.weight_in_turn() > 0);
        self.plain -= usize::from(peer.is_plain);
        self.share -= u64::from(peer.weight_in_turn());
        if let Some(count) = self.weights.get_mut(&peer.weight) {
            *count -= 1;
            if *count == 0 {
                self.weights.remove(&peer.weight);
            }
        }
    }

    /// Whether there are peers, all of the same weight.
    pub(super) fn is_even(&self) -> bool {
        self.weights.len() == 1
    }

    /// The weight of all; 0 where they differ.
    pub(super) fn even_weight(&self) -> u32 {
        let weight = self.weights.keys().next().filter(|_| self.is_even());
        weight.copied().unwrap_or_default()
    }

    /// The weights of those in service.
    pub(super) fn share(&self) -> u64 {
        self.share
    }

    /// Whether there are peers, none of which has `max_conns` or `slow_start`.
    pub(super) fn is_plain(&self) -> bool {
        self.peers > 0 && self.plain == self.peers
    }
}

impl Roster {
    /// The places of the entries, in the order of the peers.
    pub(super) fn entries(&self) -> &[Offset] {
        &self.entries
    }

    /// What there is to know of those without `backup`, and of those with it.
    pub(super) fn tiers(&self) -> &[Tier; 2] {
        &self.tiers
    }

    pub(super) fn insert(&mut self, at: usize, peer: Listed) {
        self.tiers[usize::from(peer.is_backup)].add(&peer);
        self.entries.insert(at, peer.entry);
        self.peers.insert(at, peer);
    }

    pub(super) fn remove(&mut self, at: usize) -> Listed {
        let peer = self.peers.remove(at);
        self.entries.remove(at);
        self.tiers[usize::from(peer.is_backup)].remove(&peer);
        peer
    }

    /// Puts a peer in the place of another one, which is returned.
    pub(super) fn replace(&mut self, at: usize, peer: Listed) -> Listed {
        self.tiers[usize::from(peer.is_backup)].add(&peer);
        self.entries[at] = peer.entry;
        let old = std::mem::replace(&mut self.peers[at], peer);
        self.tiers[usize::from(old.is_backup)].remove(&old);
        old
    }
}

impl From<Vec<Listed>> for Roster {
    fn from(peers: Vec<Listed>) -> Self {
        let mut tiers = [Tier::default(), Tier::default()];
        for peer in &peers {
            tiers[usize::from(peer.is_backup)].add(peer);
        }
        let entries = peers.iter().map(|peer| peer.entry).collect();
        Self { peers, entries, tiers }
    }
}

impl IntoIterator for Roster {
    type Item = Listed;
    type IntoIter = std::vec::IntoIter<Listed>;

    fn into_iter(self) -> Self::IntoIter {
        self.peers.into_iter()
    }
}

impl<'r> IntoIterator for &'r Roster {
    type Item = &'r Listed;
    type IntoIter = std::slice::Iter<'r, Listed>;

    fn into_iter(self) -> Self::IntoIter {
        self.peers.iter()
    }
}

impl Deref for Roster {
    type Target = [Listed];

    fn deref(&self) -> &[Listed] {
        &self.peers
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use peer_balance::Parameters;
    use proptest::prelude::*;

    use super::*;
    use crate::peer_spec::PeerSpec;

    fn peer(entry: u32, (weight, traits): (u32, u8)) -> Listed {
        let parameters = Parameters {
            weight,
            max_conns: u32::from(traits & 1 != 0),
            max_fails: 1,
            fail_timeout: 10,
            slow_start: 0,
            backup: traits & 2 != 0,
            down: traits & 4 != 0,
            drain: false,
        };
        let text: Arc<str> = "".into();
        let spec = PeerSpec {
            key: None,
            socket_address: text.as_bytes().into(),
            server: Arc::clone(&text),
            name: text,
            parameters,
            sticky: 0,
            route: None,
            labels: None,
            source: None,
            group: None,
            create_revision: 0,
            joined: 0,
        };
        Listed::new(spec.into(), Offset(entry), Offset(entry))
    }

    proptest! {
        /// After any edits a roster is what one would be that is made of its peers.
        #[test]
        fn edits_leave_what_a_new_roster_has(
            edits in prop::collection::vec(
                (0..3u8, any::<prop::sample::Index>(), 0..3u32, 0..8u8),
                0..40,
            ),
        ) {
            let mut roster = Roster::default();
            for (entry, (edit, at, weight, traits)) in (1..).zip(edits) {
                let peer = peer(entry, (weight, traits));
                match edit {
                    1 if !roster.is_empty() => drop(roster.remove(at.index(roster.len()))),
                    2 if !roster.is_empty() => drop(roster.replace(at.index(roster.len()), peer)),
                    _ => roster.insert(at.index(roster.len() + 1), peer),
                }
                let new = Roster::from(roster.to_vec());
                prop_assert_eq!(roster.tiers(), new.tiers());
                prop_assert_eq!(roster.entries(), new.entries());
                let weights: Vec<u32> = roster.iter().map(|peer| peer.weight).collect();
                if let [primaries, Tier { peers: 0, .. }] = roster.tiers() {
                    let is_even = weights.windows(2).all(|pair| pair[0] == pair[1]);
                    prop_assert_eq!(primaries.is_even(), is_even && !weights.is_empty());
                }
            }
        }
    }
}
