//! How long to wait before a name that could not be looked up is tried again.

use std::time::Duration;

use retry_backoff::Backoff;

/// The first wait: as short as the shortest time to live, so that no name server is asked more
/// often for a name that fails than for one that does not.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait, jitter included: what was repaired is found within this time.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// The waits of one name: 1 s, doubling to 30 s.
pub(crate) fn new() -> Backoff {
    Backoff::new(FIRST, LONGEST)
}
