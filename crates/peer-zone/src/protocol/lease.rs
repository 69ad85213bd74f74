//! The watcher's lease: which process publishes.

use super::restart_backoff::RestartBackoff;
use super::sync::{AtomicU32, AtomicU64, Ordering};

/// For how long (ms) a holder that is alive may be silent before another takes its place. A holder
/// beats several times a second; one that is stopped (SIGSTOP, a frozen container) or starved for
/// this long would leave the list stale.
const SILENCE: u64 = 3_000;

/// The lease on watching etcd and publishing, in memory that all workers share.
///
/// One word holds the epoch, the holder's process id and whether it is writing just now, so that
/// each step is one compare-and-exchange and a process that dies between two steps leaves a word
/// that says where it stood: epoch (31 bits), writing (1 bit), process id (32 bits). All zero is a
/// lease that nobody has held.
#[derive(Debug)]
#[repr(C)]
pub struct Lease {
    word: AtomicU64,
    /// When the holder last said that it lives, in milliseconds of the machine's monotonic clock.
    heartbeat: AtomicU64,
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
            heartbeat: AtomicU64::new(0),
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

    /// Tries to take the lease for `process`, a worker of `cycle`, at the time `now` (ms,
    /// monotonic). Returns the word to show in every later step.
    ///
    /// It is free where nobody holds it, where its holder is dead (`is_alive` says so), where its
    /// holder lives but has been silent for three seconds and is not in the middle of writing, and
    /// where the holder is `process` itself: a process has one watcher at a time, so what held it
    /// then was a thread that has ended.
    pub fn claim(
        &self,
        process: u32,
        cycle: u32,
        now: u64,
        is_alive: impl Fn(u32) -> bool,
    ) -> Option<u64> {
        if !self.is_newest(cycle) {
            return None;
        }
        let word = self.word.load(Ordering::Acquire);
        let silent = now.saturating_sub(self.heartbeat.load(Ordering::Acquire)) > SILENCE;
        let held_by = holder(word);
        let free = held_by == 0
            || held_by == process
            || !is_alive(held_by)
            || (silent && word & WRITING == 0);
        if !free {
            return None;
        }
        // Before the exchange: a rival that sees the new holder must not judge it by the old
        // holder's heartbeat.
        self.beat_at(now);
        let mine = claimed(word, process);
        self.word
            .compare_exchange(word, mine, Ordering::AcqRel, Ordering::Acquire)
            .ok()
            .map(|_| mine)
    }

    /// The holder lives. Returns whether it still holds the lease (`mine` is what [`Lease::claim`]
    /// returned) and its `cycle` is the newest; where not, it must stop.
    pub fn beat(&self, mine: u64, cycle: u32, now: u64) -> bool {
        let holds = self.word.load(Ordering::Acquire) & !WRITING == mine && self.is_newest(cycle);
        if holds {
            self.beat_at(now);
        }
        holds
    }

    /// Never goes back: one that was stopped just before this must not make a newer holder look
    /// silent.
    fn beat_at(&self, now: u64) {
        self.heartbeat.fetch_max(now, Ordering::AcqRel);
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
