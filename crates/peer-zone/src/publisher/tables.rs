//! Writing tables.

use std::sync::Arc;

use super::{
    Publisher,
    blocks::{Replaced, Spare, above, changing},
    options::TableOptions,
    roster::Roster,
    sections::Contents,
};
use crate::{
    group_name::GroupName,
    layout::{Section, TABLE_MAGIC, TableHeader},
    memory::Offset,
};

impl Publisher {
    /// Writes a table of the peers `listed`, for these options; `None` where there is no room.
    /// `removed` are the places of the entries of those that are, and `sticky` those of the peers
    /// with a sticky id in its order.
    ///
    /// The ring, if the options need one, is that of the publisher, which is of the same peers.
    pub(super) fn make_table(
        &mut self,
        listed: &Roster,
        parts: (&[Offset], &[Offset]),
        generation: u64,
        options: &TableOptions,
        spare: Spare,
    ) -> Option<Offset> {
        if !self.make_positions() {
            return None;
        }
        let needs_ring = options.method.needs_ring();
        if needs_ring && self.group.ring.is_empty() {
            self.drop_ring(self.published_base());
        }
        let has_delta = needs_ring && self.group.ring.has_delta();
        if !has_delta {
            return self.write_table(listed, parts, generation, options, (false, spare));
        }
        // With a delta a table takes more than the next one may: only if there is room for that,
        // or if there is none for another base.
        let (delta, base) = ((false, Spare::Needed), (true, spare));
        let forms = if self.group.ring.must_merge() { [base, delta] } else { [delta, base] };
        for form in forms.into_iter().chain([(false, spare)]) {
            if form.0 {
                self.cancel_merge();
            }
            let table = self.write_table(listed, parts, generation, options, form);
            if table.is_some() {
                return table;
            }
        }
        None
    }

    /// As [`make_table`](Self::make_table); if `is_merged`, with another base of the ring, which
    /// has all points.
    fn write_table(
        &mut self,
        listed: &Roster,
        (removed, sticky): (&[Offset], &[Offset]),
        generation: u64,
        options: &TableOptions,
        (is_merged, spare): (bool, Spare),
    ) -> Option<Offset> {
        let ring = options.method.needs_ring().then(|| self.group.ring.sizes(is_merged));
        let own = &self.group.own;
        let (name, key) = (Arc::clone(&self.group.name), own.key_for(options).cloned());
        // What takes room is not there in a plain table, which says of its own what is wanted.
        let lacks_key = key.is_none() && own.key_for(&self.options()).is_some();
        let traits_of_own = own.traits().with_lack_of_key(lacks_key);
        let texts = (&*name, key.as_deref().unwrap_or_default());
        let contents = Contents::new(listed, removed, sticky, options, ring, texts);
        let (compact_units, needed) = (contents.compact_units(), contents.needed_units());
        let needs_spare = match spare {
            Spare::Needed => true,
            Spare::NeededIfLarger => {
                self.current_table().is_none_or(|table| needed > table.compact_units)
            }
            Spare::NotNeeded => false,
        };
        let (merge, base_units) = match is_merged.then(|| self.group.ring.begin_merge()) {
            Some(begun) => begun.map(|(merge, units)| (Some(merge), units))?,
            None => (None, 0),
        };
        let published = self.published_base();
        let base = ring.and(self.group.ring.base()).map(|base| base.place);
        let replaces_base = is_merged || published.map(|base| base.place) != base;
        let replaced = if replaces_base { Replaced::TABLE_AND_BASE } else { Replaced::TABLE };
        let freed = published.filter(|_| replaces_base).map_or(0, |base| base.units());
        let freed = freed + self.current_table().map_or(0, |table| table.units);
        let found = [false, true].into_iter().find_map(|is_compact| {
            let places = contents.places(is_compact);
            let units = places.units().max(compact_units);
            // The base is before the table, so that both come back as one extent.
            let all = units.saturating_add(base_units);
            if self.groups.is_some() {
                let adds = spare == Spare::Needed;
                let place = self.place_group_table((all, needed), listed.len(), adds)?;
                return Some((places, units, place));
            }
            let place = self.allocator.allocate_for_table(all, above(all, listed.len()))?;
            let grows = all.saturating_sub(freed) as usize;
            let is_spared = || {
                self.has_spare(&self.allocator, needed, replaced)
                    && self.allocator.available() as usize >= grows + changing(listed.len())
            };
            if needs_spare && !is_spared() {
                self.allocator.release(place, all);
                return None;
            }
            Some((places, units, place))
        });
        let Some((places, units, first)) = found else {
            merge.into_iter().for_each(|_| self.group.ring.forget_merge());
            return None;
        };
        let place = Offset(first.0 + base_units);
        if let Some(merge) = merge {
            // SAFETY: the allocator gave these units out, before those of the table.
            if !unsafe { self.merge_at_once(merge, first) } {
                self.cancel_merge();
                self.allocator.release(place, units);
                return None;
            }
        }
        // Counts are bounded by the zone's size in units, which is a `u32`.
        let [primaries, backups, removed] = contents.counts().map(|count| count as u32);
        let [primary, backup] = contents.plan_headers(&places);
        let base = ring.and(self.group.ring.base());
        let header = TableHeader {
            magic: TABLE_MAGIC,
            units,
            entries: primaries + backups + removed,
            primaries,
            backups,
            compact_units: needed,
            traits: contents.traits(),
            weight: contents.even_weight(),
            own: traits_of_own,
            generation,
            primary,
            backup,
            ranges: places.parts.ranges,
            delta: places.parts.delta,
            slots: places.parts.slots,
            shared: places.parts.shared,
            sticky: places.parts.sticky,
            groups: Section::default(),
            index: Section::default(),
            name: places.parts.name,
            name_hash: GroupName::new(name.as_bytes()).hash(),
            positions: self.group.positions,
            share: contents.share(),
            hash_key: places.parts.hash_key,
            base: base.map_or(Offset(0), |base| base.place),
            // Bounded by the zone's size in units, as above.
            base_words: base.map_or(0, |base| (base.bytes() / size_of::<u32>()) as u32),
        };
        let memory = self.zone.memory;
        // SAFETY: the allocator gave these units out, so nobody reads them; they are as many as the
        // table takes.
        unsafe {
            memory.write(place.bytes(), header);
            contents.write(&memory, place, &places);
            if ring.is_some() {
                self.group.ring.write(&memory, place, &places.parts);
            }
        }
        self.store_used();
        Some(place)
    }
}
