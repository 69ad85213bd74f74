//! A peer in the document.

use std::{borrow::Cow, collections::BTreeMap};

use crate::figures::{Checks, PeerFigures};

/// The state of a peer: the first that applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It is in service.
    #[default]
    Up,
    /// It waits for its first check.
    Checking,
    /// It fails its checks.
    Unhealthy,
    /// Too many attempts have failed.
    Unavailable,
    /// It gets no new sessions.
    Drain,
    /// It gets no requests.
    Down,
    /// Its key is gone; it still has connections.
    Removed,
}

impl State {
    /// All states, in the order of [`Counts`].
    pub const ALL: [Self; 7] = [
        Self::Up,
        Self::Checking,
        Self::Unhealthy,
        Self::Unavailable,
        Self::Drain,
        Self::Down,
        Self::Removed,
    ];

    /// Its name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Checking => "checking",
            Self::Unhealthy => "unhealthy",
            Self::Unavailable => "unavailable",
            Self::Drain => "drain",
            Self::Down => "down",
            Self::Removed => "removed",
        }
    }
}

/// The result of a peer's checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// There is none yet.
    #[default]
    Unchecked,
    /// It passes.
    Passing,
    /// It fails.
    Failing,
    /// It has to pass its first check.
    Pending,
}

impl Health {
    /// All results.
    pub const ALL: [Self; 4] = [Self::Unchecked, Self::Passing, Self::Failing, Self::Pending];

    /// Its name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Passing => "passing",
            Self::Failing => "failing",
            Self::Pending => "pending",
        }
    }
}

/// Numbers of peers, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; 7]);

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, state: State) {
        self.0[state as usize] += 1;
    }

    /// How many are in this state.
    pub fn of(&self, state: State) -> u64 {
        self.0[state as usize]
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// A peer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer<'a> {
    /// The key below the prefix; `None` for a peer of a `server` line.
    pub key: Option<Cow<'a, str>>,
    /// The address as nginx writes it: `10.0.0.7:80`, `[2001:db8::1]:80`, `unix:/run/app.sock`.
    pub address: Cow<'a, str>,
    /// 1, or higher for each further peer with the same key and address in the same list.
    pub number: u32,
    /// The weight; 0 for a peer that drains because of `weight=0`.
    pub weight: u32,
    /// The number of failures that make it unavailable; 0: none does.
    pub max_fails: u32,
    /// The seconds in which `max_fails` is counted, and for which it is then unavailable.
    pub fail_timeout: u32,
    /// The most open connections over all workers; 0 is no limit.
    pub max_conns: u32,
    /// The seconds in which the weight grows after the peer joins or recovers.
    pub slow_start: u32,
    /// The peer serves only if no other peer can.
    pub backup: bool,
    /// The peer gets no requests.
    pub down: bool,
    /// The peer gets no new sessions.
    pub drain: bool,
    /// Its state.
    pub state: State,
    /// The seconds for which it has been in this state, if that is known.
    pub seconds_in_state: Option<f64>,
    /// The result of the checks.
    pub health: Health,
    /// How much of the weight `slow_start` allows now: a fraction from 0.01 to 1.
    pub share: f64,
    /// The average of the seconds to the header, with `least_time`; `None` before the first header,
    /// and with other methods.
    pub header_time: Option<f64>,
    /// With `peak_ewma`, the seconds to the header by which it decides; with `least_time`, the
    /// average of the seconds to the last byte. `None` before the first answer, and with other
    /// methods.
    pub response_time: Option<f64>,
    /// The number of open connections over all workers.
    pub connections: u32,
    /// How many of `connections` are upgraded.
    pub upgraded: u32,
    /// The seconds until the last worker with connections to the peer begins to close them, 0 from
    /// then on; `None` if the peer is not drained, or one of these workers closes none.
    pub closes_in: Option<f64>,
    /// The number of attempts to send a request to it, over all workers.
    pub requests: u64,
    /// How many of these attempts failed.
    pub failures: u64,
    /// The seconds since it was last picked; `None` if it was not, and with `etcd_statistics off`.
    pub seconds_since_last_pick: Option<f64>,
    /// Figures of its checks; `None` without checks.
    pub checks: Option<Checks>,
    /// Figures of its requests; `None` with `etcd_statistics off`.
    pub statistics: Option<PeerFigures>,
    /// The name by which nginx's own `sticky` knows it, if there is one.
    pub route: Option<Cow<'a, str>>,
    /// What its value says of it beside, as a JSON object of texts, if anything.
    pub labels: Option<&'a [u8]>,
}

impl Peer<'_> {
    /// What its value says of it beside: metadata, tags and labels.
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.labels.and_then(|labels| serde_json::from_slice(labels).ok()).unwrap_or_default()
    }
}
