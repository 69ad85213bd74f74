//! The peers that a request has tried.

use core::{ptr, slice};

use ngx::ffi::{ngx_palloc, ngx_pool_t};

/// Tries for which there is room without asking the pool for more: few requests need even a second.
const INLINE: usize = 2;

/// Ids of peers, at first in place, then in the request's pool.
pub(super) struct Tried {
    inline: [u64; INLINE],
    /// Room for `capacity` ids in the pool; null while they are in place.
    spilled: *mut u64,
    capacity: u32,
    count: u32,
}

impl Default for Tried {
    fn default() -> Self {
        Self { inline: [0; INLINE], spilled: ptr::null_mut(), capacity: INLINE as u32, count: 0 }
    }
}

impl Tried {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many tries there have been.
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        self.ids().contains(&id)
    }

    /// Adds an id; `None` where the pool is exhausted.
    pub(super) fn push(&mut self, id: u64, pool: *mut ngx_pool_t) -> Option<()> {
        if self.count == self.capacity {
            self.grow(pool)?;
        }
        if self.spilled.is_null() {
            self.inline[self.count as usize] = id;
        } else {
            // SAFETY: `count` is below `capacity`, for which there is room.
            unsafe { self.spilled.add(self.count as usize).write(id) };
        }
        self.count += 1;
        Some(())
    }

    fn ids(&self) -> &[u64] {
        if self.spilled.is_null() {
            &self.inline[..self.count as usize]
        } else {
            // SAFETY: as many have been written there.
            unsafe { slice::from_raw_parts(self.spilled, self.count as usize) }
        }
    }

    /// Twice the room: what is left behind is no more than what is in use, and goes with the pool.
    fn grow(&mut self, pool: *mut ngx_pool_t) -> Option<()> {
        let capacity = self.capacity * 2;
        // SAFETY: the pool is the request's.
        let room = unsafe { ngx_palloc(pool, capacity as usize * size_of::<u64>()) }.cast::<u64>();
        if room.is_null() {
            return None;
        }
        // SAFETY: there is room for all that there are, in memory of its own.
        unsafe { ptr::copy_nonoverlapping(self.ids().as_ptr(), room, self.count as usize) };
        self.spilled = room;
        self.capacity = capacity;
        Some(())
    }
}
