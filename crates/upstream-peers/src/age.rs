//! When peers joined, by the revisions at which their keys were made.
//!
//! etcd has no times, only revisions. What an event tells joins now. What a list tells after an
//! outage was made at some time since etcd was last heard: its revision says where between the two
//! revisions, and so about when between the two times.

use std::sync::Arc;

/// A revision of etcd's store, and when it was there, in milliseconds of a monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Moment {
    revision: i64,
    time: u64,
}

/// How the peers were learnt of that have come since the last [`Ages::settle`].
#[derive(Clone, Copy, Debug)]
enum News {
    /// By events, as they happened.
    Events,
    /// By the first list of all, which is exact at `revision`: what it has was there before.
    First { revision: i64 },
    /// By a list after an outage.
    Outage {
        /// The revision up to which every change had come.
        known: i64,
        /// etcd's last word before the outage.
        heard: Moment,
        listed: Moment,
    },
    /// They are of another history, so that their revisions say nothing.
    Another,
}

/// A key that has no address yet.
#[derive(Clone, Debug)]
struct Unresolved {
    key: Arc<str>,
    create_revision: i64,
    joined: u64,
}

/// What is known of a peer already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownAge {
    /// The revision at which its key was made; 0 where that is not known.
    pub create_revision: i64,
    /// When it joined, as [`Ages::joined`] said.
    pub joined: u64,
}

/// Decides when each peer of a prefix joined. Times are milliseconds of a monotonic clock that
/// predecessors have used, too; 0 stands for long ago.
///
/// It is told what etcd says; then, for each peer that is in use from now on,
/// [`joined`](Self::joined) is asked, and [`settle`](Self::settle) ends that.
#[derive(Debug)]
pub struct Ages {
    /// The revision up to which every change has come; 0: nothing was listed ever.
    known: i64,
    /// etcd's last word. It may name a revision above `known` before the changes up to it come.
    heard: Moment,
    news: News,
    /// In the order of their keys.
    unresolved: Vec<Unresolved>,
}

impl Ages {
    /// For a follower that goes on where its predecessor was: `revision` is what that had applied,
    /// 0 where there was none, and `time` when it last heard of etcd.
    pub fn new(revision: i64, time: u64) -> Self {
        Self {
            known: revision,
            heard: Moment { revision, time },
            news: News::Events,
            unresolved: Vec::new(),
        }
    }

    /// A list of all keys has come, of the history that is known, if any is.
    pub fn listed(&mut self, revision: i64, now: u64) {
        let listed = Moment { revision, time: now };
        self.news = match self.news {
            // What was known before that list has not changed since, whatever came in between.
            News::Outage { known, heard, .. } => News::Outage { known, heard, listed },
            News::First { revision } => News::First { revision },
            _ if self.known == 0 => News::First { revision },
            _ => News::Outage { known: self.known, heard: self.heard, listed },
        };
        self.applied(revision, now);
    }

    /// Every change up to `revision` has come: by events, or by a list of another history, which
    /// has no peers in use yet.
    pub fn applied(&mut self, revision: i64, now: u64) {
        self.known = revision;
        self.alive(revision, now);
    }

    /// etcd was heard, and is at `revision`; changes up to that may be still to come.
    pub fn alive(&mut self, revision: i64, now: u64) {
        self.heard = Moment { revision, time: now };
    }

    /// The peers that are in use from now on are those of another history.
    pub fn adopted(&mut self) {
        self.news = News::Another;
    }

    /// When the peer joined that is in use from `now` on; `known` says what is known of the same
    /// key and address.
    ///
    /// A peer that is known keeps what it has, unless its key was deleted and made again.
    pub fn joined(
        &self,
        key: &str,
        create_revision: i64,
        known: Option<KnownAge>,
        now: u64,
    ) -> u64 {
        match known {
            Some(known) if self.is_same_key(known.create_revision, create_revision) => known.joined,
            Some(_) => self.made(create_revision, now),
            None => self
                .waited(key, create_revision)
                .map_or_else(|| self.made(create_revision, now), |unresolved| unresolved.joined),
        }
    }

    /// All peers in use were asked for; those of the keys `unresolved`, in their order, come as
    /// soon as they have an address: they are as old as their keys all the same.
    pub fn settle<'a>(
        &mut self,
        unresolved: impl IntoIterator<Item = (&'a Arc<str>, i64)>,
        now: u64,
    ) {
        let unresolved = unresolved
            .into_iter()
            .map(|(key, create_revision)| Unresolved {
                key: Arc::clone(key),
                create_revision,
                joined: self.joined(key, create_revision, None, now),
            })
            .collect();
        self.unresolved = unresolved;
        self.news = News::Events;
    }

    /// Whether a key that has been there since the one revision is the one that is there now, since
    /// the other.
    fn is_same_key(&self, known: i64, create_revision: i64) -> bool {
        // The first list cannot tell whether what was in hand is of the same history.
        let are_comparable = !matches!(self.news, News::Another | News::First { .. });
        !are_comparable || known == create_revision || known == 0 || create_revision == 0
    }

    fn waited(&self, key: &str, create_revision: i64) -> Option<&Unresolved> {
        let place =
            self.unresolved.binary_search_by(|unresolved| (*unresolved.key).cmp(key)).ok()?;
        self.unresolved
            .get(place)
            .filter(|unresolved| self.is_same_key(unresolved.create_revision, create_revision))
    }

    /// When a peer joined that was not there before, by the revision of its key.
    fn made(&self, create_revision: i64, now: u64) -> u64 {
        match self.news {
            News::First { revision } if create_revision <= revision => 0,
            News::Outage { known, heard, listed } if create_revision > known => {
                estimate(create_revision, heard, listed).clamp(1, now.max(1))
            }
            // Where the key is older than what is known, it is the peer that is new: a value was
            // changed or a name has other addresses.
            News::First { .. } | News::Outage { .. } | News::Events | News::Another => now.max(1),
        }
    }
}

/// When the store was at `revision`, if its revisions have come evenly.
fn estimate(revision: i64, from: Moment, to: Moment) -> u64 {
    if revision <= from.revision {
        return from.time;
    }
    if revision >= to.revision {
        // What came by an event behind the list is no older than that.
        return if revision == to.revision { to.time } else { u64::MAX };
    }
    // At least 2, by the two comparisons above.
    let revisions = u128::from(to.revision.abs_diff(from.revision));
    let past = u128::from(revision.abs_diff(from.revision));
    let span = u128::from(to.time.saturating_sub(from.time));
    // Less than the span, which has 64 bits.
    from.time.saturating_add(u64::try_from(span * past / revisions).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
