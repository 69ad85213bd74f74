//! What the publisher writes for the whole upstream, and what its processes have told it.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::{
    figures::Histogram,
    times::{BUCKETS, publication_bucket},
};

/// Words of the history of changes.
pub const HISTORY_WORDS: usize = 4096;

/// The beginning of the memory.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Head {
    /// Blocks that were ever in use; those behind them are zeroes, and are not touched.
    pub(crate) blocks_seen: AtomicU32,
    pub(crate) publication: Publication,
    pub(crate) history: [AtomicU64; HISTORY_WORDS],
}

/// How long changes took.
#[derive(Debug)]
#[repr(C)]
pub struct Publication {
    published: SharedHistogram,
    seen: SharedHistogram,
    /// When the event of a change came that no worker has seen yet, in microseconds; 0: there is
    /// none.
    unseen: AtomicU64,
}

#[derive(Debug)]
#[repr(C)]
struct SharedHistogram {
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl SharedHistogram {
    fn add(&self, microseconds: u64) {
        self.counts[publication_bucket(microseconds)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(microseconds, Ordering::Relaxed);
    }

    fn read(&self) -> Histogram {
        Histogram {
            counts: core::array::from_fn(|index| self.counts[index].load(Ordering::Relaxed)),
            sum_microseconds: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Publication {
    /// A change whose event came at `arrived` is published at `now`, both in microseconds of the
    /// monotonic clock. Of changes that no worker sees in between the first one is timed on.
    pub fn note_published(&self, arrived: u64, now: u64) {
        self.published.add(now.saturating_sub(arrived));
        let (none, arrived) = (0, arrived.max(1));
        let _ = self.unseen.compare_exchange(none, arrived, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A worker's event loop has come round: the requests that it takes from here on see all that
    /// is published. `now` is in microseconds.
    pub fn note_seen(&self, now: impl FnOnce() -> u64) {
        if self.unseen.load(Ordering::Relaxed) != 0 {
            let arrived = self.unseen.swap(0, Ordering::Relaxed);
            if arrived != 0 {
                self.seen.add(now().saturating_sub(arrived));
            }
        }
    }

    /// The times from etcd's event to the publication.
    #[must_use]
    pub fn published(&self) -> Histogram {
        self.published.read()
    }

    /// The times from etcd's event to the first worker that has seen it.
    #[must_use]
    pub fn seen(&self) -> Histogram {
        self.seen.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication() -> Publication {
        let histogram = || SharedHistogram {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
            sum: AtomicU64::new(0),
        };
        Publication { published: histogram(), seen: histogram(), unseen: AtomicU64::new(0) }
    }

    #[test]
    fn a_change_is_seen_by_the_first_worker_that_looks() {
        let publication = publication();
        publication.note_seen(|| unreachable!("nothing is published"));
        publication.note_published(1_000, 1_400);
        // Published before anybody looked.
        publication.note_published(3_000, 3_100);
        publication.note_seen(|| 11_000);
        publication.note_seen(|| unreachable!("it is seen"));
        let (published, seen) = (publication.published(), publication.seen());
        assert_eq!((published.counts[0], published.sum_microseconds), (2, 500));
        assert_eq!((seen.counts.iter().sum::<u64>(), seen.sum_microseconds), (1, 10_000));
    }
}
