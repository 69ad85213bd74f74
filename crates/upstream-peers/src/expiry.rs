//! Leases that run out in great number say more of etcd, or of the network, than of the nodes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Within how many milliseconds expiries are counted together in any case: etcd revokes the leases
/// that have run out over an outage of its own, or of the announcers' network, in bursts over a few
/// seconds.
pub const EXPIRY_WINDOW: u64 = 10_000;

/// While within the last [`EXPIRY_WINDOW`] as many have run out as this share of all, in percent,
/// they go on, and are counted together however long that takes. Leases that are renewed no more,
/// with a time-to-live of up to 25 minutes and renewals each third of it, run out as fast.
const GOES_ON: usize = 2;

/// So many go on in any case. etcd revokes no more than 1 000 leases in a second (`leaseRevokeRate`
/// in its `server/lease/lessor.go`), and after a restart or an election spreads them to 750: a
/// large fleet's take minutes.
const GOES_ON_AT_MOST: usize = 1_000;

/// Keeps the keys whose leases run out together with many others'.
///
/// The share that counts is the one that is missing: of the keys that were there when the expiries
/// began, or at any time since then, those that have gone or are kept. Where others come in their
/// place nothing is missing.
///
/// A key that vanishes with its lease known to be 0 was deleted by somebody, and is not counted. Of
/// the others etcd does not tell whether they were deleted or their lease has run out: the lease is
/// to be looked up ([`leases`](Self::leases)).
///
/// `T` is what is needed to put a key back that was let go before so many others followed it.
#[derive(Debug)]
pub struct ExpiryGuard<T> {
    percent: u8,
    hold: u64,
    /// The leases of the keys that are there.
    known: HashMap<Arc<str>, i64>,
    /// What was let go since the expiries began that still go on, or within the window, and is not
    /// there again.
    gone: HashMap<Arc<str>, Gone<T>>,
    /// When what has gone did so, the oldest first; also what is there again.
    order: VecDeque<(u64, Arc<str>)>,
    /// When leases ran out within the window, the oldest first.
    recent: VecDeque<u64>,
    /// The most keys that have been there since the expiries began.
    most: usize,
    kept: BTreeMap<Arc<str>, HeldKey>,
    /// The leases of which it is to be found out whether they live, and the keys that have vanished
    /// with them.
    doubts: HashMap<i64, Vec<Arc<str>>>,
}

#[derive(Debug)]
struct Gone<T> {
    at: u64,
    lease: Option<i64>,
    /// What was let go, if anything.
    what: Option<T>,
}

#[derive(Debug)]
struct HeldKey {
    until: u64,
    lease: Option<i64>,
}

/// What becomes of a key that has vanished.
#[derive(Debug, PartialEq, Eq)]
pub enum Vanishing<T> {
    /// It goes. What it was is to be handed to [`let_go`](ExpiryGuard::let_go), if anything.
    Goes,
    /// It stays for now, and with it these, which had gone before it.
    Stays(Vec<T>),
}

impl<T> ExpiryGuard<T> {
    /// More than `percent` of the keys are kept, for `hold` milliseconds each.
    pub fn new(percent: u8, hold: u64) -> Self {
        Self {
            percent,
            hold,
            known: HashMap::new(),
            gone: HashMap::new(),
            order: VecDeque::new(),
            recent: VecDeque::new(),
            most: 0,
            kept: BTreeMap::new(),
            doubts: HashMap::new(),
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
        self.gone.remove(key);
    }

    /// The key is gone in etcd at the moment `now` (ms), where `members` are there, itself and
    /// those that are kept among them.
    pub fn vanish(&mut self, key: &str, members: usize, now: u64) -> Vanishing<T> {
        if self.kept.contains_key(key) {
            return Vanishing::Stays(Vec::new());
        }
        let (key, lease) = match self.known.remove_entry(key) {
            // Somebody has deleted it.
            Some((_, 0)) => {
                self.most = self.most.saturating_sub(1);
                return Vanishing::Goes;
            }
            Some((key, lease)) => (key, Some(lease)),
            None => (Arc::from(key), None),
        };
        if let Some(lease) = lease {
            self.doubts.entry(lease).or_default().push(Arc::clone(&key));
        }
        self.count(members, now);
        let left = members.saturating_sub(self.kept.len() + 1);
        let missing = self.most.saturating_sub(left);
        if missing * 100 <= usize::from(self.percent) * self.most {
            self.order.push_back((now, Arc::clone(&key)));
            self.gone.insert(key, Gone { at: now, lease, what: None });
            return Vanishing::Goes;
        }
        let until = now + self.hold;
        let mut back = Vec::with_capacity(self.gone.len());
        // What had nothing to be put back still counts.
        for (key, gone) in self.gone.extract_if(|_, gone| gone.what.is_some()) {
            back.extend(gone.what);
            self.kept.insert(key, HeldKey { until, lease: gone.lease });
        }
        self.kept.insert(key, HeldKey { until, lease });
        Vanishing::Stays(back)
    }

    /// Counts one more expiry, and forgets those before it that it does not go on from.
    fn count(&mut self, members: usize, now: u64) {
        let window = now.saturating_sub(EXPIRY_WINDOW);
        while self.recent.front().is_some_and(|&at| at < window) {
            self.recent.pop_front();
        }
        let all = members + self.gone.len();
        let goes_on = self.recent.len() >= (all * GOES_ON / 100).clamp(1, GOES_ON_AT_MOST);
        self.recent.push_back(now);
        if goes_on {
            self.most = self.most.max(members);
        } else {
            self.forget_before(window);
            self.most = members + self.gone.len();
        }
        // Where keys come and go all the time under ever new names, the oldest are not waited for.
        while self.order.len() > self.most.max(1) {
            if let Some((at, key)) = self.order.pop_front() {
                self.forget(&key, at);
            }
        }
    }

    /// A key is gone that stood for no peer: it does not count.
    pub fn forget_key(&mut self, key: &str) {
        self.known.remove(key);
    }

    /// Takes what the key was that has just been told to go.
    pub fn let_go(&mut self, key: &str, what: T) {
        if let Some(gone) = self.gone.get_mut(key) {
            gone.what = Some(what);
        }
    }

    /// A key that is gone in etcd stays until the moment `until` (ms): what kept it before this
    /// guard was made is to go on.
    pub fn hold(&mut self, key: &str, until: u64) {
        self.known.remove(key);
        self.kept.insert(Arc::from(key), HeldKey { until, lease: None });
    }

    /// The leases by which it shows whether keys that have gone, or are kept, were deleted by
    /// somebody.
    pub fn leases(&self) -> impl Iterator<Item = i64> {
        self.doubts.keys().copied()
    }

    /// What has been found out about a lease. Returns the keys that are to go at once: their lease
    /// lives, so somebody has deleted them.
    pub fn judge(&mut self, lease: i64, is_alive: bool) -> Vec<Arc<str>> {
        let mut keys = self.doubts.remove(&lease).unwrap_or_default();
        if !is_alive {
            return Vec::new();
        }
        // Of those that are as they were, none counts among those whose leases have run out.
        let is_gone = |gone: &Gone<T>| gone.lease == Some(lease);
        let gone: Vec<&Arc<str>> =
            keys.iter().filter(|&key| self.gone.get(key).is_some_and(is_gone)).collect();
        self.most = self.most.saturating_sub(gone.len());
        for key in gone {
            self.gone.remove(key);
        }
        keys.retain(|key| self.kept.get(key).is_some_and(|kept| kept.lease == Some(lease)));
        for key in &keys {
            self.kept.remove(key);
        }
        self.most = self.most.saturating_sub(keys.len());
        keys
    }

    /// The keys whose time is up at `now`. `passes` says whether a key's peers pass their checks,
    /// where that is known: those that do stay on, those that do not go at once.
    pub fn due(&mut self, now: u64, passes: impl Fn(&str) -> Option<bool>) -> Vec<Arc<str>> {
        let is_due = |key: &str, until| passes(key).map_or(until <= now, |passes| !passes);
        let due = self.kept.iter().filter(|(key, kept)| is_due(key, kept.until));
        let due: Vec<_> = due.map(|(key, _)| Arc::clone(key)).collect();
        for key in &due {
            self.kept.remove(key);
        }
        due
    }

    /// Whether a key is there only because it is kept.
    pub fn keeps(&self, key: &str) -> bool {
        self.kept.contains_key(key)
    }

    /// Whether any key is.
    pub fn is_keeping(&self) -> bool {
        !self.kept.is_empty()
    }

    /// How many keys are kept, and until when the last of them (ms), by time alone.
    pub fn kept(&self) -> Option<(usize, u64)> {
        let until = self.kept.values().map(|kept| kept.until).max()?;
        Some((self.kept.len(), until))
    }

    /// What had gone at this moment, unless it has been there again.
    fn forget(&mut self, key: &str, at: u64) {
        if self.gone.get(key).is_some_and(|gone| gone.at == at) {
            self.gone.remove(key);
        }
    }

    fn forget_before(&mut self, moment: u64) {
        while let Some((at, key)) = self.order.pop_front() {
            if at >= moment {
                self.order.push_front((at, key));
                return;
            }
            self.forget(&key, at);
        }
    }
}

#[cfg(test)]
mod tests;
