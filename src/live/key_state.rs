//! What is known of a key, or of those below a prefix, in shared memory: written by the watcher,
//! read by everybody.

use core::sync::atomic::{AtomicU64, Ordering};

use etcd_watch::{Continuity, DEFAULT_HOLD, Holding, Origin};
use live_value::ValueCell;

use crate::nginx::clock;

/// The longest reason of a rejection that is shown, in bytes.
const MAX_REASON_LENGTH: usize = 512;

/// How long (ms) values are held.
pub(crate) const HOLD: u64 = DEFAULT_HOLD.as_millis() as u64;

/// What is known beside the values. Zeroes are keys of which nothing is known.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct KeyState {
    /// Why the present value is rejected, if it is. The source of its tag is the value's hash.
    rejection: ValueCell<{ MAX_REASON_LENGTH / size_of::<u64>() }>,
    /// Values rejected so far.
    rejected: AtomicU64,
    /// Where the values in hand came from: the cluster's id (0: not known) and the revision.
    cluster_id: AtomicU64,
    revision: AtomicU64,
    /// Until when (ms of the monotonic clock) they outlive a wiped etcd; 0 where they do not.
    held_until: AtomicU64,
    /// Whether that is because another cluster has taken its place.
    is_other_cluster: AtomicU64,
}

impl KeyState {
    /// Where the values in hand came from; `None` where that is not known.
    pub(crate) fn origin(&self) -> Option<Origin> {
        let cluster_id = self.cluster_id.load(Ordering::Relaxed);
        let revision = self.revision.load(Ordering::Relaxed).cast_signed();
        (cluster_id != 0).then_some(Origin { cluster_id, revision })
    }

    /// Why and until when they outlive a wiped etcd; `None` where they do not.
    pub(crate) fn holding(&self) -> Option<Holding> {
        let until = self.held_until.load(Ordering::Relaxed);
        let is_other = self.is_other_cluster.load(Ordering::Relaxed) != 0;
        let continuity =
            if is_other { Continuity::OtherCluster } else { Continuity::OlderRevision };
        (until != 0).then_some(Holding { continuity, until })
    }

    /// Writes where the values in hand came from, and whether they outlive a wiped etcd.
    pub(crate) fn store_origin(&self, origin: Option<Origin>, holding: Option<Holding>) {
        let origin = origin.unwrap_or(Origin { cluster_id: 0, revision: 0 });
        self.cluster_id.store(origin.cluster_id, Ordering::Relaxed);
        self.revision.store(origin.revision.cast_unsigned(), Ordering::Relaxed);
        let is_other =
            holding.is_some_and(|holding| holding.continuity == Continuity::OtherCluster);
        self.is_other_cluster.store(is_other.into(), Ordering::Relaxed);
        let until = holding.map_or(0, |holding| holding.until.max(1));
        self.held_until.store(until, Ordering::Relaxed);
    }

    /// Goes on with what is known elsewhere.
    pub(super) fn go_on(&self, old: &Self) {
        self.store_origin(old.origin(), old.holding());
        self.rejected.store(old.rejected(), Ordering::Relaxed);
    }

    /// The present value is not rejected.
    pub(crate) fn accept(&self) {
        if self.rejection().is_some() {
            self.rejection.write(None, live_value::Tag::default());
        }
    }

    /// The present value, of this hash, is rejected. Returns whether that is news, also where
    /// another watcher has logged it.
    pub(crate) fn reject(&self, reason: &str, hash: u64) -> bool {
        if self.rejection() == Some(hash) {
            return false;
        }
        self.rejected.fetch_add(1, Ordering::Relaxed);
        let tag = live_value::Tag { source: hash, revision: 0 };
        self.rejection.write(Some(reason.as_bytes()), tag);
        true
    }

    /// The hash of the present value, if it is rejected.
    fn rejection(&self) -> Option<u64> {
        let reading = self.rejection.read(&mut []).ok()?;
        reading.length.map(|_| reading.tag.source)
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

    /// Seconds for which the values outlive a wiped etcd at most; `None` where they do not.
    pub(crate) fn seconds_held(&self) -> Option<f64> {
        let Holding { until, .. } = self.holding()?;
        Some(until.saturating_sub(clock::now()) as f64 / 1_000.0)
    }
}
