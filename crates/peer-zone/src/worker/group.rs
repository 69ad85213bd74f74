//! The group that a request chooses among, where peers are in groups.

use core::{array, sync::atomic::Ordering};

use super::{
    Worker,
    among::{Among, GroupStatus, PickedGroup},
    claim::PickRequest,
    keyed::KeyProgress,
    pick::PickContext,
    picked_peer::PickedPeer,
    table::Table,
    weighted_draw::below,
};
use crate::{
    group_name::GroupName,
    layout::{DIRECTORY, Positions, TableHeader},
    memory::Offset,
};

/// Groups that are drawn for a request until one of them serves, before all are walked: with half
/// of them unable to, all of so many are once in 65 536 requests.
const DRAWS: usize = 16;

/// Up to so many groups, the peer that a cookie names is looked for in each.
const FEW: usize = 256;

/// The number of the next draw, the first of which is the request's own: splitmix64 (G. Steele,
/// D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014).
fn next_number(number: u64, draw: u64) -> u64 {
    if draw == 0 {
        return number;
    }
    let mut next = number.wrapping_add(draw.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    next = (next ^ next >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    next = (next ^ next >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    next ^ next >> 31
}

/// A pinned directory.
#[derive(Clone, Copy)]
struct Directory<'w> {
    place: Offset,
    header: &'w TableHeader,
}

impl<'w> Table<'w> {
    /// Goes on to a table that this one, which stays pinned for it, names.
    #[inline(always)]
    fn enter(&mut self, table: Offset) {
        let zone = self.zone;
        let header: &'w TableHeader = zone.group_header(table);
        // SAFETY: the pinned directory names the table, and the places of the entries follow its
        // header.
        let places = unsafe {
            zone.memory.slice(table.bytes() + size_of::<TableHeader>(), header.entries as usize)
        };
        (self.place, self.header, self.places) = (table, header, places);
    }

    fn directory(&self) -> Directory<'w> {
        Directory { place: self.place, header: self.header }
    }

    /// The group of this name, of a directory; `None` if there is none.
    #[inline(always)]
    pub(super) fn into_group(mut self, name: GroupName<'_>) -> Option<Self> {
        let table = self.zone.find_group(self.place, self.header, name)?;
        self.enter(table);
        Some(self)
    }

    /// Whether this is the directory of the groups, whose rows are the peers that are gone.
    pub fn is_directory(&self) -> bool {
        self.header.traits & DIRECTORY != 0
    }

    /// How many groups a directory has; 0 where peers are in no groups.
    pub fn groups(&self) -> usize {
        self.header.groups.length as usize
    }

    /// The name of the group with this number, in the order of names, of a directory; that of those
    /// that are in none is empty, and so the first.
    pub fn group_name_at(&self, number: usize) -> Option<&[u8]> {
        let tables = self.zone.group_tables(self.place, self.header);
        tables.get(number).map(|&table| self.zone.group_name(table))
    }

    /// The table of the group with this number, in the order of names, of a directory.
    pub fn into_group_at(mut self, number: usize) -> Option<Self> {
        let &table = self.zone.group_tables(self.place, self.header).get(number)?;
        self.enter(table);
        Some(self)
    }

    /// The number of the group of this name in a directory.
    ///
    /// # Errors
    ///
    /// The number of the first one behind it, if there is none.
    pub fn number_of_group(&self, name: &[u8]) -> Result<usize, usize> {
        let tables = self.zone.group_tables(self.place, self.header);
        tables.binary_search_by(|&table| self.zone.group_name(table).cmp(name))
    }

    /// The name of the group that the table is of; empty for those that are in none.
    pub fn group_name(&self) -> &[u8] {
        if self.header.name.offset == 0 { &[] } else { self.zone.group_name(self.place) }
    }

    /// The peers in service.
    pub(super) fn in_service(&self) -> u32 {
        self.header.primary.in_service + self.header.backup.in_service
    }

    /// As [`GroupStatus`] says.
    fn status(&self) -> GroupStatus {
        if self.in_service() > 0 { GroupStatus::Ok } else { GroupStatus::Empty }
    }

    /// A request chooses among the peers of this table, which is that of a group.
    #[inline(always)]
    pub(super) fn note_group(&self) {
        self.worker.last_group.set(self.picked_group());
        self.worker.last_tries.set(self.in_service());
    }

    #[inline]
    fn picked_group(&self) -> PickedGroup {
        PickedGroup { hash: self.header.name_hash, positions: self.header.positions }
    }

    /// The place among the groups of a directory of the one that a number draws.
    fn drawn_group(&self, number: u64) -> usize {
        // SAFETY: the section's items are cumulative shares.
        let shares: &[u64] = unsafe { self.section(self.header.ranges) };
        let total = shares.last().copied().unwrap_or_default();
        if total == 0 {
            // None has a peer in service but those with `backup`.
            return below(number, shares.len() as u64) as usize;
        }
        peer_balance::in_range(shares, below(number, total))
    }

    /// Whether the peer that a cookie names is looked for in each group of a directory.
    pub(super) fn looks_for_session(&self, context: &PickContext<'_>) -> bool {
        context.sticky.is_some() && self.groups() <= FEW
    }

    /// A peer of any group of a directory, from the drawn one on; and of which group it is.
    pub(super) fn pick_any<F: Fn(u64) -> bool>(
        &mut self,
        context: &PickContext<'_>,
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
        number: u64,
    ) -> Option<(PickedPeer, PickedGroup)> {
        let Directory { place, header } = self.directory();
        let tables = self.zone.group_tables(place, header);
        let drawn: [usize; DRAWS] =
            array::from_fn(|draw| self.drawn_group(next_number(number, draw as u64)));
        let sessions = if self.looks_for_session(context) { tables } else { &[] };
        for &table in sessions {
            self.enter(table);
            let (context, request) = &self.context_of_any(context, request);
            let named = context.sticky.and_then(|id| self.sticky_place(id));
            let named = named.map(|place| self.entry(place));
            if let Some(held) = named.and_then(|it| self.pick_named(it, context.grace, request)) {
                return Some((held, self.picked_group()));
            }
        }
        // Other draws come before the neighbors of the first one, so that the load of groups that
        // cannot serve goes to all others.
        for &table in drawn.iter().filter_map(|&at| tables.get(at)) {
            self.enter(table);
            let (context, request) = &self.context_of_any(context, request);
            if let Some(held) = self.pick_named_or_primary(context, progress, request) {
                return Some((held, self.picked_group()));
            }
        }
        let (before, from) = tables.split_at(drawn[0].min(tables.len()));
        for is_backup in [false, true] {
            for &table in from.iter().chain(before) {
                self.enter(table);
                let (context, request) = &self.context_of_any(context, request);
                let held = if is_backup {
                    self.pick_backup(context, request)
                } else {
                    self.pick_named_or_primary(context, progress, request)
                };
                if let Some(held) = held {
                    return Some((held, self.picked_group()));
                }
            }
        }
        None
    }
}

impl Worker {
    /// Pins the table of those among which a request chooses: of a directory for [`Among::Any`].
    #[inline]
    pub(super) fn table_among(&mut self, among: Among<'_>) -> Option<Table<'_>> {
        let table = self.table()?;
        match among {
            Among::Everyone | Among::Any(_) => Some(table),
            Among::Group(name) => {
                let table = table.into_group(name)?;
                table.note_group();
                Some(table)
            }
        }
    }

    /// The group of the last pick that was not among everyone.
    pub fn last_group(&self) -> PickedGroup {
        self.last_group.get()
    }

    /// How many peers that group has in service, if the pick was among those of one group.
    #[inline]
    pub fn last_tries(&self) -> u32 {
        self.last_tries.get()
    }

    /// Whether the group of this name can serve, and how many peers it has in service.
    #[inline]
    pub fn group_status(&mut self, name: GroupName<'_>) -> (GroupStatus, u32) {
        match self.table().and_then(|table| table.into_group(name)) {
            Some(table) => (table.status(), table.in_service()),
            None => (GroupStatus::Unknown, 0),
        }
    }

    /// Whether the peer of this sticky id, which is in the group of this name, can serve those
    /// whose session names it: though it says `drain`.
    pub fn serves_session(&mut self, name: GroupName<'_>, id: u64) -> bool {
        let Some(table) = self.table().and_then(|table| table.into_group(name)) else {
            return false;
        };
        table.sticky_place(id).is_some_and(|place| !table.entry(place).parameters().down)
    }

    /// How often a request may be tried among these: once for each peer in service, as nginx's
    /// `tries`.
    pub fn tries_among(&mut self, among: Among<'_>) -> u32 {
        self.table_among(among).map_or(0, |table| table.in_service())
    }

    /// Pins the table of a group from which a request has got a peer; of all peers where they are
    /// in no groups, or if the group is not there any more.
    pub(super) fn table_of(&mut self, group: PickedGroup) -> Option<Table<'_>> {
        let mut table = self.table()?;
        let PickedGroup { hash, positions } = group;
        if let Some(place) = (positions.0 != 0)
            .then(|| table.zone.find_positions(table.place, table.header, hash, positions))
            .flatten()
        {
            table.enter(place);
        }
        Some(table)
    }

    /// How far round robin has come in a group, among the peers with `backup` or those without.
    pub(super) fn position_in(&mut self, group: PickedGroup, is_backup: bool) -> u64 {
        let position = |positions: &Positions| {
            let position = if is_backup { &positions.backup } else { &positions.primary };
            position.load(Ordering::Relaxed)
        };
        if group == PickedGroup::default() {
            return position(self.zone.positions());
        }
        self.table_of(group).map_or(0, |table| position(table.positions()))
    }
}
