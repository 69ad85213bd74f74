//! Memory for figures.

use core::ptr::{self, NonNull};

use peer_statistics::{Block, Carries, Head, Layout, Slot, Statistics};

/// Zeroes that stay for as long as the process.
#[derive(Clone, Copy)]
pub struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    /// Memory for this layout, which is shared with processes that this one forks.
    pub fn new(layout: Layout) -> Self {
        // SAFETY: a new mapping, which nobody unmaps.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                layout.size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        Self { start: NonNull::new(start.cast()).expect("an address"), layout }
    }

    /// The figures there.
    pub fn statistics(&self) -> Statistics {
        let Layout { blocks, slots, blocks_at, slots_at, carries_at, .. } = self.layout;
        // SAFETY: the memory is as large as the layout says, aligned to a page, begins as zeroes,
        // and stays; all of it is atomics.
        unsafe {
            Statistics::new(
                self.start.cast::<Head>().as_ref(),
                core::slice::from_raw_parts(self.at::<Block>(blocks_at), blocks),
                core::slice::from_raw_parts(self.at::<Slot>(slots_at), slots),
                core::slice::from_raw_parts(self.at::<Carries>(carries_at), slots),
            )
        }
    }

    /// # Safety
    ///
    /// The offset is within the memory.
    unsafe fn at<T>(&self, offset: usize) -> *const T {
        // SAFETY: the caller's promise.
        unsafe { self.start.as_ptr().add(offset).cast() }
    }
}
