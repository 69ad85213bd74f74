//! The publisher's side: what etcd says becomes a table, and memory that nobody uses any more comes back.

mod blocks;
mod matching;
mod places;
mod reclaim;
mod takeover;

use core::sync::atomic::Ordering;
use std::sync::Arc;

use thiserror::Error;

pub use self::matching::Changes;
use self::{
    matching::{Match, match_peers, normalize},
    places::Places,
    reclaim::Outdated,
};
use crate::{
    allocator::Allocator,
    layout::{Entry, Parameters},
    memory::{Offset, UNIT},
    protocol::Publishing,
    zone::Zone,
};

/// A peer as it is wanted. Key and address together are what it is: where the address of a key changes, it is another peer.
///
/// Whoever publishes the same peers again does well to share these strings between the lists: then they need not be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The key below the prefix; `None` for a peer of an ordinary `server` line. At most 65 535 bytes.
    pub key: Option<Arc<str>>,
    /// A `sockaddr` of the operating system, as bytes.
    pub socket_address: Arc<[u8]>,
    /// The address as nginx writes it.
    pub name: Arc<str>,
    /// Its parameters.
    pub parameters: Parameters,
}

/// The peers do not fit into the zone.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{peers} peers do not fit into the zone of {size} bytes")]
pub struct Full {
    /// How many were wanted.
    pub peers: usize,
    /// The zone's size.
    pub size: usize,
}

/// A peer that the current table gives requests to.
#[derive(Debug)]
struct Listed {
    desired: Desired,
    place: Offset,
}

/// A peer that it does not, but lists for the connections that are still open.
#[derive(Debug)]
struct Removed {
    desired: Desired,
    place: Offset,
    /// The first publication that did not give it requests.
    since: u64,
}

/// The only writer of a zone. What it knows of the memory is private to it; see [`Publisher::take_over`].
#[derive(Debug)]
pub struct Publisher {
    zone: Zone,
    allocator: Allocator,
    listed: Vec<Listed>,
    removed: Vec<Removed>,
    /// Peers that are in no table but perhaps a pinned one, and the first publication without them.
    unlisted: Vec<(Offset, u64)>,
    tables: Vec<Outdated>,
    reports: Vec<Outdated>,
    /// Counts the tables that this publisher has published.
    publication: u64,
    generation: u64,
    /// Whether a worker may have died that shared the last column with others.
    is_shared_column_stale: bool,
}

impl Publisher {
    /// The zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The peers published last.
    pub fn listed(&self) -> impl ExactSizeIterator<Item = &Desired> {
        self.listed.iter().map(|peer| &peer.desired)
    }

    /// Counted up with every change of the peers.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Publishes these peers: those of `server` lines in the order given, then those with keys in the order of keys and addresses (of
    /// several with the same key and address the first). Those whose key and address the zone has already keep all that lives. Where nothing has changed nothing is published and the generation stays.
    ///
    /// # Errors
    ///
    /// Where they do not fit; then what was published before stays.
    pub fn publish(&mut self, mut desired: Vec<Desired>, _publishing: &Publishing) -> Result<Changes, Full> {
        normalize(&mut desired);
        let is_first = self.zone.header().table.current() == 0;
        if !is_first && self.listed().eq(&desired) {
            self.set_full(false);
            return Ok(Changes::default());
        }
        self.free_unread();
        let Match { places, changes } = match_peers(&self.listed, &self.removed, &desired);
        let full = Full { peers: desired.len(), size: self.zone.memory.units() as usize * UNIT };
        if !self.install(desired, &places) {
            self.set_full(true);
            return Err(full);
        }
        self.set_full(false);
        Ok(changes)
    }

    /// Of the peers published last, keeps those for which `keep` gives parameters, with these; adds none. For a zone that is
    /// full: what is gone must go even where what is new has no room.
    ///
    /// # Errors
    ///
    /// As for [`Publisher::publish`].
    pub fn retain(
        &mut self,
        keep: impl Fn(&Desired) -> Option<Parameters>,
        publishing: &Publishing,
    ) -> Result<Changes, Full> {
        let kept = self
            .listed()
            .filter_map(|peer| keep(peer).map(|parameters| Desired { parameters, ..peer.clone() }))
            .collect();
        let changes = self.publish(kept, publishing);
        self.set_full(true);
        changes
    }

    fn set_full(&self, is_full: bool) {
        self.zone.header().full.store(u32::from(is_full), Ordering::Relaxed);
    }

    /// Tells those that release a peer whether others wait for it. Set before the table is published and cleared after it: at any time in
    /// between it may say so without need, never the other way round.
    fn set_limited(&self, is_limited: bool) {
        self.zone.header().limited.store(u32::from(is_limited), Ordering::Relaxed);
    }

    /// Makes the peers that have no place yet, and the table of all, and publishes it. Says whether there was room.
    fn install(&mut self, desired: Vec<Desired>, places: &[Option<Offset>]) -> bool {
        let mut made = Vec::new();
        let listed: Option<Vec<Listed>> = desired
            .into_iter()
            .zip(places)
            .map(|(desired, &place)| {
                let place = match place {
                    Some(place) => place,
                    None => {
                        let place = self.make_peer(&desired)?;
                        made.push(place);
                        place
                    }
                };
                Some(Listed { desired, place })
            })
            .collect();
        let stays = Places::new(self.zone.memory.units(), places.iter().flatten().copied());
        let entries = listed.as_ref().map(|listed| {
            let removed =
                self.removed.iter().map(Removed::entry).chain(self.listed.iter().map(Listed::entry));
            let removed: Vec<Entry> = removed.filter(|entry| !stays.contains(entry.peer)).collect();
            (listed.iter().map(Listed::entry).collect::<Vec<_>>(), removed)
        });
        let table = entries.and_then(|(entries, removed)| {
            let table = self.make_table(&entries, &removed, self.generation + 1)?;
            if !made.is_empty()
                && !self.has_spare_table(entries.len() + removed.len(), self.current_table_units())
            {
                self.free_table(table);
                return None;
            }
            Some(table)
        });
        let (Some(listed), Some(table)) = (listed, table) else {
            for place in made {
                self.free_peer(place);
            }
            return false;
        };
        // From here on nothing fails. A publisher that dies before the table is published leaves peers that no table lists.
        for place in made {
            self.link(place);
        }
        let is_limited = listed.iter().any(|peer| peer.desired.parameters.max_conns != 0);
        if is_limited {
            self.set_limited(true);
        }
        self.publish_table(table);
        self.set_limited(is_limited);
        self.generation += 1;
        let since = self.publication;
        let before = std::mem::replace(&mut self.listed, listed);
        self.removed.retain(|peer| !stays.contains(peer.place));
        self.removed.extend(
            before
                .into_iter()
                .filter(|peer| !stays.contains(peer.place))
                .map(|Listed { desired, place }| Removed { desired, place, since }),
        );
        self.free_unread();
        true
    }
}

impl Listed {
    fn entry(&self) -> Entry {
        Entry { peer: self.place, parameters: self.desired.parameters }
    }
}

impl Removed {
    fn entry(&self) -> Entry {
        Entry { peer: self.place, parameters: self.desired.parameters }
    }
}
