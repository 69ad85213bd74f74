//! What the machine has for the proxies.

use std::thread::available_parallelism;

use harness::Result;
use nix::sys::resource::{Resource, getrlimit};

use crate::farm::allow_descriptors;

/// Descriptors for anything but sessions.
const OTHER_DESCRIPTORS: u64 = 2_000;

/// Whether the proxy has a processor of its own.
pub fn is_divided() -> bool {
    available_parallelism().is_ok_and(|count| count.get() > 1)
}

/// As many sessions as descriptors allow, which in each process are raised to the hard limit: two
/// for each of them.
///
/// # Errors
///
/// Those of asking.
pub fn most_sessions() -> Result<usize> {
    allow_descriptors()?;
    let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(usize::try_from(descriptors.saturating_sub(OTHER_DESCRIPTORS) / 2)?)
}
