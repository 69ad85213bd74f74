//! Deadlines for tasks that share a thread with others.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep};

/// How much of a deadline passes at a time, at most.
const SLICE: Duration = Duration::from_millis(100);

/// The deadline has passed.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// What `future` gives, if it does within a deadline.
///
/// Time in which this thread did something else, and so could not have heard an answer, does not
/// count: who makes a table of a great list in the same thread would otherwise find, each time,
/// that etcd had not answered meanwhile.
pub(crate) async fn listening_timeout<F: Future>(
    mut deadline: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    within(&mut deadline, future).await
}

/// The same, where the time that it takes is taken off what is `left`.
pub(crate) async fn within<F: Future>(
    left: &mut Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    while !left.is_zero() {
        let (slice, began) = ((*left).min(SLICE), Instant::now());
        select! {
            // Cancel safe: the future goes on from slice to slice; only the sleep is made again.
            biased;
            result = &mut future => {
                *left -= began.elapsed().min(slice);
                return Ok(result);
            }
            // Dropping the sleep loses nothing: what has passed of it is taken off above.
            () = sleep(slice) => *left -= slice,
        }
    }
    Err(Elapsed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::{Instant, sleep};

    use super::{listening_timeout, within};

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_taken_and_what_does_not_is_not() {
        let second = Duration::from_secs(1);
        assert!(listening_timeout(second, sleep(second / 2)).await.is_ok());
        let began = Instant::now();
        assert!(listening_timeout(second, std::future::pending::<()>()).await.is_err());
        assert!(began.elapsed() >= second && began.elapsed() < 2 * second);
        assert!(listening_timeout(Duration::ZERO, async {}).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_takes_is_taken_off() {
        let mut left = Duration::from_secs(1);
        assert!(within(&mut left, sleep(Duration::from_millis(250))).await.is_ok());
        assert!(within(&mut left, sleep(Duration::from_millis(250))).await.is_ok());
        assert!(
            left > Duration::from_millis(450) && left <= Duration::from_millis(500),
            "{left:?}"
        );
        assert!(within(&mut left, std::future::pending::<()>()).await.is_err());
        assert_eq!(left, Duration::ZERO);
    }

    #[tokio::test]
    async fn a_thread_that_is_busy_loses_no_answer() {
        let (sender, receiver) = oneshot::channel();
        let asking = tokio::spawn(async move {
            listening_timeout(Duration::from_millis(200), receiver).await.is_ok()
        });
        tokio::task::yield_now().await;
        // The time is more than over when the answer is sent, and nobody has listened meanwhile.
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(300) {
            std::hint::spin_loop();
        }
        let answering = tokio::spawn(async move { sender.send(()).is_ok() });
        assert!(answering.await.is_ok_and(|sent| sent));
        assert!(asking.await.is_ok_and(|answered| answered));
    }
}
