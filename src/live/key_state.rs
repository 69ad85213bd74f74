//! What is known of a key, or of those below a prefix, in shared memory: written by the watcher,
//! read by everybody.

use core::sync::atomic::{AtomicU64, Ordering};

use etcd_watch::{Continuity, DEFAULT_HOLD, Holding, Origin};
use live_value::ValueCell;

use crate::nginx::clock;

/// The longest reason of a rejection that is shown, in bytes.
const MAX_REASON_LENGTH: usize = 512;

/// Of how many rejected values it is known, whoever watches, that they were counted and logged.
const MAX_KNOWN: usize = 64;

/// How long (ms) values are held.
pub(crate) const HOLD: u64 = DEFAULT_HOLD.as_millis() as u64;

/// What is known beside the values. Zeroes are keys of which nothing is known.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct KeyState {
    /// Why the present value is rejected, if it is. The source of its tag is the value's hash.
    rejection: ValueCell<{ MAX_REASON_LENGTH / size_of::<u64>() }>,
    /// The hashes of values that are rejected at present, and were counted; 0: none.
    known: [AtomicU64; MAX_KNOWN],
    /// Values rejected so far.
    rejected: AtomicU64,
    /// Where the values in hand came from: the cluster's id (0: not known) and the revision.
    cluster_id: AtomicU64,
    revision: AtomicU64,
    /// Until when (ms of the monotonic clock) they outlive a wiped etcd; 0 where they do not.
    held_until: AtomicU64,
    /// Whether that is because another cluster has taken its place.
    is_other_cluster: AtomicU64,
    /// Why the state file could not be read or written, if it could not be. The revision of its tag
    /// is that of the file.
    saved: ValueCell<{ MAX_REASON_LENGTH / size_of::<u64>() }>,
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
        self.set_known(old.known.iter().map(|hash| hash.load(Ordering::Relaxed)));
        self.rejected.store(old.rejected(), Ordering::Relaxed);
        let (revision, trouble) = old.saved();
        self.store_saved(revision, trouble.as_deref());
    }

    /// Writes which revision the state file has, and why it could not be read or written.
    pub(crate) fn store_saved(&self, revision: Option<u64>, trouble: Option<&str>) {
        let tag = live_value::Tag { source: 0, revision: revision.unwrap_or_default() };
        self.saved.write(trouble.map(str::as_bytes), tag);
    }

    /// Which revision the state file has, and why it could not be read or written.
    pub(crate) fn saved(&self) -> (Option<u64>, Option<String>) {
        let mut text = [0; MAX_REASON_LENGTH];
        let Ok(reading) = self.saved.read(&mut text) else { return (None, None) };
        let trouble = reading.length.map(|length| String::from_utf8_lossy(&text[..length]));
        let revision = Some(reading.tag.revision).filter(|&revision| revision != 0);
        (revision, trouble.map(|text| text.into_owned()))
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
        let is_known = self.known.iter().any(|known| known.load(Ordering::Relaxed) == hash);
        if is_known || self.rejection() == Some(hash) {
            return false;
        }
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.show_rejection(reason, hash);
        true
    }

    /// These are the hashes of all values that are rejected at present. Those that do not fit are
    /// news to the next watcher.
    pub(crate) fn set_known(&self, hashes: impl Iterator<Item = u64>) {
        let hashes = hashes.filter(|&hash| hash != 0).chain(core::iter::repeat(0));
        for (known, hash) in self.known.iter().zip(hashes) {
            known.store(hash, Ordering::Relaxed);
        }
    }

    /// The value of this hash is not there any more.
    pub(crate) fn forget(&self, hash: u64) {
        for known in self.known.iter().filter(|known| known.load(Ordering::Relaxed) == hash) {
            known.store(0, Ordering::Relaxed);
        }
    }

    /// Shows a value that was rejected before, of this hash, in the place of another one.
    pub(crate) fn show_rejection(&self, reason: &str, hash: u64) {
        let tag = live_value::Tag { source: hash, revision: 0 };
        self.rejection.write(Some(reason.as_bytes()), tag);
    }

    /// The hash of the present value, if it is rejected.
    pub(crate) fn rejection(&self) -> Option<u64> {
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
