//! The watcher's lease: which process publishes.

use super::restart_backoff::RestartBackoff;
use super::sync::{AtomicU32, AtomicU64, Ordering};

/// The lease on watching etcd and publishing, in memory that all workers share.
///
/// One word holds the epoch, the holder's process id and whether it is writing just now, so that
/// each step is one compare-and-exchange and a process that dies between two steps leaves a word
/// that says where it stood: epoch (31 bits), writing (1 bit), process id (32 bits). All zero is a
/// lease that nobody has held.
///
/// A holder says nothing while it holds it. Whoever waits for the lease has to find out by other
/// means that the holder has died or is stopped.
#[derive(Debug)]
#[repr(C)]
pub struct Lease {
    word: AtomicU64,
    /// The newest configuration cycle that has a worker; only workers of that cycle claim the
    /// lease.
    newest_cycle: AtomicU32,
    /// How many cycles have been numbered.
    cycles: AtomicU32,
    restart_backoff: RestartBackoff,
}

const WRITING: u64 = 1 << 32;
const EPOCH_SHIFT: u32 = 33;

const fn holder(word: u64) -> u32 {
    word as u32
}

const fn claimed(word: u64, process: u32) -> u64 {
    ((word >> EPOCH_SHIFT) + 1) << EPOCH_SHIFT | process as u64
}

/// The right to write, from [`Lease::begin`] to [`Lease::end`]. While it is out, nobody takes the
/// lease from a process that lives.
#[derive(Debug)]
#[must_use]
pub struct Publishing(());

impl Publishing {
    /// The right to write to a zone that no other process has mapped yet.
    pub fn unshared() -> Self {
        Self(())
    }
}

impl Lease {
    /// A lease that nobody holds.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            newest_cycle: AtomicU32::new(0),
            cycles: AtomicU32::new(0),
            restart_backoff: RestartBackoff::new(),
        }
    }

    /// How often holders have ended too soon, and how long the next one waits.
    pub fn restart_backoff(&self) -> &RestartBackoff {
        &self.restart_backoff
    }

    /// Numbers a configuration cycle, before its workers start.
    pub fn number_cycle(&self) -> u32 {
        self.cycles.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Says that `cycle` has a worker: holders of older cycles give way.
    pub fn enter_cycle(&self, cycle: u32) {
        self.newest_cycle.fetch_max(cycle, Ordering::AcqRel);
    }

    /// Whether no newer cycle than `cycle` has a worker.
    pub fn is_newest(&self, cycle: u32) -> bool {
        self.newest_cycle.load(Ordering::Acquire) <= cycle
    }

    /// The process that holds the lease, or 0.
    pub fn holder(&self) -> u32 {
        holder(self.word.load(Ordering::Acquire))
    }

    /// Tries to take the lease for `process`, a worker of `cycle`. Returns the word to show in all
    /// later steps.
    ///
    /// It is free where nobody holds it, where its holder is dead (`is_alive` says so), and where
    /// the holder is `process` itself: a process has one watcher at a time, so what held it then
    /// was a thread that has ended.
    pub fn claim(&self, process: u32, cycle: u32, is_alive: impl Fn(u32) -> bool) -> Option<u64> {
        let word = self.word.load(Ordering::Acquire);
        let held_by = holder(word);
        let is_free = held_by == 0 || held_by == process || !is_alive(held_by);
        if is_free && self.is_newest(cycle) { self.exchange(word, process) } else { None }
    }

    /// Takes the lease for `process`, a worker of `cycle`, from a holder that lives and is stopped,
    /// unless it is stopped in the middle of writing. Returns the word as [`Lease::claim`] does.
    ///
    /// What was taken from it has not ended: it does not count as one that has
    /// ([`RestartBackoff`]).
    pub fn pass_over(&self, stopped: u32, process: u32, cycle: u32) -> Option<u64> {
        let word = self.word.load(Ordering::Acquire);
        if holder(word) != stopped || word & WRITING != 0 || !self.is_newest(cycle) {
            return None;
        }
        let mine = self.exchange(word, process)?;
        self.restart_backoff.ended(word);
        Some(mine)
    }

    fn exchange(&self, word: u64, process: u32) -> Option<u64> {
        let mine = claimed(word, process);
        self.word
            .compare_exchange(word, mine, Ordering::AcqRel, Ordering::Acquire)
            .ok()
            .map(|_| mine)
    }

    /// Whether the lease is still held with `mine`, which is what [`Lease::claim`] returned, and
    /// `cycle` is the newest. Where not, the holder must stop.
    pub fn holds(&self, mine: u64, cycle: u32) -> bool {
        self.word.load(Ordering::Acquire) & !WRITING == mine && self.is_newest(cycle)
    }

    /// Starts writing. `None` where the lease has gone to another: nothing may be written.
    pub fn begin(&self, mine: u64) -> Option<Publishing> {
        self.word
            .compare_exchange(mine, mine | WRITING, Ordering::AcqRel, Ordering::Acquire)
            .ok()
            .map(|_| Publishing(()))
    }

    /// Ends writing; `mine` is what [`Lease::claim`] returned.
    pub fn end(&self, mine: u64, publishing: Publishing) {
        let Publishing(()) = publishing;
        // Where `is_alive` was wrong and the lease has gone to another, that one's word stays.
        let _ =
            self.word.compare_exchange(mine | WRITING, mine, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Gives the lease back, so that another worker need not wait. The holder writes no more, even
    /// if it was in the middle of it: a watcher that fails there leaves what one that is killed
    /// leaves, and its process may live on for days.
    pub fn release(&self, mine: u64) {
        let word = self.word.load(Ordering::Acquire);
        if word & !WRITING != mine {
            // It has gone to another meanwhile, and is not ours to give.
            return;
        }
        let released = mine & !u64::from(u32::MAX);
        // Where this fails it has gone to another in this instant.
        let _ = self.word.compare_exchange(word, released, Ordering::AcqRel, Ordering::Acquire);
    }
}

#[cfg(loom)]
impl Default for Lease {
    fn default() -> Self {
        Self::new()
    }
}
