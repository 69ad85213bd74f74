//! Which process has an entry or a column, so that what a dead one had is found and taken over by
//! exactly one other.

use super::sync::{AtomicU64, Ordering};

/// Bits of an owner's word that hold when the process was started, above its id.
const STARTED_BITS: u32 = 31;
const STARTED: u64 = (1 << STARTED_BITS) - 1;

/// In an owner's word: the process has it only to clear it and to give it back.
const CLEARS: u64 = 1 << 63;

/// A process, told from a later one with the same id by when it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process(u64);

impl Process {
    /// The process of this id, which is not 0. `started` is in any unit, the same for all; 0 where
    /// it is not known. Its lower 31 bits count: in the clock ticks of Linux (100 a second) these
    /// go round in 248 days.
    pub fn new(id: u32, started: u64) -> Self {
        Self(u64::from(id) | (started & STARTED) << u32::BITS)
    }

    /// The process id.
    pub fn id(self) -> u32 {
        self.0 as u32
    }

    /// Whether the process of this id that was started then is this one. Where one of the two times
    /// is not known, it may be.
    pub fn may_have_started(self, started: u64) -> bool {
        let (own, other) = (self.0 >> u32::BITS, started & STARTED);
        own == 0 || other == 0 || own == other
    }
}

/// What was found in an [`Owner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(u64);

impl Holder {
    /// The process that holds it.
    pub fn process(self) -> Process {
        Process(self.0 & !CLEARS)
    }
}

/// Which process has something; zero: nobody.
///
/// It is one word, so that a process that is killed at any moment has it or has it not. Where a
/// holder is dead, one of those who try to take its place gets it ([`Owner::take_over`]), and
/// clears what the dead one has left. One that dies over this is a dead holder again.
#[derive(Debug)]
#[repr(transparent)]
pub struct Owner(AtomicU64);

impl Owner {
    /// Nobody's.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The process that holds it; `None` if nobody does.
    pub fn holder(&self) -> Option<Holder> {
        let word = self.0.load(Ordering::Acquire);
        (word != 0).then_some(Holder(word))
    }

    /// Claims what nobody has. Returns whether this process got it.
    pub fn claim(&self, process: Process) -> bool {
        self.exchange(0, process.0)
    }

    /// Takes over what a dead process had, as it left it. Returns whether this process got it.
    pub fn take_over(&self, dead: Holder, process: Process) -> bool {
        self.exchange(dead.0, process.0)
    }

    /// As [`Owner::take_over`], to clear it and then to [give it back](Owner::release).
    pub fn take_over_to_clear(&self, dead: Holder, process: Process) -> bool {
        self.exchange(dead.0, process.0 | CLEARS)
    }

    /// Gives back what is clear: the next owner finds it so.
    pub fn release(&self) {
        self.0.store(0, Ordering::Release);
    }

    fn exchange(&self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(loom)]
impl Default for Owner {
    fn default() -> Self {
        Self::new()
    }
}
