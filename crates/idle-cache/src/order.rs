//! Orders by age: doubly linked lists over the places of an array, each of which is in several
//! orders at once. Places are numbered from 1; 0 stands for no place.

/// Orders that a place is in: of all items, and of its peer's.
pub(crate) const ORDERS: usize = 2;
pub(crate) const OF_ALL: usize = 0;
pub(crate) const OF_PEER: usize = 1;

/// The neighbours of a place in an order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) newer: u32,
    pub(crate) older: u32,
}

/// Both ends of an order, `WHICH` of those that a place is in; 0 and 0 where it is empty.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends<const WHICH: usize> {
    newest: u32,
    oldest: u32,
}

impl<const WHICH: usize> Ends<WHICH> {
    #[inline]
    pub(crate) fn new(newest: u32, oldest: u32) -> Self {
        Self { newest, oldest }
    }

    /// The place that came last.
    #[inline]
    pub(crate) fn newest(&self) -> u32 {
        self.newest
    }

    /// The place that came first.
    #[inline]
    pub(crate) fn oldest(&self) -> u32 {
        self.oldest
    }
}

/// Puts a place, which is in no order of this kind, at the newer end of one.
#[inline]
pub(crate) fn push<const WHICH: usize>(
    links: &mut [[Link; ORDERS]],
    place: u32,
    ends: &mut Ends<WHICH>,
) {
    let second = ends.newest;
    links[place as usize - 1][WHICH] = Link { newer: 0, older: second };
    // Of no place there is no link.
    match links.get_mut((second as usize).wrapping_sub(1)) {
        Some(second) => second[WHICH].newer = place,
        None => ends.oldest = place,
    }
    ends.newest = place;
}

/// Takes a place out of the order that it is in.
#[inline]
pub(crate) fn remove<const WHICH: usize>(
    links: &mut [[Link; ORDERS]],
    place: u32,
    ends: &mut Ends<WHICH>,
) {
    let Link { newer, older } = links[place as usize - 1][WHICH];
    // Where there is no neighbour the place is at that end.
    match links.get_mut((newer as usize).wrapping_sub(1)) {
        Some(newer) => newer[WHICH].older = older,
        None => ends.newest = older,
    }
    match links.get_mut((older as usize).wrapping_sub(1)) {
        Some(older) => older[WHICH].newer = newer,
        None => ends.oldest = newer,
    }
}
