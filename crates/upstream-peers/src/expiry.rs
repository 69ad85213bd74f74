//! Leases that run out in great number say more of etcd, or of the network, than of the nodes.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Within how many milliseconds expiries are counted together: etcd revokes the leases that have run out over an outage of its own, or of the
/// announcers' network, in bursts over a few seconds.
pub const EXPIRY_WINDOW: u64 = 10_000;

/// Keeps the keys whose leases have run out at the same time as many others'.
///
/// A key that vanishes with its lease known to be 0 was deleted by somebody, and is not counted. Of the others etcd does not tell whether they
/// were deleted or their lease has run out: the lease is to be looked up ([`leases`](Self::leases)) once it matters.
///
/// `T` is what is needed to put a key back that was let go before so many others followed it.
#[derive(Debug)]
pub struct ExpiryGuard<T> {
    percent: u8,
    hold: u64,
    /// The leases of the keys that are there.
    known: HashMap<Arc<str>, i64>,
    /// What has vanished within the window, and is not there again.
    vanished: HashMap<Arc<str>, Vanished<T>>,
    /// When what vanished, the oldest first; also what is there again.
    order: VecDeque<(u64, Arc<str>)>,
    /// How many of `vanished` were let go, and not put back.
    gone: usize,
    kept: BTreeMap<Arc<str>, Kept>,
}

#[derive(Debug)]
struct Vanished<T> {
    at: u64,
    lease: Option<i64>,
    /// What was let go, until it is put back.
    gone: Option<T>,
}

#[derive(Debug)]
struct Kept {
    until: u64,
    lease: Option<i64>,
    /// Whether the lease is known to be gone, or cannot be known.
    is_judged: bool,
}

/// What becomes of a key that has vanished.
#[derive(Debug, PartialEq, Eq)]
pub enum Vanishing<T> {
    /// It goes. What it was is to be handed to [`let_go`](ExpiryGuard::let_go), if anything.
    Goes,
    /// It stays for now, and with it these, which had gone within the window.
    Stays(Vec<T>),
}

impl<T> ExpiryGuard<T> {
    /// More than `percent` of the keys within [`EXPIRY_WINDOW`] are kept, for `hold` milliseconds.
    pub fn new(percent: u8, hold: u64) -> Self {
        Self {
            percent,
            hold,
            known: HashMap::new(),
            vanished: HashMap::new(),
            order: VecDeque::new(),
            gone: 0,
            kept: BTreeMap::new(),
        }
    }

    /// The key is there, with this lease (0: none).
    pub fn put(&mut self, key: &str, lease: i64) {
        if let Some(known) = self.known.get_mut(key) {
            *known = lease;
            return;
        }
        self.known.insert(Arc::from(key), lease);
        self.kept.remove(key);
        // What is there again is not to be put back.
        self.forget(key);
    }

    /// The key is gone in etcd at the moment `now` (ms), where `members` are there, itself among them.
    pub fn vanish(&mut self, key: &str, members: usize, now: u64) -> Vanishing<T> {
        self.forget_before(now.saturating_sub(EXPIRY_WINDOW));
        let (key, lease) = match self.known.remove_entry(key) {
            // Somebody has deleted it.
            Some((_, 0)) => return Vanishing::Goes,
            Some((key, lease)) => (key, Some(lease)),
            None => (Arc::from(key), None),
        };
        let before = members + self.gone;
        self.forget(&key);
        self.vanished.insert(Arc::clone(&key), Vanished { at: now, lease, gone: None });
        self.order.push_back((now, Arc::clone(&key)));
        if self.vanished.len() * 100 <= usize::from(self.percent) * before {
            return Vanishing::Goes;
        }
        let until = now + self.hold;
        let mut back = Vec::with_capacity(self.gone);
        if std::mem::take(&mut self.gone) > 0 {
            for (key, vanished) in &mut self.vanished {
                let Some(what) = vanished.gone.take() else { continue };
                back.push(what);
                self.kept.insert(Arc::clone(key), Kept::until(until, vanished.lease));
            }
        }
        self.kept.insert(key, Kept::until(until, lease));
        Vanishing::Stays(back)
    }

    /// Takes what the key was that has just been told to go.
    pub fn let_go(&mut self, key: &str, what: T) {
        if let Some(vanished) = self.vanished.get_mut(key) {
            vanished.gone = Some(what);
            self.gone += 1;
        }
    }

    /// A key that is gone in etcd stays until the moment `until` (ms): what kept it before this guard was made is to go on.
    pub fn keep(&mut self, key: &str, until: u64) {
        self.known.remove(key);
        self.kept.insert(Arc::from(key), Kept::until(until, None));
    }

    /// The leases by which it shows whether keys that are kept were deleted by somebody; each once.
    pub fn leases(&self) -> HashSet<i64> {
        self.kept.values().filter(|kept| !kept.is_judged).filter_map(|kept| kept.lease).collect()
    }

    /// What has been found out about a lease. Returns the keys that are to go at once: their lease lives, so somebody has deleted them.
    pub fn judge(&mut self, lease: i64, is_alive: bool) -> Vec<Arc<str>> {
        if is_alive {
            let deleted = self.take(|_, kept| kept.lease == Some(lease));
            // Nor do they count among those whose leases have run out.
            deleted.iter().for_each(|key| self.forget(key));
            return deleted;
        }
        for kept in self.kept.values_mut().filter(|kept| kept.lease == Some(lease)) {
            kept.is_judged = true;
        }
        Vec::new()
    }

    /// The keys whose time is up at `now`. `passes` says whether a key's peers pass their checks, where that is known: those that do stay on,
    /// those that do not go at once.
    pub fn due(&mut self, now: u64, passes: impl Fn(&str) -> Option<bool>) -> Vec<Arc<str>> {
        self.take(|key, kept| passes(key).map_or(kept.until <= now, |passes| !passes))
    }

    /// Whether a key is there only because it is kept.
    pub fn keeps(&self, key: &str) -> bool {
        self.kept.contains_key(key)
    }

    /// How many keys are kept, and until when the last of them (ms), by time alone.
    pub fn kept(&self) -> Option<(usize, u64)> {
        let until = self.kept.values().map(|kept| kept.until).max()?;
        Some((self.kept.len(), until))
    }

    fn take(&mut self, which: impl Fn(&str, &Kept) -> bool) -> Vec<Arc<str>> {
        let keys: Vec<_> =
            self.kept.iter().filter(|(key, kept)| which(key, kept)).map(|(key, _)| Arc::clone(key)).collect();
        for key in &keys {
            self.kept.remove(key);
        }
        keys
    }

    fn forget(&mut self, key: &str) {
        if let Some(vanished) = self.vanished.remove(key) {
            self.gone -= usize::from(vanished.gone.is_some());
        }
    }

    fn forget_before(&mut self, moment: u64) {
        while let Some((at, key)) = self.order.pop_front() {
            if at >= moment {
                self.order.push_front((at, key));
                return;
            }
            if self.vanished.get(&key).is_some_and(|vanished| vanished.at == at) {
                self.forget(&key);
            }
        }
    }
}

impl Kept {
    fn until(until: u64, lease: Option<i64>) -> Self {
        Self { until, lease, is_judged: lease.is_none() }
    }
}

#[cfg(test)]
mod tests;
