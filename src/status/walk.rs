//! The way through the peers of an upstream, in steps between which no table is pinned: a client
//! that reads slowly keeps no memory from the publisher.

use std::collections::HashSet;

use peer_zone::{PeerRow, RowCursor, Table, Zone};

/// Where a walk is.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// At the keys that were asked for, the first of which is this.
    Keys(usize),
    /// In the table.
    Rows,
    /// In the table once more, since it has changed meanwhile: a peer may have moved from where the
    /// walk had not been yet to where it had been.
    Again,
    /// At the end.
    Done,
}

/// Which part of a directory a walk is at.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// The group of this name or, if there is none, the first one behind it.
    Group(Box<[u8]>),
    /// The peers that are gone, of all groups.
    Removed,
}

/// A walk through the peers that there are when the document begins: those that come later are left
/// out, those that are removed before they are reached as well, and all others come once.
#[derive(Debug)]
pub(super) struct Walk {
    phase: Phase,
    /// Where peers are in groups.
    part: Part,
    cursor: RowCursor,
    /// The generation of the table in which it began.
    generation: Option<u64>,
    /// The number of peers that the zone had had when the document began.
    last_id: u64,
    /// A bit for each index of the zone: whether its peer has come.
    seen: Vec<u64>,
    /// The keys of the only peers that are wanted.
    keys: Vec<String>,
    /// The same, to look one up.
    wanted: HashSet<Vec<u8>>,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    On,
    /// The step has taken long enough, or the piece is full.
    Pause,
}

/// What a walk calls.
pub(super) trait Visitor {
    /// A peer, at this position of the table, and with this index in the zone.
    fn visit(&mut self, table: &Table<'_>, row: &PeerRow<'_>, position: usize, index: usize);

    /// Asked after each peer, and from time to time while none is wanted.
    fn go(&mut self) -> Go;
}

/// So many peers are passed over before the visitor is asked again.
const UNASKED: usize = 64;

impl Walk {
    /// Through all peers, or those with one of these keys; an empty key stands for those without.
    /// `last_id` is the zone's when the document began.
    pub(super) fn new(zone: &Zone, keys: &[String], last_id: u64) -> Self {
        let mut wanted = HashSet::new();
        let is_first = |key: &&String| wanted.insert(key.as_bytes().to_vec());
        let keys: Vec<String> = keys.iter().filter(is_first).cloned().collect();
        Self {
            phase: if keys.is_empty() { Phase::Rows } else { Phase::Keys(0) },
            part: Part::Group(Box::default()),
            cursor: RowCursor::default(),
            generation: None,
            last_id,
            seen: vec![0; zone.index_limit().div_ceil(64)],
            keys,
            wanted,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Goes on in the table that is published, until it has no more peers, or the visitor says to
    /// pause: then it returns that. Of a directory, it goes on in one group.
    pub(super) fn go_on(
        &mut self,
        table: Table<'_>,
        zone: &Zone,
        visitor: &mut impl Visitor,
    ) -> Go {
        let published = table.generation();
        let is_changed = published != *self.generation.get_or_insert(published);
        if !table.is_directory() {
            let went = self.go_on_with_keys(&table, zone, visitor);
            if went == Go::On {
                self.end(is_changed);
            }
            return went;
        }
        if let Phase::Keys(_) = self.phase {
            // A key says nothing of its group: all are looked at.
            self.phase = Phase::Rows;
        }
        let number = match &self.part {
            Part::Group(name) => match table.number_of_group(name) {
                Ok(number) => Some(number),
                Err(number) => {
                    self.cursor = RowCursor::default();
                    Some(number)
                }
            },
            Part::Removed => None,
        };
        let number = number.filter(|&number| number < table.groups());
        let Some(number) = number else {
            if self.part != Part::Removed {
                (self.part, self.cursor) = (Part::Removed, RowCursor::default());
            }
            let went = self.go_on_with_rows(&table, zone, visitor);
            if went == Go::On {
                self.part = Part::Group(Box::default());
                self.end(is_changed);
            }
            return went;
        };
        let name = |number| table.group_name_at(number).map(Box::from);
        let (own, next) = (name(number), name(number + 1));
        self.part = own.map_or(Part::Removed, Part::Group);
        let Some(group) = table.into_group_at(number) else { return Go::On };
        let went = self.go_on_with_rows(&group, zone, visitor);
        if went == Go::On {
            (self.part, self.cursor) =
                (next.map_or(Part::Removed, Part::Group), RowCursor::default());
        }
        went
    }

    /// All peers have been looked at.
    fn end(&mut self, is_changed: bool) {
        self.phase = match self.phase {
            Phase::Rows if is_changed && self.keys.is_empty() => Phase::Again,
            _ => Phase::Done,
        };
        self.cursor = RowCursor::default();
    }

    fn go_on_with_keys(
        &mut self,
        table: &Table<'_>,
        zone: &Zone,
        visitor: &mut impl Visitor,
    ) -> Go {
        while let Phase::Keys(at) = self.phase {
            let Some(key) = self.keys.get(at) else {
                // Removed peers are in no order.
                self.phase = Phase::Rows;
                self.cursor = table.cursor(table.listed());
                break;
            };
            self.phase = Phase::Keys(at + 1);
            for position in table.with_key(key.as_bytes()).into_iter().flatten() {
                self.look_at(table, zone, position, visitor);
            }
            if visitor.go() == Go::Pause {
                return Go::Pause;
            }
        }
        self.go_on_with_rows(table, zone, visitor)
    }

    fn go_on_with_rows(
        &mut self,
        table: &Table<'_>,
        zone: &Zone,
        visitor: &mut impl Visitor,
    ) -> Go {
        let mut unasked = 0;
        let mut position = table.resume(&self.cursor);
        while table.id_at(position).is_some() {
            let is_visited = self.look_at(table, zone, position, visitor);
            position += 1;
            unasked += 1;
            if is_visited || unasked == UNASKED {
                unasked = 0;
                if visitor.go() == Go::Pause {
                    self.cursor = table.cursor(position);
                    return Go::Pause;
                }
            }
        }
        Go::On
    }

    /// Whether the peer at this position is one for the visitor.
    fn look_at(
        &mut self,
        table: &Table<'_>,
        zone: &Zone,
        position: usize,
        visitor: &mut impl Visitor,
    ) -> bool {
        let Some(id) = table.id_at(position) else { return false };
        let index = zone.index_of(id);
        let (word, bit) = (index / 64, 1_u64 << (index % 64));
        let is_seen = self.seen.get(word).is_none_or(|word| word & bit != 0);
        if is_seen || zone.is_made_after(id, self.last_id) {
            return false;
        }
        let Some(row) = table.row(position) else { return false };
        let is_wanted =
            self.keys.is_empty() || self.wanted.contains(row.peer.key.unwrap_or_default());
        if !is_wanted || row.is_removed && row.connections.all() == 0 {
            return false;
        }
        self.seen[word] |= bit;
        visitor.visit(table, &row, position, index);
        true
    }
}
