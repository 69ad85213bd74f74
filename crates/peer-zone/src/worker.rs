//! A worker's side: reading the table, picking a peer, saying how it went. Nothing here locks,
//! waits or allocates.
//!
//! What a pick calls in other files is `#[inline]`: the compiler splits a crate by its files, and
//! calls between them would cost a pick some twenty instructions.

pub(crate) mod among;
mod claim;
mod column;
mod counts;
pub(crate) mod cursor;
pub(crate) mod draining;
mod exhausted;
pub(crate) mod fast_path;
mod group;
pub(crate) mod group_traits;
pub(crate) mod keyed;
mod least;
mod least_time;
mod next_entry;
pub(crate) mod pick;
pub(crate) mod picked_peer;
mod recall;
pub(crate) mod release;
mod report;
mod round_robin;
pub(crate) mod row;
pub(crate) mod table;
mod tier;
pub(crate) mod times;
mod weighted_draw;
mod withdrawn;

use core::{
    cell::{Cell, OnceCell, RefCell},
    marker::PhantomData,
};

use peer_statistics::Statistics;

use self::{among::PickedGroup, exhausted::Exhausted, recall::Recall};
use crate::{
    layout::{PROCESS_ENTRIES, ProcessEntry},
    protocol::{Process, WithdrawalReader},
    zone::Zone,
};

/// What a worker has in a column that it shares, by the peers' places: in its own memory, so that
/// it can move it to another column. Nothing for a worker with a column of its own.
type Counted = OnceCell<RefCell<Vec<u64>>>;

/// A process's entry in a zone. It belongs to one thread: what it pins is pinned by a single word.
#[derive(Debug)]
pub struct Worker {
    zone: Zone,
    index: u32,
    process: Process,
    column: Cell<u32>,
    /// What it has counted, where others write its column as well.
    counted: Counted,
    /// When nothing could be picked, and what must have changed before trying again is worth while:
    /// see [`pick`].
    exhausted: Option<Exhausted>,
    /// The state of a generator of random numbers; never 0.
    random: Cell<u64>,
    recall: Recall,
    withdrawals: WithdrawalReader,
    /// The group of the last pick that was not among everyone.
    last_group: Cell<PickedGroup>,
    /// How many peers that one has in service.
    last_tries: Cell<u32>,
    /// The figures of the peers.
    statistics: Option<Statistics>,
    /// The id of the peer that a failure has made unavailable last, until a retry asks; 0: none.
    disabled: Cell<u64>,
    /// Not `Sync`, nor for more than one thread at a time.
    single_thread: PhantomData<*const ()>,
}

/// A moment, in the two clocks that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Seconds, by which failures are counted as in nginx. Only differences matter.
    pub seconds: u32,
    /// Milliseconds of the machine's monotonic clock.
    pub milliseconds: u64,
}

impl Worker {
    /// For an entry that is the process's.
    pub(crate) fn new(
        zone: Zone,
        index: u32,
        process: Process,
        is_alive: impl Fn(Process) -> bool,
    ) -> Self {
        // Any two workers' numbers are to differ; an odd factor keeps different indexes different.
        // Not 0, where the generator would stay.
        let seed =
            u64::from(index).wrapping_add(zone.seed()).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut worker = Self {
            zone,
            index,
            process,
            column: Cell::new(0),
            counted: Counted::new(),
            exhausted: None,
            random: Cell::new(seed),
            recall: Recall::default(),
            withdrawals: WithdrawalReader::new(&zone.header().withdrawal_count),
            last_group: Cell::default(),
            last_tries: Cell::default(),
            statistics: None,
            disabled: Cell::new(0),
            single_thread: PhantomData,
        };
        worker.find_column(is_alive);
        worker
    }

    /// Says where the figures of the peers are: since when each is in its state.
    pub fn set_statistics(&mut self, statistics: Option<Statistics>) {
        self.statistics = statistics;
    }

    pub(crate) fn withdrawals(&self) -> &WithdrawalReader {
        &self.withdrawals
    }

    pub(crate) fn withdrawals_mut(&mut self) -> &mut WithdrawalReader {
        &mut self.withdrawals
    }

    /// A random number: xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift
    /// generators, scrambled", 2016).
    #[inline]
    pub fn random(&self) -> u64 {
        let mut state = self.random.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.set(state);
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// The zone that the worker has its entry in.
    #[inline]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The number of the entry: below [`Zone::most_processes`], and no other process's.
    pub fn entry(&self) -> usize {
        self.index as usize
    }

    /// Gives the entry back. For a process that lives on and holds no peer; one that ends need do
    /// nothing.
    pub fn leave(self) {
        if !self.shares_column() {
            self.release_column(self.column());
        }
        self.process_entry().vacate();
    }

    /// The column in which it counts connections.
    pub(crate) fn column(&self) -> u32 {
        self.column.get()
    }

    #[inline]
    pub(crate) fn process_entry(&self) -> &ProcessEntry {
        // SAFETY: `Zone::join` made the worker for an entry that there is; entries are atomics
        // throughout.
        unsafe {
            self.zone.memory.get(PROCESS_ENTRIES + self.index as usize * size_of::<ProcessEntry>())
        }
    }
}

impl Zone {
    /// Takes an entry for a process that will pick peers or read tables. Where none is free that of
    /// a dead process is (`is_alive` says so). `None` where all are those of processes that live.
    pub fn join(&self, process: Process, is_alive: impl Fn(Process) -> bool) -> Option<Worker> {
        let index = self.claim_process_entry(process, &is_alive)?;
        Some(Worker::new(*self, index, process, &is_alive))
    }
}
