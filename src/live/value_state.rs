//! What is known of a key, or of those below a prefix, in shared memory: written by the watcher,
//! read by everybody.

use core::sync::atomic::{AtomicU64, Ordering};

use live_value::{Origin, ValueCell};

use crate::{nginx::clock, zones::Shared};

/// The longest reason of a rejection that is shown, in bytes.
pub(crate) const MAX_REASON_LENGTH: usize = 512;

/// For how long (ms) what is in hand outlives a wiped etcd: as long as peers do where `hold=` says
/// nothing else.
pub(crate) const HOLD: u64 = 60_000;

/// What is known. Zeroes are a key that was never heard of.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Known<const WORDS: usize> {
    /// The last good value, of at most `WORDS` words of eight bytes.
    pub(crate) value: ValueCell<WORDS>,
    /// Why the present value is rejected, if it is; the value's hash lies where other values have a
    /// cluster's id.
    rejection: ValueCell<{ MAX_REASON_LENGTH / size_of::<u64>() }>,
    /// Values rejected so far.
    rejected: AtomicU64,
    /// How far etcd was when it last spoke: the cluster's id and the revision. It is not moved
    /// while what is in hand outlives a wiped etcd.
    cluster_id: AtomicU64,
    revision: AtomicU64,
    /// Until when (ms of the monotonic clock) what is in hand outlives a wiped etcd; 0 where it
    /// does not.
    held_until: AtomicU64,
}

// SAFETY: zeroes are a key that was never heard of; all of it is atomic.
unsafe impl<const WORDS: usize> Shared for Known<WORDS> {}

/// How an etcd that lists relates to the one that spoke last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Succession {
    /// It goes on from there.
    GoesOn,
    /// It is another cluster.
    Another,
    /// It is the same one in an older state.
    Older,
}

impl<const WORDS: usize> Known<WORDS> {
    /// How an etcd that lists relates to the one that spoke last.
    pub(crate) fn succession(&self, cluster_id: u64, revision: u64) -> Succession {
        let before = self.cluster_id.load(Ordering::Relaxed);
        if before != 0 && before != cluster_id {
            Succession::Another
        } else if revision < self.revision.load(Ordering::Relaxed) {
            Succession::Older
        } else {
            Succession::GoesOn
        }
    }

    /// The cluster that spoke last.
    pub(crate) fn cluster_id(&self) -> u64 {
        self.cluster_id.load(Ordering::Relaxed)
    }

    /// Goes on with what is known elsewhere, but for the value.
    pub(crate) fn go_on(&self, old: &Self) {
        self.go_on_from(old.cluster_id(), old.revision.load(Ordering::Relaxed));
        self.held_until.store(old.held_until.load(Ordering::Relaxed), Ordering::Relaxed);
        self.rejected.store(old.rejected(), Ordering::Relaxed);
    }

    /// etcd has listed, and what it lists is what counts from now on.
    pub(crate) fn go_on_from(&self, cluster_id: u64, revision: u64) {
        self.cluster_id.store(cluster_id, Ordering::Relaxed);
        self.revision.store(revision, Ordering::Relaxed);
    }

    /// While what is in hand outlives a wiped etcd, whoever takes over must see the same
    /// difference.
    pub(crate) fn note_revision(&self, revision: i64) {
        if !self.is_held() {
            self.revision.fetch_max(revision.unsigned_abs(), Ordering::Relaxed);
        }
    }

    /// Writes the last good value, or that there is none.
    pub(crate) fn write(&self, value: Option<&[u8]>, revision: u64) {
        let cluster_id = self.cluster_id.load(Ordering::Relaxed);
        self.value.write(value, Origin { cluster_id, revision });
    }

    /// The present value is not rejected.
    pub(crate) fn accept(&self) {
        if self.rejection().is_some() {
            self.rejection.write(None, Origin::default());
        }
    }

    /// The present value, of this hash, is rejected. Says whether that is news, also where another
    /// watcher has told of it.
    pub(crate) fn reject(&self, reason: &str, value: u64, revision: u64) -> bool {
        if self.rejection() == Some(value) {
            return false;
        }
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.rejection.write(Some(reason.as_bytes()), Origin { cluster_id: value, revision });
        true
    }

    /// The hash of the present value, if it is rejected.
    fn rejection(&self) -> Option<u64> {
        let reading = self.rejection.read(&mut []).ok()?;
        reading.length.map(|_| reading.origin.cluster_id)
    }

    /// Why the present value is rejected, if it is.
    pub(crate) fn reason(&self) -> Option<String> {
        let mut reason = [0; MAX_REASON_LENGTH];
        let length = self.rejection.read(&mut reason).ok()?.length?;
        Some(String::from_utf8_lossy(&reason[..length]).into_owned())
    }

    /// Values rejected so far.
    pub(crate) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// What is in hand outlives a wiped etcd from now on, if it does not yet. Says whether that is
    /// news.
    pub(crate) fn hold(&self) -> bool {
        !self.is_held() && {
            self.held_until.store(clock::now() + HOLD, Ordering::Relaxed);
            true
        }
    }

    /// What etcd has is what counts.
    pub(crate) fn release(&self) {
        self.held_until.store(0, Ordering::Relaxed);
    }

    /// Whether what is in hand outlives a wiped etcd.
    pub(crate) fn is_held(&self) -> bool {
        self.held_until.load(Ordering::Relaxed) != 0
    }

    /// Seconds for which what is in hand outlives a wiped etcd at most; `None` where it does not.
    pub(crate) fn held(&self) -> Option<f64> {
        let until = self.held_until.load(Ordering::Relaxed);
        (until != 0).then(|| until.saturating_sub(clock::now()) as f64 / 1_000.0)
    }

    /// Whether the time is up for which what is in hand outlives a wiped etcd.
    pub(crate) fn is_due(&self) -> bool {
        self.held() == Some(0.0)
    }

    /// The time is up. The next word of etcd's says how far it is.
    pub(crate) fn end_hold(&self) {
        self.go_on_from(0, 0);
    }
}
