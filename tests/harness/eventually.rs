//! Waiting for a condition.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::Result;

/// First and longest pause between two looks: quick at first, then no load of its own.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

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
    let end = Instant::now() + deadline;
    let mut pause = PAUSES.0;
    let mut last = "never came to look".to_owned();
    loop {
        match timeout_at(end, condition()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = format!("the last look hung; the one before: {last}"),
        }
        if Instant::now() + pause > end {
            return Err(format!("not within {deadline:?}: {what}; at last: {last}").into());
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}
