//! Watchers that end before they have published anything: the next one waits.

use core::fmt;

use super::sync::{AtomicU32, AtomicU64, Ordering};

/// How long (ms) the third watcher in a row waits: the second one takes over at once, since
/// whatever ends the first may have nothing to do with it.
const FIRST_WAIT: u64 = 500;

/// The longest wait (ms): what ends them is mended by somebody, who then wants to see that it
/// helped.
const LONGEST_WAIT: u64 = 60_000;

/// How often a watcher has ended in a row, killed or by a fault, before it had settled: before it
/// had its first lists published. What kills each of them (such as a list that does not fit into
/// the memory of a worker) would otherwise end one worker after another, and each with its clients.
///
/// In memory that all workers share, beside the [`Lease`](super::Lease), and written by its holder
/// alone. All zero is none.
///
/// It does not use the crate `retry-backoff`: the count must outlive the process that fails, and
/// one watcher at a time waits, so that there is nothing for a jitter to spread.
#[derive(Debug)]
#[repr(C)]
pub struct RestartBackoff {
    /// The claim of the watcher that has begun, and has neither settled nor ended in order.
    unsettled: AtomicU64,
    /// In milliseconds of the machine's monotonic clock.
    not_before: AtomicU64,
    in_a_row: AtomicU32,
}

/// Why a watcher does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartDelay {
    /// How many watchers in a row have ended before they had settled.
    pub in_a_row: u32,
    /// Milliseconds until the next watcher may begin.
    pub wait: u64,
}

impl fmt::Display for RestartDelay {
    /// What the log and the status say of it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_a_row, wait } = self;
        write!(
            formatter,
            "{in_a_row} watchers in a row exited before all keys were read: the next one starts \
             in {:.1} s, current peers are kept; if the workers were killed, check their memory \
             limit and the number of keys",
            *wait as f64 / 1_000.0
        )
    }
}

impl RestartBackoff {
    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self {
            unsettled: AtomicU64::new(0),
            not_before: AtomicU64::new(0),
            in_a_row: AtomicU32::new(0),
        }
    }

    /// The wait that goes on at the time `now` (ms, monotonic), if one does: nobody is to claim the
    /// lease.
    pub fn waiting(&self, now: u64) -> Option<RestartDelay> {
        let wait =
            self.not_before.load(Ordering::Acquire).checked_sub(now).filter(|&wait| wait > 0)?;
        Some(RestartDelay { in_a_row: self.in_a_row.load(Ordering::Relaxed), wait })
    }

    /// Called by the holder of the lease, whose claim it is, as its watcher is to begin.
    ///
    /// # Errors
    ///
    /// Where it is not to begin, but to give the lease back, since too many before it have ended
    /// too soon.
    pub fn begin(&self, claim: u64, now: u64) -> Result<(), RestartDelay> {
        if self.unsettled.swap(claim, Ordering::AcqRel) == 0 {
            return Ok(());
        }
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        match wait(in_a_row) {
            0 => Ok(()),
            wait => {
                self.not_before.store(now.saturating_add(wait), Ordering::Release);
                self.unsettled.store(0, Ordering::Release);
                Err(RestartDelay { in_a_row, wait })
            }
        }
    }

    /// Stores that the watcher of this claim has published its first lists.
    pub fn settled(&self, claim: u64) {
        if self.ended(claim) {
            self.in_a_row.store(0, Ordering::Release);
        }
    }

    /// The watcher has ended in order. Returns whether it had not settled.
    pub fn ended(&self, claim: u64) -> bool {
        self.unsettled.compare_exchange(claim, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// How long (ms) the next one waits: nothing after one, then twice as long each time.
fn wait(in_a_row: u32) -> u64 {
    match in_a_row.checked_sub(2) {
        None => 0,
        Some(doublings) => FIRST_WAIT
            .saturating_mul(1_u64.checked_shl(doublings).unwrap_or(u64::MAX))
            .min(LONGEST_WAIT),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::sync::atomic::{AtomicU32, AtomicU64};

    use super::{LONGEST_WAIT, RestartBackoff, RestartDelay};

    fn none() -> RestartBackoff {
        RestartBackoff {
            unsettled: AtomicU64::new(0),
            not_before: AtomicU64::new(0),
            in_a_row: AtomicU32::new(0),
        }
    }

    #[test]
    fn from_the_second_in_a_row_on_the_next_one_waits() {
        let restart_backoff = none();
        let mut now = 1_000;
        assert_eq!(restart_backoff.begin(1, now), Ok(()));
        assert_eq!(restart_backoff.begin(2, now), Ok(()));
        for (in_a_row, wait) in [(2, 500), (3, 1_000), (4, 2_000), (5, 4_000)] {
            let restart_delay = RestartDelay { in_a_row, wait };
            assert_eq!(restart_backoff.begin(3, now), Err(restart_delay));
            assert_eq!(restart_backoff.waiting(now), Some(restart_delay));
            now += wait;
            assert_eq!(restart_backoff.waiting(now), None);
            assert_eq!(restart_backoff.begin(4, now), Ok(()));
        }
        for _ in 0..100 {
            let Err(RestartDelay { wait, .. }) = restart_backoff.begin(5, now) else {
                unreachable!("it has not settled")
            };
            assert!(wait <= LONGEST_WAIT);
            now += wait;
            assert_eq!(restart_backoff.begin(6, now), Ok(()));
        }
    }

    #[test]
    fn message_of_a_delay_is_worded_so() {
        assert_eq!(
            RestartDelay { in_a_row: 5, wait: 4_000 }.to_string(),
            "5 watchers in a row exited before all keys were read: the next one starts in 4.0 s, \
             current peers are kept; if the workers were killed, check their memory limit and the \
             number of keys"
        );
    }

    #[test]
    fn one_that_settles_or_ends_in_order_is_not_delayed() {
        let restart_backoff = none();
        for claim in 1..10 {
            assert_eq!(restart_backoff.begin(claim, 0), Ok(()));
            if claim % 2 == 0 {
                restart_backoff.settled(claim);
            } else {
                assert!(restart_backoff.ended(claim));
            }
            assert!(!restart_backoff.ended(claim));
        }
        // It has taken over after one that has not, and settles: later ones are counted from zero.
        for claim in 10..30 {
            assert_eq!(restart_backoff.begin(claim, 0), Ok(()));
            if claim % 2 == 1 {
                restart_backoff.settled(claim);
            }
        }
        // Who has lost the lease says nothing of its successor.
        assert_eq!(restart_backoff.begin(30, 0), Ok(()));
        restart_backoff.settled(29);
        assert!(restart_backoff.ended(30));
    }
}
