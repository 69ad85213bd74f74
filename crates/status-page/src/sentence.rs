//! What a person wants to know of an upstream first, in a sentence; and what needs attention. The
//! script says the same.

use status_document::{Counts, HoldingReason, Peer, State, Upstream, UpstreamKind};

use crate::{
    moment::Moment,
    numbers::{count, duration, several},
    words::words,
};

/// So many peers are named in a sentence.
const NAMED: usize = 3;

/// So many rejected values are in the document at most.
pub(crate) const REJECTED: u64 = 100;

/// What needs attention, and how much.
pub(crate) type Notice = (Level, String);

/// How much something needs attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    #[default]
    Good,
    Warn,
    Bad,
}

impl Level {
    /// Its class in the markup.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// What it means.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Good => "Serving",
            Self::Warn => "Needs attention",
            Self::Bad => "Failing",
        }
    }
}

/// What is known of an upstream before its peers are written.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) name: String,
    kind: UpstreamKind,
    pub(crate) counts: Counts,
    is_panicking: bool,
    /// How much it needs attention whatever its peers do.
    own_level: Level,
    /// What fails its checks, the first ones.
    failing: Vec<String>,
    /// What is unavailable, the first ones.
    unavailable: Vec<String>,
    /// Whether the counts are those of some of the peers, of which nothing follows for the rest.
    names_peers: bool,
}

impl Summary {
    pub(crate) fn of(upstream: &Upstream, names_peers: bool) -> Self {
        Self {
            names_peers,
            name: upstream.name.clone(),
            kind: upstream.kind,
            is_panicking: upstream.panic,
            own_level: highest(&upstream_notices(upstream)),
            ..Self::default()
        }
    }

    /// Takes notice of a peer that a sentence may name.
    pub(crate) fn note(&mut self, peer: &Peer<'_>, now: f64) {
        let name = peer.key.as_ref().unwrap_or(&peer.address);
        if peer.state == State::Unavailable && self.unavailable.len() < NAMED {
            self.unavailable.push(format!("{name} is unavailable: {}", unavailable_reason(peer)));
        }
        if peer.state != State::Unhealthy || self.failing.len() >= NAMED {
            return;
        }
        let since = peer
            .seconds_in_state
            .map(|seconds| format!(" since {}", Moment::of(now - seconds).minute(Moment::of(now))));
        let error = peer.checks.as_ref().and_then(|checks| checks.last_error.as_ref());
        let error = error.map(|error| format!(": {error}"));
        self.failing.push(format!(
            "{name} fails its checks{}{}",
            since.unwrap_or_default(),
            error.unwrap_or_default()
        ));
    }

    /// The number of peers that get requests.
    pub(crate) fn serving(&self) -> u64 {
        let unhealthy = if self.is_panicking { self.counts.of(State::Unhealthy) } else { 0 };
        self.counts.of(State::Up) + unhealthy
    }

    /// The number of peers without those that are removed.
    pub(crate) fn members(&self) -> u64 {
        self.counts.total() - self.counts.of(State::Removed)
    }

    /// The sentence.
    pub(crate) fn sentence(&self, upstream: &Upstream) -> String {
        let mut phrases = vec![self.peers_phrase(), list_phrase(upstream)];
        phrases.extend(self.failing.iter().cloned());
        let failing = self.counts.of(State::Unhealthy);
        let more = failing.saturating_sub(self.failing.len() as u64);
        if more > 0 {
            let who = if self.failing.is_empty() {
                several(more, "peer", "peers")
            } else {
                format!("{} more", count(more))
            };
            let verb = if more == 1 { "fails its" } else { "fail their" };
            phrases.push(format!("{who} {verb} checks"));
        }
        phrases.extend(self.unavailable.iter().cloned());
        format!("{}.", phrases.join("; "))
    }

    fn peers_phrase(&self) -> String {
        let all = self.members();
        if self.names_peers {
            let all = count(all);
            return format!("Only peers that the address of this page names are shown ({all})");
        }
        if all == 0 {
            return "There are no peers".to_owned();
        }
        let serve = several(all, "peer serves", "peers serve");
        let panic = if self.is_panicking { ", although all fail their checks (panic)" } else { "" };
        format!("{} of {serve}{panic}", count(self.serving()))
    }

    /// What needs attention of the upstream.
    pub(crate) fn notices(&self, upstream: &Upstream) -> Vec<Notice> {
        let mut found = upstream_notices(upstream);
        found.extend(self.peer_notices());
        found
    }

    /// Whether there are peers that the sentence names.
    pub(crate) fn has_named(&self) -> bool {
        self.counts.of(State::Unhealthy) + self.counts.of(State::Unavailable) > 0
    }

    /// What a badge says; nothing if nothing is wrong with some of the peers.
    pub(crate) fn badge(&self) -> Option<Level> {
        Some(self.level()).filter(|level| !self.names_peers || *level != Level::Good)
    }

    /// What the list of upstreams says of its peers.
    pub(crate) fn note_of_link(&self) -> String {
        if self.names_peers {
            return format!("{} shown", count(self.members()));
        }
        format!("{} of {}", count(self.serving()), count(self.members()))
    }

    /// How much it needs attention.
    pub(crate) fn level(&self) -> Level {
        // The sentence says so already: no notice does.
        let failing = self.counts.of(State::Unhealthy) > 0;
        let of_peers = highest(&self.peer_notices());
        self.own_level.max(of_peers).max(if failing { Level::Warn } else { Level::Good })
    }

    fn peer_notices(&self) -> Vec<Notice> {
        let mut found = Vec::new();
        if self.serving() == 0 && !self.names_peers {
            let text = format!("No peer serves: {} fail.", words(self.kind).many);
            found.push((Level::Bad, text));
        }
        push_counted(
            &mut found,
            self.counts.of(State::Unavailable),
            "peer is unavailable (max_fails)",
            "peers are unavailable (max_fails)",
        );
        found
    }
}

/// What needs attention whatever the peers do.
fn upstream_notices(upstream: &Upstream) -> Vec<Notice> {
    let mut found = Vec::new();
    let mut add = |level, text| found.push((level, text));
    if let Some(trouble) = &upstream.trouble {
        add(Level::Warn, trouble.clone());
    } else if !upstream.connected {
        add(Level::Warn, "The prefix is not watched: changes are not seen.".to_owned());
    }
    let failed = upstream.endpoints.iter().filter(|endpoint| endpoint.state == "failed").count();
    if !upstream.connected && failed > 1 {
        let [failed, all] = [failed, upstream.endpoints.len()].map(|number| count(number as u64));
        let text = format!(
            "{failed} of {all} endpoints of etcd have failed: the table of endpoints says why."
        );
        add(Level::Warn, text);
    }
    if upstream.panic {
        let what = words(upstream.kind).many;
        add(Level::Bad, format!("All peers fail their checks, and all get {what} (panic)."));
    }
    if let Some(holding) = &upstream.holding {
        let keys = several(holding.peers as u64, "key", "keys");
        let time = if holding.seconds_left > 0.0 {
            format!("for {} at most", duration(holding.seconds_left))
        } else {
            "until etcd can be watched".to_owned()
        };
        let reason = held_because(holding.reason);
        add(Level::Warn, format!("The peers of {keys} are held {time}: {reason}."));
    }
    if upstream.zone.full {
        let left = u64::from(upstream.zone.left_out);
        let what = if left > 0 {
            format!(": {} not fit", several(left, "peer does", "peers do"))
        } else {
            String::new()
        };
        add(Level::Bad, format!("The zone is full{what}. Raise zone=."));
    }
    if let Some((state, trouble)) =
        upstream.state.as_ref().and_then(|state| Some((state, state.trouble.as_ref()?)))
    {
        add(Level::Warn, format!("State file {}: {trouble}", state.file));
    }
    let settings = upstream.groups.as_ref().and_then(|groups| groups.settings.as_ref());
    if let Some(reason) = settings.and_then(|settings| settings.rejected.as_ref()) {
        add(Level::Warn, format!("Settings of a group are rejected: {reason}"));
    }
    let rejected = upstream.rejected.len() as u64;
    if rejected >= REJECTED {
        found.push((Level::Warn, format!("At least {} values are rejected.", count(REJECTED))));
    } else {
        push_counted(&mut found, rejected, "value is rejected", "values are rejected");
    }
    push_counted(
        &mut found,
        upstream.unresolved_total as u64,
        "host name is not resolved",
        "host names are not resolved",
    );
    found
}

fn push_counted(found: &mut Vec<Notice>, number: u64, one: &str, many: &str) {
    if number > 0 {
        found.push((Level::Warn, format!("{}.", several(number, one, many))));
    }
}

/// Why a peer is left alone for a while.
pub(crate) fn unavailable_reason(peer: &Peer<'_>) -> String {
    let attempts = several(u64::from(peer.max_fails), "attempt has", "attempts have");
    let seconds = peer.fail_timeout;
    format!("{attempts} failed (max_fails), tried again after fail_timeout={seconds}s")
}

/// The highest level of what needs attention.
fn highest(notices: &[Notice]) -> Level {
    notices.iter().map(|(level, _)| *level).max().unwrap_or(Level::Good)
}

fn list_phrase(upstream: &Upstream) -> String {
    let Some(seconds) = upstream.seconds_since_last_word else {
        return "etcd has not answered yet".to_owned();
    };
    let watched = if upstream.connected { "" } else { "etcd is not watched: " };
    format!("{watched}list is {} old, revision {}", duration(seconds), upstream.revision)
}

fn held_because(reason: HoldingReason) -> &'static str {
    match reason {
        HoldingReason::AnotherCluster => "etcd was replaced by another cluster",
        HoldingReason::OlderState => "etcd was wiped, or restored from a backup",
        HoldingReason::ExpiredLeases => "too many leases expired at once",
    }
}
