//! Typed access to the shared memory by offset: the only place that makes references from
//! addresses.

use core::ptr::NonNull;

/// What every block is aligned to and sized in: a quarter of a cache line. What processes write at
/// each pick without regard to others (their entries, the positions) is not in blocks, but on lines
/// that begin at multiples of [`LINE`].
pub(crate) const UNIT: usize = 16;

/// A cache line, to which the memory is aligned.
pub(crate) const LINE: usize = 64;

/// Two peers lie at least so many units apart, as a power of 2; see `layout::peer`.
pub(crate) const PEER_SHIFT: u32 = 3;

/// Where a block begins, in units from the start of the memory. 0, where the header lies, means
/// none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub(crate) struct Offset(pub(crate) u32);

impl Offset {
    pub(crate) fn bytes(self) -> usize {
        self.0 as usize * UNIT
    }

    /// A number that no other peer has but the one that lies here.
    pub(crate) fn index(self) -> usize {
        (self.0 >> PEER_SHIFT) as usize
    }
}

/// How many units hold `bytes`.
pub(crate) fn units(bytes: usize) -> u32 {
    // The memory's own length is bounded by `Memory::new`, so what lies in it fits; what does not
    // fit saturates and is refused as too large.
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// The memory, wherever this process has it mapped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    units: u32,
}

// SAFETY: what lies in the memory is shared between processes already; the types in `layout` are
// atomics, or do not change while a reference to them can exist (see `Zone`).
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// The memory at `base`, `length` bytes of it (what is over a multiple of [`UNIT`] is left
    /// alone).
    ///
    /// # Safety
    ///
    /// `base` is aligned to [`LINE`]; the memory is readable and writable, lives for as long as
    /// this value and its copies, and is accessed through this crate alone.
    pub(crate) unsafe fn new(base: NonNull<u8>, length: usize) -> Self {
        Self { base, units: u32::try_from(length / UNIT).unwrap_or(u32::MAX) }
    }

    pub(crate) fn units(&self) -> u32 {
        self.units
    }

    /// The address of the byte at `offset`.
    ///
    /// # Safety
    ///
    /// `length` bytes from there are within the memory. Debug builds check it; a pick, which comes
    /// here some ten times, does not.
    unsafe fn address(&self, offset: usize, length: usize) -> *mut u8 {
        debug_assert!(
            offset.checked_add(length).is_some_and(|end| end <= self.units as usize * UNIT),
            "an offset outside the zone"
        );
        // SAFETY: the caller's promise; the extent of the memory is that of the creator of `self`.
        unsafe { self.base.as_ptr().add(offset) }
    }

    /// The `T` at the byte `offset`.
    ///
    /// # Safety
    ///
    /// All of it is within the memory. A `T` was written there (zeroes count for atomics and
    /// integers), it is aligned, and for `'a` it is neither moved nor written other than through
    /// atomics.
    pub(crate) unsafe fn get<'a, T>(&self, offset: usize) -> &'a T {
        // SAFETY: the caller's promise.
        let address = unsafe { self.address(offset, size_of::<T>()).cast::<T>() };
        debug_assert!(address.is_aligned());
        // SAFETY: the caller's promise.
        unsafe { &*address }
    }

    /// The `count` items of `T` from the byte `offset` on.
    ///
    /// # Safety
    ///
    /// As for [`Memory::get`], for each item.
    pub(crate) unsafe fn slice<'a, T>(&self, offset: usize, count: usize) -> &'a [T] {
        // SAFETY: the caller's promise.
        let address = unsafe { self.address(offset, count * size_of::<T>()).cast::<T>() };
        debug_assert!(address.is_aligned());
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts(address, count) }
    }

    /// Writes `value` at the byte `offset`.
    ///
    /// # Safety
    ///
    /// All of it is within the memory. Nobody else reads or writes there meanwhile, and no
    /// reference to it exists.
    pub(crate) unsafe fn write<T>(&self, offset: usize, value: T) {
        // SAFETY: the caller's promise.
        let address = unsafe { self.address(offset, size_of::<T>()).cast::<T>() };
        debug_assert!(address.is_aligned());
        // SAFETY: the caller's promise.
        unsafe { address.write(value) }
    }

    /// Copies `items` to the byte `offset`.
    ///
    /// # Safety
    ///
    /// As for [`Memory::write`].
    pub(crate) unsafe fn copy<T: Copy>(&self, offset: usize, items: &[T]) {
        // SAFETY: the caller's promise.
        let address = unsafe { self.address(offset, size_of_val(items)).cast::<T>() };
        debug_assert!(address.is_aligned());
        // SAFETY: `items` is private to this process, so the two do not overlap; the rest is the
        // caller's promise.
        unsafe { core::ptr::copy_nonoverlapping(items.as_ptr(), address, items.len()) }
    }

    /// Writes `items` one behind the other from the byte `offset` on. Returns the byte behind them.
    ///
    /// # Safety
    ///
    /// As for [`Memory::write`], for each item.
    pub(crate) unsafe fn fill<T: Copy>(
        &self,
        offset: usize,
        items: impl Iterator<Item = T>,
    ) -> usize {
        let mut at = offset;
        for item in items {
            // SAFETY: the caller's promise.
            unsafe { self.write(at, item) };
            at += size_of::<T>();
        }
        at
    }

    /// The `count` words from the byte `offset` on, to be written.
    ///
    /// # Safety
    ///
    /// As for [`Memory::write`], for as long as the slice is used.
    #[expect(
        clippy::mut_from_ref,
        reason = "the memory is nobody else's, as the caller promises; `self` is but its address"
    )]
    pub(crate) unsafe fn words(&self, offset: usize, count: usize) -> &mut [u32] {
        // SAFETY: the caller's promise.
        let address = unsafe { self.address(offset, count * size_of::<u32>()).cast::<u32>() };
        debug_assert!(address.is_aligned());
        // SAFETY: the caller's promise; any bytes are valid numbers.
        unsafe { core::slice::from_raw_parts_mut(address, count) }
    }

    /// Fills `count` units from `at` with zeroes.
    ///
    /// # Safety
    ///
    /// As for [`Memory::write`].
    pub(crate) unsafe fn zero(&self, at: Offset, count: u32) {
        let length = count as usize * UNIT;
        // SAFETY: the caller's promise.
        let address = unsafe { self.address(at.bytes(), length) };
        // SAFETY: the caller's promise.
        unsafe { address.write_bytes(0, length) }
    }
    /// In builds for tests: spoils `count` units from `at` that are free again, so that code that
    /// still reads them is found out.
    ///
    /// # Safety
    ///
    /// As for [`Memory::write`].
    pub(crate) unsafe fn poison(&self, at: Offset, count: u32) {
        if cfg!(debug_assertions) {
            let length = count as usize * UNIT;
            // SAFETY: the caller's promise.
            unsafe { self.address(at.bytes(), length).write_bytes(0xDD, length) }
        }
    }
}
