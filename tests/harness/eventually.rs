//! Waiting for a condition.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Result;

/// First and longest pause between two looks: quick at first, then no load of its own.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// How much of the time counts at once: see [`within`].
const SLICE: Duration = Duration::from_millis(100);

/// Looks again and again until `condition` is fulfilled, and gives what it gave.
///
/// # Errors
///
/// After `deadline`: what was waited for, and the condition's last error.
pub async fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let mut left = deadline;
    let mut pause = PAUSES.0;
    let mut last = "never came to look".to_owned();
    loop {
        match within(&mut left, condition()).await {
            Some(Ok(value)) => return Ok(value),
            Some(Err(error)) => last = error.to_string(),
            None => last = format!("the last look hung; the one before: {last}"),
        }
        if left < pause {
            return Err(format!("not within {deadline:?}: {what}; at last: {last}").into());
        }
        sleep(pause).await;
        left -= pause;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// What `future` gives, if it does in the time that is left, and takes from that what passes
/// meanwhile.
///
/// Of a time in which nobody ran, this process as little as those it waits for, only a slice
/// counts: a machine that stands still for seconds says nothing of what it runs.
async fn within<F: Future>(left: &mut Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    while !left.is_zero() {
        let (slice, began) = (SLICE.min(*left), Instant::now());
        tokio::select! {
            // Cancel safe: the future goes on from slice to slice; only the sleep is made anew.
            biased;
            output = &mut future => {
                *left -= began.elapsed().min(slice);
                return Some(output);
            }
            () = sleep(slice) => *left -= slice,
        }
    }
    None
}
