//! What is known of each name, and when it is to be looked up. No clock and no network: both are
//! the caller's.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use retry_backoff::Backoff;
use tokio::time::Instant;

use crate::backoff;
use crate::lookup::Answer;

/// An answer is taken to hold for so long at least, whatever the name server says: a time of 0 s is
/// meant to keep caches from answering, not to make anybody ask without a pause.
pub const SHORTEST_TIME_TO_LIVE: Duration = Duration::from_secs(1);

/// An answer is taken to hold for so long at most, so that a record changed before its time, and
/// the hosts file, whose entries have no time at all, are seen within a minute.
pub const LONGEST_TIME_TO_LIVE: Duration = Duration::from_secs(60);

/// What has happened to a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameEvent {
    /// The addresses differ from those before; also said of a name's first ones.
    Changed {
        /// The name as it was given to [`set_names`](crate::HostNames::set_names).
        name: String,
    },
    /// The name could not be looked up, because of a name server or because the name has no
    /// address. Said once when the trouble begins; the last good addresses stay.
    Failed {
        /// The name as it was given to [`set_names`](crate::HostNames::set_names).
        name: String,
        /// Why, for people.
        reason: String,
    },
    /// It still cannot be looked up, for another reason than before.
    StillFailing {
        /// The name as it was given to [`set_names`](crate::HostNames::set_names).
        name: String,
    },
    /// The name can be looked up again: the trouble that began with `Failed` is over.
    Recovered {
        /// The name as it was given to [`set_names`](crate::HostNames::set_names).
        name: String,
    },
}

impl NameEvent {
    fn name(&self) -> &str {
        match self {
            Self::Changed { name }
            | Self::Failed { name, .. }
            | Self::StillFailing { name }
            | Self::Recovered { name } => name,
        }
    }
}

/// Why a name has no fresh addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupFailure<'a> {
    /// Since when: the first lookup that failed, or the moment from which the name was to be known.
    pub since: Instant,
    /// Why the last lookup failed, for people; `None` while none has ended yet.
    pub reason: Option<&'a str>,
}

#[derive(Debug)]
struct NameEntry {
    /// Sorted, each once.
    addresses: Vec<IpAddr>,
    state: LookupState,
    backoff: Backoff,
    /// When to look it up; `None` while that is under way.
    due: Option<Instant>,
}

/// How the last lookup of a name has ended.
#[derive(Debug)]
enum LookupState {
    /// There was none since then.
    Unknown(Instant),
    Good,
    /// Since then, for this reason.
    Failing(Instant, String),
}

/// All names in use.
#[derive(Debug, Default)]
pub(crate) struct LookupSchedule {
    names: HashMap<Arc<str>, NameEntry>,
    /// The names that are not being looked up, the one whose turn is next first.
    waiting: BTreeSet<(Instant, Arc<str>)>,
    events: VecDeque<NameEvent>,
}

impl LookupSchedule {
    /// Exactly `names` from now on; new ones are due at `now`.
    pub(crate) fn set_names<'a>(&mut self, names: impl IntoIterator<Item = &'a str>, now: Instant) {
        let wanted: HashSet<&str> = names.into_iter().collect();
        self.names.retain(|name, _| wanted.contains(&**name));
        self.waiting.retain(|(_, name)| wanted.contains(&**name));
        self.events.retain(|event| wanted.contains(event.name()));
        for name in wanted {
            if !self.names.contains_key(name) {
                let name: Arc<str> = name.into();
                self.waiting.insert((now, Arc::clone(&name)));
                let (addresses, state, backoff) =
                    (Vec::new(), LookupState::Unknown(now), backoff::new());
                let known = NameEntry { addresses, state, backoff, due: Some(now) };
                self.names.insert(name, known);
            }
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    pub(crate) fn addresses(&self, name: &str) -> &[IpAddr] {
        self.names.get(name).map_or(&[], |known| &known.addresses)
    }

    pub(crate) fn lookup_failure(&self, name: &str) -> Option<LookupFailure<'_>> {
        match &self.names.get(name)?.state {
            LookupState::Good => None,
            LookupState::Unknown(since) => Some(LookupFailure { since: *since, reason: None }),
            LookupState::Failing(since, reason) => {
                Some(LookupFailure { since: *since, reason: Some(reason) })
            }
        }
    }

    /// The next event that was not told yet.
    pub(crate) fn event(&mut self) -> Option<NameEvent> {
        self.events.pop_front()
    }

    /// When the next name is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// A name that is due, which from now on counts as being looked up.
    pub(crate) fn start(&mut self, now: Instant) -> Option<Arc<str>> {
        if self.next_due()? > now {
            return None;
        }
        let (_, name) = self.waiting.pop_first()?;
        if let Some(known) = self.names.get_mut(&name) {
            known.due = None;
        }
        Some(name)
    }

    /// The lookup of `name` ended. Of no effect if none of that name is under way.
    pub(crate) fn ended(&mut self, name: &Arc<str>, answer: Result<Answer, String>, now: Instant) {
        let Some(known) = self.names.get_mut(name).filter(|known| known.due.is_none()) else {
            return;
        };
        let wait = match answer {
            Ok(answer) => {
                known.backoff.reset();
                if let LookupState::Failing(..) =
                    std::mem::replace(&mut known.state, LookupState::Good)
                {
                    self.events.push_back(NameEvent::Recovered { name: name.to_string() });
                }
                let wait = answer.time_to_live.clamp(SHORTEST_TIME_TO_LIVE, LONGEST_TIME_TO_LIVE);
                let addresses = merged(&known.addresses, answer);
                if addresses != known.addresses {
                    known.addresses = addresses;
                    self.events.push_back(NameEvent::Changed { name: name.to_string() });
                }
                wait
            }
            Err(reason) => {
                match &mut known.state {
                    LookupState::Failing(_, before) if *before == reason => {}
                    LookupState::Failing(_, before) => {
                        *before = reason;
                        self.events.push_back(NameEvent::StillFailing { name: name.to_string() });
                    }
                    state => {
                        *state = LookupState::Failing(now, reason.clone());
                        self.events.push_back(NameEvent::Failed { name: name.to_string(), reason });
                    }
                }
                known.backoff.next_wait()
            }
        };
        known.due = Some(now + wait);
        self.waiting.insert((now + wait, Arc::clone(name)));
    }
}

/// The addresses after `answer`: those of a family that it knows nothing of stay.
fn merged(before: &[IpAddr], answer: Answer) -> Vec<IpAddr> {
    let kept =
        |is_kept: fn(&IpAddr) -> bool| before.iter().copied().filter(is_kept).collect::<Vec<_>>();
    let mut addresses = answer.ipv4.unwrap_or_else(|| kept(IpAddr::is_ipv4));
    addresses.extend(answer.ipv6.unwrap_or_else(|| kept(IpAddr::is_ipv6)));
    // IPv4 comes before IPv6 in IpAddr's own order.
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests;
