//! The names in use and the lookups that are under way.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::lookup::{Answer, look_up};
use crate::schedule::{LookupFailure, LookupSchedule, NameEvent};
use crate::servers::{LOOKUPS_AT_ONCE, Servers, Source};

/// The system's files are read again for a lookup that begins so long after they were read: names
/// that are looked up together share one reading.
const SERVERS_AGE: Duration = Duration::from_secs(1);

/// The host names in use, and their addresses.
///
/// Lookups begin, and answers are taken over, only within [`next`](Self::next) and
/// [`try_next`](Self::try_next), which are to be called inside a tokio runtime, again and again.
/// Whatever is under way ends when this is dropped.
pub struct HostNames {
    source: Source,
    /// What the lookups ask, and when that was read.
    servers: Option<(Arc<Servers>, Instant)>,
    schedule: LookupSchedule,
    lookups: JoinSet<Result<Answer, String>>,
    /// The names of the lookups under way. One that is not here any more was abandoned.
    under_way: HashMap<Id, (Arc<str>, AbortHandle)>,
}

impl HostNames {
    /// Asks the system's name servers (/etc/resolv.conf, and /etc/hosts before them). Changes of
    /// these files are seen without a restart.
    pub fn system() -> Self {
        Self::new(Source::System)
    }

    /// Asks these name servers only (tests, special set-ups): no hosts file, no search domains.
    pub fn with_servers(servers: Vec<SocketAddr>) -> Self {
        Self::new(Source::Fixed(servers))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            servers: None,
            schedule: LookupSchedule::default(),
            lookups: JoinSet::new(),
            under_way: HashMap::new(),
        }
    }

    /// From now on exactly these names are kept up to date; new ones are looked up at once, others
    /// are forgotten with their addresses. A name that ends with a dot is absolute; to others the
    /// system's search domains apply.
    pub fn set_names<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.schedule.set_names(names, Instant::now());
        // Also when the name is wanted again before its lookup is over: then a new one begins.
        self.under_way.retain(|_, (name, lookup)| {
            let kept = self.schedule.contains(name);
            if !kept {
                lookup.abort();
            }
            kept
        });
    }

    /// The addresses in hand, sorted, IPv4 before IPv6, each once; none before the first answer.
    ///
    /// The last good ones stay while the name cannot be looked up, be it that name servers fail or
    /// that they say that there is no such name. If only the IPv4 or only the IPv6 addresses cannot
    /// be found out, the last good ones of that family stay beside the other's new ones.
    pub fn addresses(&self, name: &str) -> &[IpAddr] {
        self.schedule.addresses(name)
    }

    /// Waits for the next event. Cancel safe: what happens meanwhile is told by the
    /// next call. Pends for ever while there is no name.
    pub async fn next(&mut self) -> NameEvent {
        loop {
            if let Some(event) = self.schedule.event() {
                return event;
            }
            self.begin_due();
            // With all places taken, it is the end of a lookup that lets the next name have its
            // turn.
            let due = self.schedule.next_due().filter(|_| self.under_way.len() < LOOKUPS_AT_ONCE);
            tokio::select! {
                // Cancel safe: lookups are tasks, `join_next_with_id` gives an end in the poll that
                // takes it, and the moment is an absolute one.
                Some(ended) = self.lookups.join_next_with_id() => self.take_over(ended),
                () = until(due) => {}
            }
        }
    }

    /// The next event, if there is one by now; see [`next`](Self::next).
    pub fn try_next(&mut self) -> Option<NameEvent> {
        loop {
            if let Some(event) = self.schedule.event() {
                return Some(event);
            }
            self.begin_due();
            let ended = self.lookups.try_join_next_with_id()?;
            self.take_over(ended);
        }
    }

    /// Whether a name server is being asked just now, so that more may soon be known.
    pub fn is_looking_up(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// What is amiss with a name: it cannot be looked up, or no lookup of it has ended yet.
    pub fn lookup_failure(&self, name: &str) -> Option<LookupFailure<'_>> {
        self.schedule.lookup_failure(name)
    }

    fn begin_due(&mut self) {
        let now = Instant::now();
        while self.under_way.len() < LOOKUPS_AT_ONCE {
            let Some(name) = self.schedule.start(now) else { break };
            let servers = self.servers(now);
            let wanted = Arc::clone(&name);
            let lookup = self.lookups.spawn(async move { look_up(&servers, &wanted).await });
            self.under_way.insert(lookup.id(), (name, lookup));
        }
    }

    fn servers(&mut self, now: Instant) -> Arc<Servers> {
        match &self.servers {
            Some((servers, read)) if now - *read < SERVERS_AGE => Arc::clone(servers),
            _ => {
                let servers = Arc::new(Servers::new(&self.source));
                self.servers = Some((Arc::clone(&servers), now));
                servers
            }
        }
    }

    fn take_over(&mut self, ended: Result<(Id, Result<Answer, String>), JoinError>) {
        let (id, answer) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Err(format!("the lookup failed: {error}"))),
        };
        if let Some((name, _)) = self.under_way.remove(&id) {
            self.schedule.ended(&name, answer, Instant::now());
        }
    }
}

impl fmt::Debug for HostNames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostNames")
            .field("source", &self.source)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
