//! The ring in which withdrawals are noted.
//!
//! All may write to it and each reader goes at its own pace; one that has fallen behind by more
//! than the ring holds is told so.
//!
//! An entry is one word, the peer and the withdrawal's number, so that of two writers that meet at
//! an entry, a whole ring apart, one wins and nothing is mixed. A writer that is killed before it
//! writes leaves an old entry, over which readers step after [`ENTRY_TIMEOUT`].

use super::sync::{AtomicU64, Ordering};

/// For how long (ms) a reader waits for an entry that is being written: its writer needs some
/// nanoseconds, unless it is stopped or dead.
pub const ENTRY_TIMEOUT: u64 = 1_000;

/// What a reader is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// The peer of this id was withdrawn.
    Peer(u64),
    /// More peers than the ring holds: any peer may be among them.
    Many,
}

/// The most entries that a ring has: half of what the numbers tell apart, so that an entry of the
/// lap before is known as such.
pub const MAX_WITHDRAWALS: u32 = 1 << (NUMBER_BITS - 1);

/// Bits of an entry that hold the withdrawal's number, counted from 1, as far as they go. The
/// others hold the peer's id.
const NUMBER_BITS: u32 = 16;

/// Bits of a peer's id. One part says where the peer lies and the other counts peers: in a zone of
/// 1 MB 34 bits, and in one of 1 GB 24. Only a peer that is made at the very place of an earlier
/// one, a whole round of these later, has an id a second time.
pub const ID_BITS: u32 = u64::BITS - NUMBER_BITS;

/// An entry of the ring. All zero is one that nobody has written to.
#[derive(Debug)]
#[repr(transparent)]
pub struct WithdrawalEntry(AtomicU64);

fn number(position: u64) -> u64 {
    (position + 1) & ((1 << NUMBER_BITS) - 1)
}

/// How many withdrawals there have been.
#[derive(Debug)]
#[repr(transparent)]
pub struct WithdrawalCount(AtomicU64);

/// How far a reader has come.
#[derive(Debug)]
pub struct WithdrawalReader {
    next: u64,
    /// Since when the next entry is being written, in milliseconds.
    waits_since: Option<u64>,
}

#[cfg(loom)]
impl WithdrawalEntry {
    /// An entry that nobody has written to.
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl WithdrawalCount {
    /// None yet.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// How many there have been.
    pub fn current(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Notes that the peer of this id has left, in the ring of these entries.
    pub fn record(&self, entries: &[WithdrawalEntry], peer: u64) {
        let position = self.0.fetch_add(1, Ordering::AcqRel);
        let entry = &entries[(position % entries.len() as u64) as usize];
        entry.0.store(peer << NUMBER_BITS | number(position), Ordering::Release);
    }
}

impl WithdrawalReader {
    /// A reader of the withdrawals from now on.
    pub fn new(count: &WithdrawalCount) -> Self {
        Self { next: count.0.load(Ordering::Acquire), waits_since: None }
    }

    /// Whether there are withdrawals that were not read. One load.
    pub fn has_unread(&self, count: &WithdrawalCount) -> bool {
        count.0.load(Ordering::Relaxed) != self.next
    }

    /// Calls `tell` with each withdrawal since the last call; `now` in milliseconds.
    pub fn read(
        &mut self,
        count: &WithdrawalCount,
        entries: &[WithdrawalEntry],
        now: u64,
        mut tell: impl FnMut(Withdrawn),
    ) {
        let end = count.0.load(Ordering::Acquire);
        while self.next < end {
            let position = self.next;
            let entry = &entries[(position % entries.len() as u64) as usize];
            let word = entry.0.load(Ordering::Acquire);
            // Read after the entry: a reader that finds a later one there knows by this that the
            // ring has gone round.
            let end = count.0.load(Ordering::Relaxed);
            if end - position > entries.len() as u64 {
                *self = Self { next: end, waits_since: None };
                tell(Withdrawn::Many);
                return;
            }
            if word != 0 && word & ((1 << NUMBER_BITS) - 1) == number(position) {
                tell(Withdrawn::Peer(word >> NUMBER_BITS));
            } else {
                let since = *self.waits_since.get_or_insert(now);
                if now.saturating_sub(since) < ENTRY_TIMEOUT {
                    return;
                }
                // Whose it was is not to be known.
                tell(Withdrawn::Many);
            }
            *self = Self { next: position + 1, waits_since: None };
        }
    }
}

#[cfg(loom)]
impl Default for WithdrawalEntry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(loom)]
impl Default for WithdrawalCount {
    fn default() -> Self {
        Self::new()
    }
}
