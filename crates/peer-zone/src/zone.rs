//! The memory as a whole: made, found again, and read from any process.

mod closings;
mod draining;
mod groups;
pub(crate) mod peers;
mod processes;
pub(crate) mod statistics;
pub(crate) mod texts;
pub(crate) mod view;
mod withdrawals;

use core::{mem::offset_of, ptr::NonNull};

use thiserror::Error;

use crate::{
    layout::{Header, MAGIC, Positions, ProcessEntry, TableHeader, blocks},
    memory::{Memory, Offset, UNIT, units},
    protocol::{MAX_WITHDRAWALS, SHARED_COLUMNS, SharedColumns},
};

/// Columns that a process has for itself are counted in so many, which fill a unit.
const COLUMNS_AT_ONCE: u32 = 4;

/// Where there are few workers, columns for some more generations of old ones cost little.
const LEAST_OWN_COLUMNS: u32 = 8;

/// With a column for each of very many workers, peers would be large and few: with 256 workers some
/// 4 kB each. Up to 32 workers each has its own, and during a reload those before them as well.
const MOST_OWN_COLUMNS: u32 = 64;

/// Withdrawals that are remembered: one for so many bytes of the zone, and up to a number that is
/// enough for what leaves at once, one for fewer bytes. They take 4 kB of a zone of 1 MB. Workers
/// look as soon as they are told; where more have gone in between, all idle connections go.
const BYTES_PER_WITHDRAWAL: usize = 4096;
const LEAST_BYTES_PER_WITHDRAWAL: usize = 1024;
const FREQUENT_WITHDRAWALS: usize = 512;
const MIN_WITHDRAWALS: u32 = 16;

/// For how many processes a zone is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The workers of one cycle. Where there are more of them, or many old ones, some share where
    /// they count connections.
    pub workers: u32,
    /// The most processes that use the zone at the same time, those of all cycles together.
    pub processes: u32,
}

impl Capacity {
    /// Size of the list of processes, in bytes of the zone.
    pub fn list_of_processes(self) -> usize {
        self.processes as usize * size_of::<ProcessEntry>()
    }
}

/// The memory is too small for what must lie in it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{have} bytes are too few, {need} are needed")]
pub struct ZoneTooSmall {
    /// The size of the memory, in bytes.
    pub have: usize,
    /// The least size of a zone for this capacity, in bytes.
    pub need: usize,
}

/// The memory is not a zone of this layout.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the shared memory was laid out by another version of the module")]
pub struct AttachError;

/// A zone of peers, wherever this process has it mapped.
#[derive(Clone, Copy, Debug)]
pub struct Zone {
    pub(crate) memory: Memory,
}

impl Zone {
    /// Lays out the memory: no peers yet, no processes.
    ///
    /// # Errors
    ///
    /// Where not even an empty table fits.
    ///
    /// # Safety
    ///
    /// `base` is aligned to 64 bytes; `length` bytes from it are shared by all processes that will
    /// attach to them, are accessed by nothing else, stay mapped for as long as the returned value
    /// and everything made from it is used, and nobody uses them yet.
    pub unsafe fn format(
        base: NonNull<u8>,
        length: usize,
        capacity: Capacity,
    ) -> Result<Self, ZoneTooSmall> {
        // Twice the workers: a reload has both generations at once. What goes beyond shares.
        let own = capacity.workers.saturating_mul(2).clamp(LEAST_OWN_COLUMNS, MOST_OWN_COLUMNS);
        let columns = SHARED_COLUMNS + own.next_multiple_of(COLUMNS_AT_ONCE);
        let process_entries = capacity.processes;
        let withdrawals = (length / LEAST_BYTES_PER_WITHDRAWAL)
            .min(FREQUENT_WITHDRAWALS)
            .max(length / BYTES_PER_WITHDRAWAL);
        let withdrawals = u32::try_from(withdrawals).unwrap_or(u32::MAX);
        let withdrawals = withdrawals.clamp(MIN_WITHDRAWALS, MAX_WITHDRAWALS);
        let first_block = blocks(process_entries, columns, withdrawals);
        let need = (first_block + units(size_of::<TableHeader>()) * 2) as usize * UNIT;
        if length < need {
            return Err(ZoneTooSmall { have: length, need });
        }
        // SAFETY: the caller's promise.
        let memory = unsafe { Memory::new(base, length) };
        // SAFETY: nobody uses the memory yet, so it may be written at will.
        unsafe {
            memory.zero(Offset(0), first_block);
            // The header is all zeroes, which is a valid one, but for what is set here.
            memory.write(offset_of!(Header, size), memory.units());
            memory.write(offset_of!(Header, columns), columns);
            memory.write(offset_of!(Header, process_entries), process_entries);
            memory.write(offset_of!(Header, withdrawals), withdrawals);
            memory.write(offset_of!(Header, shared), SharedColumns::new());
            memory.write(offset_of!(Header, magic), MAGIC);
        }
        Ok(Self { memory })
    }

    /// The zone that [`Zone::format`] laid out in this memory, in this process or another.
    ///
    /// # Errors
    ///
    /// Where what lies there is something else.
    ///
    /// # Safety
    ///
    /// As for [`Zone::format`], but for its last condition.
    pub unsafe fn attach(base: NonNull<u8>, length: usize) -> Result<Self, AttachError> {
        if length < size_of::<Header>() {
            return Err(AttachError);
        }
        // SAFETY: the caller's promise.
        let memory = unsafe { Memory::new(base, length) };
        // SAFETY: the memory is long enough, and any bytes are a valid integer.
        let (magic, size) = unsafe {
            let header = memory.get::<Header>(0);
            (header.magic, header.size)
        };
        if magic != MAGIC || size != memory.units() {
            return Err(AttachError);
        }
        Ok(Self { memory })
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: `format` wrote a header at 0, whose plain fields have not been written since.
        unsafe { self.memory.get(0) }
    }

    #[inline]
    pub(crate) fn positions(&self) -> &Positions {
        &self.header().positions.0
    }

    /// Something that differs from zone to zone and from start to start: where it lies in this
    /// process.
    pub(crate) fn seed(&self) -> u64 {
        std::ptr::from_ref(self.header()).addr() as u64
    }

    #[inline]
    pub(crate) fn columns(&self) -> u32 {
        self.header().columns
    }

    pub(crate) fn first_block(&self) -> u32 {
        let header = self.header();
        blocks(header.process_entries, header.columns, header.withdrawals)
    }
}
