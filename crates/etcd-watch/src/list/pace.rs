//! How fast a list has to come.

use std::future::Future;
use std::time::Duration;

use super::page_size::FIRST_KEYS;
use crate::listening_time::{Elapsed, within};

/// Keys that are worth a whole [`gain`](Pace::gain): a first page.
const KEYS: usize = FIRST_KEYS as usize;

/// Bytes that are: of keys whose values are so long that a page of them is no message.
const BYTES: usize = 1 << 20;

/// The time that a list may take: none of its pages more than the deadline of an answer, and all of
/// them together no more than what they bring is worth. A page that comes in time and brings next
/// to nothing, again and again, is as bad as none.
///
/// A bucket of time. It is full at first and holds one deadline, each page takes its time out, and
/// 1 000 keys or 1 MiB put a deadline back in: a list has to come at 500 keys a second at first,
/// and at 100 a second from an etcd that was found to be slow.
#[derive(Debug)]
pub(super) struct Pace {
    deadline: Duration,
    left: Duration,
    taken: Duration,
}

impl Pace {
    pub(super) fn new(deadline: Duration) -> Self {
        Self { deadline, left: deadline, taken: Duration::ZERO }
    }

    /// Waits for an answer for as long as there is time left.
    pub(super) async fn wait<F: Future>(&mut self, answer: F) -> Result<F::Output, Elapsed> {
        let before = self.left;
        let result = within(&mut self.left, answer).await;
        self.taken += before - self.left;
        result
    }

    /// An answer has brought so many keys, and so many bytes.
    pub(super) fn gain(&mut self, keys: usize, bytes: usize) {
        let share = (keys as f64 / KEYS as f64).max(bytes as f64 / BYTES as f64).min(1.0);
        self.left = (self.left + self.deadline.mul_f64(share)).min(self.deadline);
    }

    /// Gives a whole deadline to a page that is asked for again.
    pub(super) fn refill(&mut self) {
        self.left = self.deadline;
    }

    /// How long has been waited in all.
    pub(super) fn taken(&self) -> Duration {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::Pace;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many pages come until there is no time left, a hundred at most.
    async fn pages(deadline: Duration, each: Duration, keys: usize, bytes: usize) -> usize {
        let mut pace = Pace::new(deadline);
        for page in 0..100 {
            if pace.wait(sleep(each)).await.is_err() {
                return page;
            }
            pace.gain(keys, bytes);
        }
        100
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_are_full_may_take_their_time() {
        assert_eq!(pages(2 * SECOND, SECOND * 19 / 10, 1_000, 200_000).await, 100);
        assert_eq!(pages(2 * SECOND, SECOND / 4, 60, 15_000_000).await, 100);
        assert_eq!(pages(10 * SECOND, 9 * SECOND, 1_000, 200_000).await, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_bring_next_to_nothing_may_not() {
        assert_eq!(pages(2 * SECOND, SECOND * 3 / 2, 1, 50).await, 1);
        assert_eq!(pages(2 * SECOND, SECOND / 10, 1, 50).await, 20);
        assert_eq!(pages(10 * SECOND, SECOND * 3 / 2, 1, 50).await, 6);
        // Each page takes 1 s and is worth 0.8 s: the sixth has just the second that it needs.
        assert!((5..=6).contains(&pages(2 * SECOND, SECOND, 400, 80_000).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_beginning_is_no_credit() {
        let mut pace = Pace::new(2 * SECOND);
        for _ in 0..1_000 {
            assert!(pace.wait(sleep(SECOND / 100)).await.is_ok());
            pace.gain(1_000, 200_000);
        }
        assert!(pace.wait(sleep(3 * SECOND)).await.is_err());
        assert!(pace.taken() > 11 * SECOND && pace.taken() < 13 * SECOND, "{:?}", pace.taken());
    }
}
