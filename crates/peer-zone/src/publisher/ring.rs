//! The ring of consistent hashing: made once, then carried from table to table.
//!
//! With 160 points for each unit of weight it is by far the largest part of a table: 1.6 million
//! points for 10 000 peers. To make them all and sort them takes some hundred times as long as to
//! copy those of the peers that stay, and to merge in those of the peers that come.

use std::collections::HashMap;

use peer_balance::POINTS_PER_WEIGHT;

use crate::layout::SHARED;

/// A peer of the group, as the ring sees it: its server text and its weight.
pub(super) type Server<'a> = (&'a str, u32);

/// How many points these servers have.
pub(super) fn length<'a>(servers: impl Iterator<Item = Server<'a>>) -> usize {
    servers.map(|(_, weight)| points(weight)).sum()
}

/// How many points a server of this weight has.
pub(super) fn points(weight: u32) -> usize {
    weight as usize * POINTS_PER_WEIGHT as usize
}

/// The servers that several peers are of, as
/// [`TableHeader::shared`](crate::layout::TableHeader::shared) has them, and for each peer what its
/// points say: its own index or, for each of those that share a server, where that one is.
pub(super) struct SharedServers {
    pub(super) words: Vec<u32>,
    targets: Vec<u32>,
}

impl SharedServers {
    /// Finds them.
    pub(super) fn of(servers: &[Server<'_>]) -> Self {
        let mut first: HashMap<&str, u32> = HashMap::with_capacity(servers.len());
        let mut groups: HashMap<u32, Vec<u32>> = HashMap::new();
        for (index, &(server, _)) in (0..).zip(servers) {
            let leader = *first.entry(server).or_insert(index);
            if leader != index {
                groups.entry(leader).or_insert_with(|| vec![leader]).push(index);
            }
        }
        let mut targets: Vec<u32> = (0..).take(servers.len()).collect();
        let mut words = Vec::new();
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_unstable();
        for members in groups {
            // Bounded by the number of peers, which a zone's size bounds.
            let place = words.len() as u32 | SHARED;
            for &member in &members {
                targets[member as usize] = place;
            }
            words.push(members.len() as u32);
            words.extend(members);
        }
        Self { words, targets }
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

/// The ring of the table before, and where the peers of its group are in the new one.
pub(super) struct Before<'a> {
    pub(super) points: &'a [u64],
    pub(super) has_shared: bool,
    /// For each peer of the old group its index in the new one, if it is there with the same server
    /// text and weight.
    pub(super) stays: Vec<Option<u32>>,
}

/// Fills `points`, which has room for [`length`] points of these servers.
pub(super) fn fill(
    points: &mut [u64],
    servers: &[Server<'_>],
    shared: &SharedServers,
    before: Option<&Before<'_>>,
) {
    let carried = before.filter(|before| {
        // Points of peers that share a server do not say whose they are; and points with the same
        // hash are in the order of the peers, which must be the same in both.
        shared.is_empty() && !before.has_shared && before.stays.iter().flatten().is_sorted()
    });
    match carried {
        Some(before) => carry(points, servers, before),
        None => make(points, servers, shared),
    }
}

fn make(points: &mut [u64], servers: &[Server<'_>], shared: &SharedServers) {
    let all = servers
        .iter()
        .zip(&shared.targets)
        .flat_map(|(&server, &target)| points_of(server, target));
    for (point, made) in points.iter_mut().zip(all) {
        *point = made;
    }
    points.sort_unstable();
}

fn carry(points: &mut [u64], servers: &[Server<'_>], before: &Before<'_>) {
    let mut is_old = vec![false; servers.len()];
    for &index in before.stays.iter().flatten() {
        is_old[index as usize] = true;
    }
    let new = (0..).zip(servers).zip(&is_old).filter(|&(_, &is_old)| !is_old);
    let mut added: Vec<u64> =
        new.flat_map(|((index, &server), _)| points_of(server, index)).collect();
    added.sort_unstable();
    let mut added = added.into_iter().peekable();
    let kept = before.points.iter().filter_map(|&point| {
        let index = before.stays.get(point as u32 as usize).copied().flatten()?;
        Some(point & !u64::from(u32::MAX) | u64::from(index))
    });
    let mut room = points.iter_mut();
    for point in kept {
        while let Some(added) = added.next_if(|&added| added < point) {
            if let Some(room) = room.next() {
                *room = added;
            }
        }
        if let Some(room) = room.next() {
            *room = point;
        }
    }
    for (room, point) in room.zip(added) {
        *room = point;
    }
}

fn points_of((server, weight): Server<'_>, target: u32) -> impl Iterator<Item = u64> {
    peer_balance::points(server, weight).map(move |hash| u64::from(hash) << 32 | u64::from(target))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(servers: &[Server<'_>], before: Option<&Before<'_>>) -> Vec<u64> {
        let mut points = vec![0; length(servers.iter().copied())];
        fill(&mut points, servers, &SharedServers::of(servers), before);
        points
    }

    proptest! {
        #[test]
        fn what_is_carried_is_what_would_be_made(
            old in prop::collection::btree_map(0_u8..30, 1_u32..4, 0..12),
            new in prop::collection::btree_map(0_u8..30, 1_u32..4, 0..12),
        ) {
            let names: Vec<String> = (0..30).map(|number| format!("10.0.0.{number}:80")).collect();
            fn servers<'a>(
                names: &'a [String],
                peers: &std::collections::BTreeMap<u8, u32>,
            ) -> Vec<Server<'a>> {
                peers
                    .iter()
                    .map(|(&name, &weight)| (names[usize::from(name)].as_str(), weight))
                    .collect()
            }
            let (old, new) = (servers(&names, &old), servers(&names, &new));
            let points = filled(&old, None);
            let stays = old
                .iter()
                .map(|server| {
                    new.iter().position(|other| other == server).map(|index| index as u32)
                })
                .collect();
            let before = Before { points: &points, has_shared: false, stays };
            prop_assert_eq!(filled(&new, Some(&before)), filled(&new, None));
        }
    }

    #[test]
    fn peers_of_one_server_share_its_points() {
        let servers = [("a", 1), ("b", 1), ("a", 1), ("c", 1), ("b", 2)];
        let shared = SharedServers::of(&servers);
        assert_eq!(shared.words, [2, 0, 2, 2, 1, 4]);
        assert_eq!(shared.targets, [SHARED, SHARED | 3, SHARED, 3, SHARED | 3]);
        let mut points = filled(&servers, None);
        assert_eq!(points.len(), 6 * 160);
        points.dedup_by_key(|point| *point >> 32);
        assert!(points.len() <= 4 * 160);
    }
}
