//! The figures of one peer.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::{
    check_fault::CheckFault,
    counter::{COUNTERS, Carries, is_time_to_look},
    figures::{CheckFigures, Failures, Histogram, PeerFigures},
    outcome::{Class, Failure},
    times::BUCKETS,
};

/// The figures of one peer.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Slot {
    /// The peer's id, and [`CARRIED`].
    id: AtomicU64,
    pub(crate) last_picked: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) header_sum: AtomicU64,
    pub(crate) response_sum: AtomicU64,
    /// See [`Counter`].
    counters: [AtomicU32; COUNTERS],
    state_since: AtomicU64,
    checks_made: AtomicU32,
    checks_failed: AtomicU32,
    last_check: AtomicU64,
    /// The moment, and the code of the fault in the lowest bits.
    last_check_failure: AtomicU64,
}

/// Set in the id once anything has been carried. Ids have 48 bits.
const CARRIED: u64 = 1 << 63;

const CODE_BITS: u32 = u16::BITS;

/// Which counter of a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter(usize);

impl Counter {
    const HEADER_TIME: usize = 5;
    const RESPONSE_TIME: usize = Self::HEADER_TIME + BUCKETS;
    const FAILURE: usize = Self::RESPONSE_TIME + BUCKETS;
    pub(crate) const RETRIES: Self = Self(Self::FAILURE + Failure::ALL.len());

    #[inline(always)]
    pub(crate) fn response(class: Class) -> Self {
        Self(class.index())
    }

    #[inline(always)]
    pub(crate) fn header_time(bucket: usize) -> Self {
        Self(Self::HEADER_TIME + bucket)
    }

    #[inline(always)]
    pub(crate) fn response_time(bucket: usize) -> Self {
        Self(Self::RESPONSE_TIME + bucket)
    }

    #[inline(always)]
    pub(crate) fn failure(failure: Failure) -> Self {
        Self(Self::FAILURE + failure as usize)
    }
}

const _: () = assert!(Counter::RETRIES.0 + 1 == COUNTERS);

impl Slot {
    /// The figures of no peer.
    pub(crate) const fn new() -> Self {
        const fn zero() -> AtomicU64 {
            AtomicU64::new(0)
        }
        Self {
            id: zero(),
            last_picked: zero(),
            sent: zero(),
            received: zero(),
            header_sum: zero(),
            response_sum: zero(),
            counters: [const { AtomicU32::new(0) }; COUNTERS],
            state_since: zero(),
            checks_made: AtomicU32::new(0),
            checks_failed: AtomicU32::new(0),
            last_check: zero(),
            last_check_failure: zero(),
        }
    }

    /// The id of the peer whose figures these are; 0 is that of no peer.
    pub(crate) fn id(&self) -> u64 {
        self.id.load(Ordering::Acquire) & !CARRIED
    }

    /// Adds 1 to a counter.
    #[inline(always)]
    pub(crate) fn add(&self, Counter(place): Counter) {
        self.counters[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Whether [`Recorder::answered_at_once`](crate::Recorder::answered_at_once) must not count a
    /// response of this class.
    #[inline(always)]
    #[must_use]
    pub fn may_carry(&self, class: Class) -> bool {
        self.is_time_to_carry(Counter::response(class))
    }

    /// Whether it is time to [`carry`](Self::carry), by this counter.
    #[inline(always)]
    pub(crate) fn is_time_to_carry(&self, Counter(place): Counter) -> bool {
        is_time_to_look(&self.counters[place])
    }

    /// Carries for all counters.
    #[cold]
    #[inline(never)]
    pub(crate) fn carry(&self, carries: &Carries) {
        for (place, counter) in self.counters.iter().enumerate() {
            if carries.carry(place, counter) {
                self.id.fetch_or(CARRIED, Ordering::Release);
            }
        }
    }

    /// Makes the figures those of a new peer. Nobody else writes meanwhile.
    pub(crate) fn clear(&self, carries: &Carries, id: u64) {
        // First, and the id last: whoever comes after a publisher that is killed in between begins
        // once more.
        let before = self.id.swap(0, Ordering::AcqRel);
        if before & CARRIED != 0 {
            carries.clear();
        }
        let words = [
            &self.last_picked,
            &self.sent,
            &self.received,
            &self.header_sum,
            &self.response_sum,
            &self.state_since,
            &self.last_check,
            &self.last_check_failure,
        ];
        words.into_iter().for_each(|word| word.store(0, Ordering::Relaxed));
        let narrow = [&self.checks_made, &self.checks_failed];
        let narrow = narrow.into_iter().chain(&self.counters);
        narrow.for_each(|counter| counter.store(0, Ordering::Relaxed));
        self.id.store(id, Ordering::Release);
    }

    /// The peer is in another state since `now` (ms).
    pub(crate) fn set_state_since(&self, now: u64) {
        self.state_since.store(now, Ordering::Relaxed);
    }

    /// A check has ended at `now` (ms).
    pub(crate) fn count_check(&self, now: u64, fault: Option<CheckFault>) {
        self.checks_made.fetch_add(1, Ordering::Relaxed);
        self.last_check.store(now, Ordering::Relaxed);
        if let Some(fault) = fault {
            self.checks_failed.fetch_add(1, Ordering::Relaxed);
            let word = now << CODE_BITS | u64::from(fault.to_code());
            self.last_check_failure.store(word, Ordering::Relaxed);
        }
    }

    /// All that is known of the peer.
    pub(crate) fn read(&self, carries: &Carries) -> PeerFigures {
        let has_carried = self.id.load(Ordering::Acquire) & CARRIED != 0;
        let counts: [u64; COUNTERS] = core::array::from_fn(|place| {
            let counter = &self.counters[place];
            // Carries are not touched before there is something in them.
            if has_carried {
                carries.value(place, counter)
            } else {
                Carries::value_without(counter)
            }
        });
        let read = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let times = |from: usize, sum: &AtomicU64| Histogram {
            counts: part_of(&counts, from),
            sum_microseconds: read(sum) * 1_000,
        };
        PeerFigures {
            responses: part_of(&counts, 0),
            failures: Failures::of_counts(part_of(&counts, Counter::FAILURE)),
            retries: counts[Counter::RETRIES.0],
            sent: read(&self.sent),
            received: read(&self.received),
            header_time: times(Counter::HEADER_TIME, &self.header_sum),
            response_time: times(Counter::RESPONSE_TIME, &self.response_sum),
            last_picked: moment(read(&self.last_picked)),
            state_since: moment(read(&self.state_since)),
            checks: self.checks(),
        }
    }

    fn checks(&self) -> CheckFigures {
        let failure = self.last_check_failure.load(Ordering::Relaxed);
        let last_failure =
            moment(failure >> CODE_BITS).map(|at| (at, CheckFault::of_code(failure as u16)));
        CheckFigures {
            made: self.checks_made.load(Ordering::Relaxed).into(),
            failed: self.checks_failed.load(Ordering::Relaxed).into(),
            last: moment(self.last_check.load(Ordering::Relaxed)),
            last_failure,
        }
    }
}

fn part_of<const N: usize>(counts: &[u64; COUNTERS], from: usize) -> [u64; N] {
    core::array::from_fn(|index| counts[from + index])
}

/// 0 is no moment.
fn moment(milliseconds: u64) -> Option<u64> {
    (milliseconds != 0).then_some(milliseconds)
}
