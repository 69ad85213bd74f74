//! A peer in the status document.

use peer_statistics::Statistics;
use peer_zone::{DrainPolicies, Method, Now, PeerRow, Table};
use status_document::{Health, Peer, State};

use super::{
    figures::{checks, of_peer, seconds_since},
    times::times,
};
use crate::{config::Counting, nginx::clock, upstream::Upstream};

/// What is the same for all peers of an upstream in a step.
pub(super) struct Describing {
    pub(super) method: Method,
    /// How workers close connections to drained peers.
    pub(super) policies: DrainPolicies,
    /// The moment, by nginx's clocks.
    pub(super) now: Now,
    /// For how many milliseconds the second of that has lasted.
    into_second: u32,
    /// The same in milliseconds, exactly.
    pub(super) now_exactly: u64,
    /// Figures of the peers.
    pub(super) statistics: Option<Statistics>,
    /// Whether they have figures of their requests.
    pub(super) has_figures: bool,
    /// Whether they are checked.
    pub(super) has_checks: bool,
}

/// The state of a peer.
pub(super) fn state(row: &PeerRow<'_>, now: Now) -> State {
    let parameters = row.parameters;
    if row.is_removed {
        State::Removed
    } else if parameters.down {
        State::Down
    } else if parameters.drain {
        State::Drain
    } else if row.peer.health == peer_zone::Health::Pending {
        State::Checking
    } else if row.peer.health == peer_zone::Health::Failing {
        State::Unhealthy
    } else if row.is_unavailable(now.seconds) {
        State::Unavailable
    } else {
        State::Up
    }
}

impl Describing {
    /// The peers of the upstream's table, from now on.
    pub(super) fn new(upstream: &Upstream, table: &Table<'_>) -> Self {
        let conf = upstream.settings();
        Self {
            method: conf.balance(),
            policies: table.policies(),
            now: clock::cached(),
            into_second: clock::into_second(),
            now_exactly: clock::now(),
            statistics: upstream.statistics(),
            has_figures: conf.counting == Counting::On,
            has_checks: conf.checks(),
        }
    }

    /// What there is to say of a peer of a table; `index` is its index in the zone, and `number`
    /// what tells it from others with its key and address.
    pub(super) fn peer<'t>(
        &self,
        table: &Table<'_>,
        row: &PeerRow<'t>,
        index: usize,
        number: u32,
    ) -> Peer<'t> {
        let (parameters, now) = (row.parameters, self.now_exactly);
        let method = table.group_traits().method.unwrap_or(self.method);
        let (header_time, response_time) = times(row, method, self.now);
        let closes_in = row.closes_in(&self.policies, now);
        let figures = self.statistics.map(|statistics| statistics.peer(index, row.peer.id));
        Peer {
            key: row.peer.key.map(String::from_utf8_lossy),
            address: String::from_utf8_lossy(row.peer.name),
            number,
            weight: parameters.weight,
            max_fails: parameters.max_fails,
            fail_timeout: parameters.fail_timeout,
            max_conns: parameters.max_conns,
            slow_start: parameters.slow_start,
            backup: parameters.backup,
            down: parameters.down,
            drain: parameters.drain,
            state: state(row, self.now),
            seconds_in_state: row
                .state_since(figures.and_then(|it| it.state_since), self.now, self.into_second)
                .map(|since| seconds_since(since, now)),
            health: match row.peer.health {
                peer_zone::Health::Unchecked => Health::Unchecked,
                peer_zone::Health::Passing => Health::Passing,
                peer_zone::Health::Failing => Health::Failing,
                peer_zone::Health::Pending => Health::Pending,
            },
            share: row.share(self.now.milliseconds),
            header_time,
            response_time,
            connections: row.connections.all(),
            upgraded: row.connections.upgraded(),
            closes_in: closes_in.map(|milliseconds| milliseconds as f64 / 1_000.0),
            requests: row.peer.requests,
            failures: row.peer.failures,
            seconds_since_last_pick: figures
                .filter(|_| self.has_figures)
                .and_then(|figures| figures.last_picked)
                .map(|last| seconds_since(last, now)),
            checks: figures.filter(|_| self.has_checks).map(|figures| checks(&figures.checks, now)),
            statistics: figures.filter(|_| self.has_figures).map(|figures| of_peer(&figures)),
            route: row.route.map(String::from_utf8_lossy),
            labels: row.labels,
        }
    }
}
