//! The peers that a request has tried.

use core::{cell::Cell, ptr, slice};

use ngx::ffi::{ngx_palloc, ngx_pool_t};

/// Tries for which there is room without asking the pool for more: few requests need a second.
const INLINE: usize = 1;

/// Ids of peers, at first in place, then in the request's pool.
pub(crate) struct Tried {
    inline: [Cell<u64>; INLINE],
    /// Room for more ids in the pool; null while they are in place.
    spilled: Cell<*mut Cell<u64>>,
    /// For how many there is room in the pool.
    spilled_capacity: Cell<u32>,
    count: Cell<u32>,
}

impl Default for Tried {
    fn default() -> Self {
        Self {
            inline: [const { Cell::new(0) }; INLINE],
            spilled: Cell::new(ptr::null_mut()),
            spilled_capacity: Cell::new(0),
            count: Cell::new(0),
        }
    }
}

impl Tried {
    pub(crate) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    /// How many tries there have been.
    pub(crate) fn count(&self) -> usize {
        self.count.get() as usize
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.ids().iter().any(|tried| tried.get() == id)
    }

    /// Adds the first id, which there is room for.
    #[inline]
    pub(crate) fn begin(&self, id: u64) {
        self.inline[0].set(id);
        self.count.set(1);
    }

    /// Adds an id; `None` where the pool is exhausted.
    pub(crate) fn push(&self, id: u64, pool: *mut ngx_pool_t) -> Option<()> {
        if self.count.get() == self.capacity() {
            self.grow(pool)?;
        }
        let count = self.count();
        if self.spilled.get().is_null() {
            self.inline[count].set(id);
        } else {
            // SAFETY: `count` is below `capacity`, for which there is room.
            unsafe { self.spilled.get().add(count).write(Cell::new(id)) };
        }
        self.count.set(self.count.get() + 1);
        Some(())
    }

    /// For how many there is room. It is 0 nowhere: a new request is zeroes, as far as possible.
    fn capacity(&self) -> u32 {
        self.spilled_capacity.get().max(INLINE as u32)
    }

    fn ids(&self) -> &[Cell<u64>] {
        if self.spilled.get().is_null() {
            &self.inline[..self.count()]
        } else {
            // SAFETY: as many have been written there, and what is written there stays.
            unsafe { slice::from_raw_parts(self.spilled.get(), self.count()) }
        }
    }

    /// Four times the room: what is left behind is less than what is in use; it goes with the pool.
    fn grow(&self, pool: *mut ngx_pool_t) -> Option<()> {
        let capacity = self.capacity() * 4;
        // SAFETY: the pool is the request's.
        let room = unsafe { ngx_palloc(pool, capacity as usize * size_of::<Cell<u64>>()) };
        let room = room.cast::<Cell<u64>>();
        if room.is_null() {
            return None;
        }
        // SAFETY: there is room for all that there are, in memory of its own.
        unsafe { ptr::copy_nonoverlapping(self.ids().as_ptr(), room, self.count()) };
        self.spilled.set(room);
        self.spilled_capacity.set(capacity);
        Some(())
    }
}
