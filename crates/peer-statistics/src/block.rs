//! The figures of one process for all peers.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{
    figures::{Failures, Histogram, Totals},
    outcome::{Class, Failure},
    times::BUCKETS,
};

/// The figures of one process for all peers. Only the process whose entry it is writes it.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Block {
    pub(crate) requests: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) header_sum: AtomicU64,
    pub(crate) response_sum: AtomicU64,
    pub(crate) responses: [AtomicU64; Class::COUNT],
    pub(crate) header_time: [AtomicU64; BUCKETS],
    pub(crate) response_time: [AtomicU64; BUCKETS],
    pub(crate) failures: [AtomicU64; Failure::ALL.len()],
    pub(crate) retries: AtomicU64,
    pub(crate) no_peer: AtomicU64,
    pub(crate) sticky: AtomicU64,
    pub(crate) panic: AtomicU64,
}

/// Adds to a word that only this process writes.
#[inline(always)]
pub(crate) fn add(word: &AtomicU64, more: u64) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// That of processes that have none: nobody reads it.
pub(crate) static NOWHERE: Block = Block::new();

impl Block {
    const fn new() -> Self {
        const fn zero() -> AtomicU64 {
            AtomicU64::new(0)
        }
        Self {
            requests: zero(),
            sent: zero(),
            received: zero(),
            header_sum: zero(),
            response_sum: zero(),
            responses: [const { zero() }; Class::COUNT],
            header_time: [const { zero() }; BUCKETS],
            response_time: [const { zero() }; BUCKETS],
            failures: [const { zero() }; Failure::ALL.len()],
            retries: zero(),
            no_peer: zero(),
            sticky: zero(),
            panic: zero(),
        }
    }

    /// Adds what is here to `totals`.
    pub(crate) fn add_to(&self, totals: &mut Totals) {
        let read = |word: &AtomicU64| word.load(Ordering::Relaxed);
        // Before the picks that it is the sum of, so that no difference is below zero.
        let (sticky, panic) = (read(&self.sticky), read(&self.panic));
        let requests = read(&self.requests);
        totals.requests += requests;
        totals.picks.sticky += sticky;
        totals.picks.panic += panic;
        totals.picks.balance += requests.saturating_sub(sticky + panic);
        add_all(&mut totals.responses, &self.responses);
        let mut failures = [0; Failure::ALL.len()];
        add_all(&mut failures, &self.failures);
        totals.failures = sum_of(totals.failures, Failures::of_counts(failures));
        totals.retries += read(&self.retries);
        totals.sent += read(&self.sent);
        totals.received += read(&self.received);
        totals.no_peer += read(&self.no_peer);
        add_times(&mut totals.header_time, &self.header_time, &self.header_sum);
        add_times(&mut totals.response_time, &self.response_time, &self.response_sum);
    }
}

fn add_all(sums: &mut [u64], words: &[AtomicU64]) {
    for (sum, word) in sums.iter_mut().zip(words) {
        *sum += word.load(Ordering::Relaxed);
    }
}

fn add_times(histogram: &mut Histogram, counts: &[AtomicU64], milliseconds: &AtomicU64) {
    add_all(&mut histogram.counts, counts);
    histogram.sum_microseconds += milliseconds.load(Ordering::Relaxed) * 1_000;
}

fn sum_of(one: Failures, other: Failures) -> Failures {
    Failures {
        connect: one.connect + other.connect,
        timeout: one.timeout + other.timeout,
        reset: one.reset + other.reset,
        invalid_header: one.invalid_header + other.invalid_header,
        status: one.status + other.status,
        other: one.other + other.other,
    }
}
