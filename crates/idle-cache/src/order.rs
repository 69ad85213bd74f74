//! Orders by age: doubly linked lists over the places of an array, so that a place is in as many orders as there are arrays.

/// Stands for no place.
pub(crate) const NONE: u32 = u32::MAX;

/// The neighbours of a place in an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    newer: u32,
    older: u32,
}

impl Link {
    /// Of a place that is in no order.
    pub(crate) const LOOSE: Self = Self { newer: NONE, older: NONE };
}

/// Both ends of an order; its links are in an array that is passed to each call, always the same one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    newest: u32,
    oldest: u32,
}

impl Order {
    /// Without a place.
    pub(crate) const EMPTY: Self = Self { newest: NONE, oldest: NONE };

    /// The place that came last.
    pub(crate) fn newest(&self) -> Option<u32> {
        (self.newest != NONE).then_some(self.newest)
    }

    /// The place that came first.
    pub(crate) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// Puts in a place that is in no order of this array.
    pub(crate) fn push(&mut self, links: &mut [Link], place: u32) {
        links[place as usize] = Link { newer: NONE, older: self.newest };
        match self.newest() {
            Some(second) => links[second as usize].newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    /// Takes out a place that is in this order.
    pub(crate) fn remove(&mut self, links: &mut [Link], place: u32) {
        let Link { newer, older } = core::mem::replace(&mut links[place as usize], Link::LOOSE);
        match newer {
            NONE => self.newest = older,
            newer => links[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => links[older as usize].newer = newer,
        }
    }
}
