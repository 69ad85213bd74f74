//! What is in hand of a prefix, and what becomes of it when etcd was wiped, restored or replaced.

use std::{mem, time::Duration};

use crate::origin::{Continuity, Origin};

/// How long values are held if nobody says otherwise. The default of the parameter `hold=` of the
/// directive `etcd` is the same.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(60);

/// A copy of what etcd has below a prefix, which outlives an etcd that was wiped, restored or
/// replaced.
///
/// As long as the same etcd answers ([`Continuity::Same`]), whatever it says is written into the
/// values in hand. A list of another cluster, or of an older revision, begins a *hold*: the values
/// in hand stay, and what the new etcd has is collected in a *successor* beside them. The hold
/// ends when
///
/// * the caller finds the successor good enough ([`adopt_if`](Self::adopt_if)), which is asked
///   after each list and each event. One key that is not valid must not end the hold, so that the
///   caller counts valid keys only;
/// * nothing is in hand any more (the caller says so in the same call), since a deletion is meant,
///   whichever etcd the key came from: [`delete`](Self::delete) acts on both;
/// * its time is over while etcd is followed ([`end_hold`](Self::end_hold)). What etcd has is not
///   known while it cannot be followed.
///
/// Further lists neither end the hold nor prolong it, also where the new etcd has come past the
/// old one's revision, or was wiped once more.
///
/// The type does no I/O and reads no clock: times are milliseconds of any monotonic clock, the
/// same one in all calls.
///
/// # What to keep for the next process
///
/// The values [in hand](Self::in_hand), their [`origin`](Self::origin) and the
/// [`holding`](Self::holding), each after every call that may have changed it. While values are
/// held, the origin remains the old etcd's, so that a further start sees the same difference. If
/// the holding is given to [`resume`](Self::resume), the hold goes on for the rest of its time; a
/// caller that keeps only its [`Continuity`] gives it a time of its own.
///
/// Write the values before their origin: a process that goes on from what was written in between
/// takes the new values for the old etcd's, and not the old values for all that the new etcd has.
///
/// # Example
///
/// Numbers by key. A value that is no number is not valid, and keeps the last good one.
///
/// ```
/// use std::collections::BTreeMap;
/// use etcd_watch::{Continuity, Origin, Replica};
///
/// type Numbers = BTreeMap<&'static str, u32>;
///
/// fn put(numbers: &mut Numbers, key: &'static str, value: &str) {
///     if let Ok(number) = value.parse() {
///         numbers.insert(key, number);
///     }
/// }
///
/// /// To be called after each list and each event.
/// fn settle(numbers: &mut Replica<Numbers>) -> bool {
///     numbers.adopt_if(|in_hand, new| in_hand.is_empty() || !new.is_empty()).is_some()
/// }
///
/// // Kept by the process before: its values, and where they came from.
/// let origin = Origin { cluster_id: 7, revision: 100 };
/// let mut numbers = Replica::new(Numbers::from([("a", 1)]), Some(origin), 60_000);
///
/// // `Update::Listed`: the etcd was wiped, and has one key that is not valid.
/// let wiped = Origin { cluster_id: 7, revision: 3 };
/// let listing = numbers.list(wiped, 0, |_| Numbers::new());
/// assert!(listing.begins_hold && listing.continuity == Continuity::OlderRevision);
/// put(numbers.newest_mut(), "junk", "?");
/// assert!(!settle(&mut numbers));
/// assert_eq!(numbers.in_hand()["a"], 1);
/// assert_eq!(numbers.origin(), Some(origin), "what the next process is to compare with");
///
/// // `Update::Changed`, `Update::Alive`: events go to what follows etcd.
/// numbers.note_revision(4);
/// put(numbers.newest_mut(), "b", "2");
/// assert!(settle(&mut numbers));
/// assert_eq!(numbers.in_hand(), &Numbers::from([("b", 2)]));
/// assert_eq!(numbers.origin(), Some(Origin { cluster_id: 7, revision: 4 }));
/// ```
///
/// # What the caller decides
///
/// * What a successor begins with: the third argument of [`list`](Self::list). Nothing, as a
///   rule. A single value whose key counts whatever its value is begins as a copy of the value in
///   hand, with a mark that says whether the new etcd has the key.
/// * Whether a line is logged for each new break ([`Listing::continuity`]) or once for a hold
///   ([`Listing::begins_hold`], and still held after [`adopt_if`](Self::adopt_if)).
/// * When the successor is looked at: at once, or where it is published (host names may have to be
///   resolved before a peer counts).
/// * What of the values before remains ([`Replaced::former`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica<T> {
    in_hand: T,
    origin: Option<Origin>,
    /// The etcd that spoke last.
    latest: Option<Origin>,
    /// Milliseconds.
    hold: u64,
    state: ReplicaState<T>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ReplicaState<T> {
    /// The values in hand are those of the etcd that is followed.
    Followed,
    /// A process before held them, and nothing was listed yet.
    Resumed(Holding),
    /// They outlive another etcd, which has this.
    Held { holding: Holding, successor: T },
}

/// Why values are held, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// How etcd relates to the one before; not [`Continuity::Same`].
    pub continuity: Continuity,
    /// In milliseconds of the caller's clock.
    pub until: u64,
}

/// What a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// How the etcd that has listed relates to the one that spoke last.
    pub continuity: Continuity,
    /// Whether values that were not held are held from now on.
    pub begins_hold: bool,
}

/// Values that a successor has taken the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced<T> {
    /// The values that were in hand.
    pub former: T,
    /// Why they were held.
    pub continuity: Continuity,
}

impl<T> Replica<T> {
    /// Values that were kept, and where they came from; `None` where nothing was kept or where that
    /// is not known, so that any etcd goes on from there. `hold` is in milliseconds.
    #[must_use]
    pub const fn new(in_hand: T, origin: Option<Origin>, hold: u64) -> Self {
        Self { in_hand, origin, latest: origin, hold, state: ReplicaState::Followed }
    }

    /// The values were held by the process before, whose hold goes on. To be called before the
    /// first list.
    #[must_use]
    pub fn resume(self, holding: Holding) -> Self {
        Self { state: ReplicaState::Resumed(holding), ..self }
    }

    /// etcd has listed. The list is to be written into [`newest_mut`](Self::newest_mut) behind
    /// this, in the place of all that it has. `fresh` makes the content of a successor, before the
    /// list is written into it.
    pub fn list(&mut self, listed: Origin, now: u64, fresh: impl FnOnce(&T) -> T) -> Listing {
        let continuity = self.latest.map_or(Continuity::Same, |latest| latest.continuity(listed));
        self.latest = Some(listed);
        let is_same = continuity == Continuity::Same;
        let again = |holding: Holding| Holding {
            continuity: if is_same { holding.continuity } else { continuity },
            ..holding
        };
        let (holding, successor, begins_hold) =
            match mem::replace(&mut self.state, ReplicaState::Followed) {
                ReplicaState::Followed if is_same => {
                    self.origin = Some(listed);
                    return Listing { continuity, begins_hold: false };
                }
                ReplicaState::Followed => {
                    (Holding { continuity, until: now.saturating_add(self.hold) }, None, true)
                }
                ReplicaState::Resumed(holding) => (again(holding), None, false),
                ReplicaState::Held { holding, successor } => {
                    (again(holding), Some(successor).filter(|_| is_same), false)
                }
            };
        let successor = successor.unwrap_or_else(|| fresh(&self.in_hand));
        self.state = ReplicaState::Held { holding, successor };
        Listing { continuity, begins_hold }
    }

    /// etcd has come to this revision.
    pub fn note_revision(&mut self, revision: i64) {
        if let Some(latest) = &mut self.latest {
            latest.revision = latest.revision.max(revision);
            if matches!(self.state, ReplicaState::Followed) {
                self.origin = self.latest;
            }
        }
    }

    /// What follows etcd: lists and puts are to be written here. That is the successor where there
    /// is one, and what is in hand otherwise.
    pub const fn newest_mut(&mut self) -> &mut T {
        match &mut self.state {
            ReplicaState::Held { successor, .. } => successor,
            ReplicaState::Followed | ReplicaState::Resumed(_) => &mut self.in_hand,
        }
    }

    /// Takes an event that deletes a key: `delete` acts on the values in hand, and on what follows
    /// etcd where that is something else. Returns what it has returned for each, in this order.
    pub fn delete<R>(&mut self, mut delete: impl FnMut(&mut T) -> R) -> (R, Option<R>) {
        let in_hand = delete(&mut self.in_hand);
        let successor = match &mut self.state {
            ReplicaState::Held { successor, .. } => Some(delete(successor)),
            ReplicaState::Followed | ReplicaState::Resumed(_) => None,
        };
        (in_hand, successor)
    }

    /// Has the successor take the place of what is in hand, if there is one and `is_due` says so of
    /// the two.
    pub fn adopt_if(&mut self, is_due: impl FnOnce(&T, &T) -> bool) -> Option<Replaced<T>> {
        match &self.state {
            ReplicaState::Held { successor, .. } if is_due(&self.in_hand, successor) => {
                self.adopt()
            }
            _ => None,
        }
    }

    /// Has the successor take the place of what is in hand, whatever it has, if the time is over
    /// for which that is held. `is_followed` says whether etcd can be followed just now.
    pub fn end_hold(&mut self, now: u64, is_followed: bool) -> Option<Replaced<T>> {
        match &self.state {
            ReplicaState::Held { holding, .. } if is_followed && holding.until <= now => {
                self.adopt()
            }
            _ => None,
        }
    }

    fn adopt(&mut self) -> Option<Replaced<T>> {
        match mem::replace(&mut self.state, ReplicaState::Followed) {
            ReplicaState::Held { holding, successor } => {
                self.origin = self.latest;
                let former = mem::replace(&mut self.in_hand, successor);
                Some(Replaced { former, continuity: holding.continuity })
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The values to go by.
    #[must_use]
    pub const fn in_hand(&self) -> &T {
        &self.in_hand
    }

    /// The values to go by, to change what is not etcd's in them.
    pub const fn in_hand_mut(&mut self) -> &mut T {
        &mut self.in_hand
    }

    /// What the new etcd has, while values are held.
    #[must_use]
    pub const fn successor(&self) -> Option<&T> {
        match &self.state {
            ReplicaState::Held { successor, .. } => Some(successor),
            ReplicaState::Followed | ReplicaState::Resumed(_) => None,
        }
    }

    /// Where the values in hand came from; `None` where that is not known.
    #[must_use]
    pub const fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// The state of the etcd that spoke last; `None` where none has spoken, and none was kept.
    #[must_use]
    pub const fn latest(&self) -> Option<Origin> {
        self.latest
    }

    /// Why the values in hand are held, and until when; `None` where they are not. Before the first
    /// list this is what was [resumed](Self::resume).
    #[must_use]
    pub const fn holding(&self) -> Option<Holding> {
        match &self.state {
            ReplicaState::Held { holding, .. } | ReplicaState::Resumed(holding) => Some(*holding),
            ReplicaState::Followed => None,
        }
    }

    /// When the hold is over, if it is known by now what the new etcd has.
    #[must_use]
    pub const fn ends_at(&self) -> Option<u64> {
        match &self.state {
            ReplicaState::Held { holding, .. } => Some(holding.until),
            ReplicaState::Followed | ReplicaState::Resumed(_) => None,
        }
    }
}
