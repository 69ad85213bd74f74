//! What lies where in the memory.

use crate::{block::Block, counter::Carries, head::Head, slot::Slot};

/// The number of this layout. It is counted up with every change of a structure in the memory.
pub const LAYOUT: u32 = 1;

/// What lies where in the memory: offsets and the size, in bytes. All is aligned to a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The number of [`Block`]s.
    pub blocks: usize,
    /// The number of [`Slot`]s, and of [`Carries`].
    pub slots: usize,
    /// Where the blocks begin, behind the [`Head`].
    pub blocks_at: usize,
    /// Where the slots begin.
    pub slots_at: usize,
    /// Where the carries begin.
    pub carries_at: usize,
    /// The size of all.
    pub size: usize,
}

impl Layout {
    /// The layout for so many processes and indexes of peers.
    #[must_use]
    pub const fn new(processes: usize, indexes: usize) -> Self {
        let blocks_at = size_of::<Head>();
        let slots_at = blocks_at + processes * size_of::<Block>();
        let carries_at = slots_at + indexes * size_of::<Slot>();
        let size = carries_at + indexes * size_of::<Carries>();
        Self { blocks: processes, slots: indexes, blocks_at, slots_at, carries_at, size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes of another build of the same layout read these, so that none may change without
    /// [`LAYOUT`].
    #[test]
    fn structures_have_the_sizes_of_this_layout() {
        let sizes =
            [size_of::<Head>(), size_of::<Block>(), size_of::<Slot>(), size_of::<Carries>()];
        assert_eq!((LAYOUT, sizes), (1, [32_960, 320, 192, 64]));
    }

    #[test]
    fn all_parts_begin_on_a_cache_line() {
        let layout = Layout::new(3, 5);
        for at in [layout.blocks_at, layout.slots_at, layout.carries_at, layout.size] {
            assert_eq!(at % 64, 0);
        }
        assert_eq!(layout.size - layout.carries_at, 5 * size_of::<Carries>());
    }
}
