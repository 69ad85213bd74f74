//! Whether an endpoint answers progress requests.

use std::sync::atomic::{AtomicU8, Ordering};

const UNKNOWN: u8 = 0;
const ANSWERED: u8 = 1;
const NEVER: u8 = 2;

/// What is known of an endpoint's answers to progress requests, by all watches of a connection.
/// etcd's members answer them, its grpc-proxy does not.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU8);

impl Progress {
    /// One was answered.
    pub(crate) fn answered(&self) {
        self.0.store(ANSWERED, Ordering::Relaxed);
    }

    /// A watch has waited for an answer in vain, and is sound. Returns whether that is so of all.
    pub(crate) fn unanswered(&self) -> bool {
        let before = self.0.compare_exchange(UNKNOWN, NEVER, Ordering::Relaxed, Ordering::Relaxed);
        matches!(before, Ok(UNKNOWN) | Err(NEVER))
    }

    /// Whether none is ever answered.
    pub(crate) fn is_never_answered(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NEVER
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn one_answer_is_enough_and_a_late_one_as_well() {
        let progress = Progress::default();
        assert!(!progress.is_never_answered());
        progress.answered();
        assert!(!progress.unanswered() && !progress.is_never_answered());
        let progress = Progress::default();
        assert!(progress.unanswered() && progress.unanswered() && progress.is_never_answered());
        progress.answered();
        assert!(!progress.is_never_answered());
    }
}
