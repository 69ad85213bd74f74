//! Orders by age: doubly linked lists over the places of an array, each of which is in several
//! orders at once.

/// Stands for no place. No array is so long: `get` finds nothing there, which spares a look of its
/// own.
pub(crate) const NONE: u32 = u32::MAX;

/// Orders that a place is in: of all items, of its peer's, and of its kind's.
pub(crate) const ORDERS: usize = 3;
pub(crate) const OF_ALL: usize = 0;
pub(crate) const OF_PEER: usize = 1;
pub(crate) const OF_KIND: usize = 2;

/// The neighbours of a place in an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    newer: u32,
    older: u32,
}

/// The neighbours of a place in all its orders, side by side: who changes one changes the others
/// too.
pub(crate) type Links = [Link; ORDERS];

/// Of a place that is in no order, or alone in each.
pub(crate) const LOOSE: Links = [Link::LOOSE; ORDERS];

impl Link {
    const LOOSE: Self = Self { newer: NONE, older: NONE };
}

/// Both ends of an order, `WHICH` of those that a place is in; its links are in an array that is
/// passed to each call, always the same one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<const WHICH: usize> {
    newest: u32,
    oldest: u32,
}

impl<const WHICH: usize> Order<WHICH> {
    /// Without a place.
    pub(crate) const EMPTY: Self = Self { newest: NONE, oldest: NONE };

    /// With one place, whose link is loose.
    pub(crate) fn of_one(place: u32) -> Self {
        Self { newest: place, oldest: place }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.newest == NONE
    }

    /// The place that came last.
    pub(crate) fn newest(&self) -> Option<u32> {
        (self.newest != NONE).then_some(self.newest)
    }

    /// The place that came first.
    pub(crate) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// Puts in a place that is in no order of this kind.
    pub(crate) fn push(&mut self, links: &mut [Links], place: u32) {
        links[place as usize][WHICH] = Link { newer: NONE, older: self.newest };
        match links.get_mut(self.newest as usize) {
            Some(second) => second[WHICH].newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    /// Takes out a place that is in this order, and leaves its link loose.
    pub(crate) fn remove(&mut self, links: &mut [Links], place: u32) {
        let Link { newer, older } =
            core::mem::replace(&mut links[place as usize][WHICH], Link::LOOSE);
        // Where there is no neighbour the place is at that end.
        match links.get_mut(newer as usize) {
            Some(newer) => newer[WHICH].older = older,
            None => self.newest = older,
        }
        match links.get_mut(older as usize) {
            Some(older) => older[WHICH].newer = newer,
            None => self.oldest = newer,
        }
    }
}
