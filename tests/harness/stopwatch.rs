//! How long something takes, on a machine that others use as well.

use std::time::{Duration, Instant};

/// Where the kernel tells for how long somebody waited for a processor, and for a disk.
const PRESSURE: [&str; 2] = ["/proc/pressure/cpu", "/proc/pressure/io"];

/// Measures time without that in which a process of this machine, whichever, was ready to run and
/// had no processor, or waited for a disk: what a promise in seconds is to be compared with. On an
/// idle machine it is the time that passes; on a busy one less, so that nobody else's work breaks a
/// promise.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    began: Instant,
    /// How long somebody had waited by then, since the machine started; `None` where the kernel
    /// does not tell.
    waited: Option<Duration>,
}

impl Stopwatch {
    /// Begins to measure.
    pub fn start() -> Self {
        Self { began: Instant::now(), waited: waited() }
    }

    /// The time without waiting since the start; 0 where the kernel does not tell of waiting.
    pub fn elapsed(&self) -> Duration {
        let (Some(before), Some(now)) = (self.waited, waited()) else { return Duration::ZERO };
        self.began.elapsed().saturating_sub(now.saturating_sub(before))
    }

    /// The time since the start, whoever waited.
    pub fn passed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// For how long somebody has waited since the machine started.
fn waited() -> Option<Duration> {
    PRESSURE.iter().map(|file| total(&std::fs::read_to_string(file).ok()?)).sum()
}

/// The total of such a file's line "some": microseconds.
fn total(text: &str) -> Option<Duration> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = line.split(' ').find_map(|word| word.strip_prefix("total="))?;
    Some(Duration::from_micros(total.parse().ok()?))
}
