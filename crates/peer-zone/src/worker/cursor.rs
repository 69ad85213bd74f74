//! Rows of tables, read in steps: between two of them nothing is pinned, and the next table may be
//! another one.

use core::ops::Range;

use super::table::Table;
use crate::{memory::Offset, zone::Zone};

/// The place of a reader between two rows. It pins nothing.
#[derive(Debug, Default)]
pub struct RowCursor {
    /// How many rows come before it in the table that it was made for.
    position: usize,
    /// The row before it.
    last: Option<LastRow>,
}

#[derive(Debug)]
struct LastRow {
    id: u64,
    /// Its part: peers without `backup`, with it, removed ones.
    part: usize,
    /// Its place in the part.
    in_part: usize,
    /// The key; `None` for a peer of a `server` line.
    key: Option<Box<[u8]>>,
    socket_address: Box<[u8]>,
}

/// By which peers with a key are in order.
type Identity<'a> = (&'a [u8], &'a [u8]);

impl Table<'_> {
    /// The places of the peers without `backup`, of those with it, and of removed ones.
    fn parts(&self) -> [Range<usize>; 3] {
        let primaries = self.header.primaries as usize;
        let listed = primaries + self.header.backups as usize;
        [0..primaries, primaries..listed, listed..self.places.len()]
    }

    /// Where removed peers begin, which are in no order.
    pub fn listed(&self) -> usize {
        self.parts()[2].start
    }

    /// The key of the peer at a position, if it has one, and its socket address.
    fn identity(&self, place: Offset) -> (bool, Identity<'_>) {
        let peer = self.entry(place).peer;
        // SAFETY: the table is pinned, and no peer that it lists is freed.
        let (words, [socket_address, _, key, _]) =
            unsafe { (self.zone().peer(peer), self.zone().peer_strings(peer)) };
        (words.has_key(), (key, socket_address))
    }

    fn id(&self, place: Offset) -> u64 {
        // SAFETY: as above.
        unsafe { self.zone().peer(self.entry(place).peer) }.id
    }

    /// The id of the peer at a position.
    pub fn id_at(&self, position: usize) -> Option<u64> {
        self.places.get(position).map(|&place| self.id(place))
    }

    /// The cursor before the row at `position`.
    pub fn cursor(&self, position: usize) -> RowCursor {
        let last = position.checked_sub(1).and_then(|before| {
            let place = *self.places.get(before)?;
            let part = self.parts().iter().position(|part| part.contains(&before))?;
            let (has_key, (key, socket_address)) = self.identity(place);
            Some(LastRow {
                id: self.id(place),
                part,
                in_part: before - self.parts()[part].start,
                key: has_key.then(|| key.into()),
                socket_address: socket_address.into(),
            })
        });
        RowCursor { position, last }
    }

    /// The position of the first row after a cursor, which may be of an earlier table. Rows that
    /// were before it in that table can come again if they are in another part now, or if their
    /// part is in no order.
    pub fn resume(&self, cursor: &RowCursor) -> usize {
        let Some(last) = &cursor.last else { return 0 };
        if self.id_at(cursor.position - 1) == Some(last.id) {
            return cursor.position;
        }
        let part = self.parts()[last.part].clone();
        let places = &self.places[part.clone()];
        let statics = places.partition_point(|&place| !self.identity(place).0);
        let after_id = |places: &[Offset]| {
            places.iter().position(|&place| self.id(place) == last.id).map(|at| at + 1)
        };
        let in_part = match &last.key {
            _ if last.part == 2 => after_id(places).unwrap_or(0),
            None => after_id(&places[..statics]).unwrap_or_else(|| (last.in_part + 1).min(statics)),
            Some(key) => {
                let before = (&**key, &*last.socket_address);
                let behind = |&place: &Offset| self.identity(place).1 <= before;
                statics + places[statics..].partition_point(behind)
            }
        };
        part.start + in_part
    }

    /// The positions of the peers with this key that have not been removed; with an empty key of
    /// those of `server` lines.
    pub fn with_key(&self, key: &[u8]) -> [Range<usize>; 2] {
        let [primaries, backups, _] = self.parts();
        [primaries, backups].map(|part| {
            let places = &self.places[part.clone()];
            let statics = places.partition_point(|&place| !self.identity(place).0);
            if key.is_empty() {
                return part.start..part.start + statics;
            }
            let keyed = &places[statics..];
            let from = keyed.partition_point(|&place| self.identity(place).1.0 < key);
            let to = keyed.partition_point(|&place| self.identity(place).1.0 <= key);
            part.start + statics + from..part.start + statics + to
        })
    }

    /// 1, and 1 more for each peer before the one at `position` that has the same key, or none as
    /// well, and the same address. Costs as much as there are peers without a key if it has none.
    pub fn number_of(&self, position: usize) -> u32 {
        let Some(&place) = self.places.get(position) else { return 1 };
        let (own, parts) = (self.identity(place), self.parts());
        let equal = if own.0 {
            self.equal_with_key(position, own)
        } else {
            let without_key = parts.iter().enumerate().flat_map(|(number, part)| {
                let places = self.places[part.start..part.end.min(position).max(part.start)].iter();
                let identities = places.map(|&place| self.identity(place));
                // Removed peers are in no order.
                identities.take_while(move |(has_key, _)| number == 2 || !has_key)
            });
            without_key.filter(|&other| other == own).count()
        };
        u32::try_from(equal).map_or(u32::MAX, |equal| equal.saturating_add(1))
    }

    /// How many peers before this one have the same key and address. Of removed ones there is none:
    /// a key and an address that come back are the same peer.
    fn equal_with_key(&self, position: usize, own: (bool, Identity<'_>)) -> usize {
        let [primaries, backups, _] = self.parts();
        let equal_before = |part: &Range<usize>| {
            let before = self.places[part.start..position].iter().rev();
            before.take_while(|&&place| self.identity(place) == own).count()
        };
        let in_primaries = || {
            let places = &self.places[primaries.clone()];
            let from = places.partition_point(|&place| self.identity(place) < own);
            places[from..].iter().take_while(|&&place| self.identity(place) == own).count()
        };
        if primaries.contains(&position) {
            equal_before(&primaries)
        } else if backups.contains(&position) {
            equal_before(&backups) + in_primaries()
        } else {
            0
        }
    }
}

impl Zone {
    /// The id of the peer that was made last.
    pub fn last_id(&self) -> u64 {
        self.header().last_id.load(core::sync::atomic::Ordering::Relaxed)
    }

    /// Whether a peer of this id was made after [`last_id`](Self::last_id) was `last`.
    pub fn is_made_after(&self, id: u64, last: u64) -> bool {
        self.number_of_id(id) > last
    }
}
