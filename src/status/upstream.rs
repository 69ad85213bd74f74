//! An upstream in the status document, without its peers.

use peer_zone::{Statistics, Worker};
use status_document::{
    Endpoint, Groups, Holding, HoldingReason, Parts, Rejection, StateFile, Unresolved,
    UpstreamKind, Zone,
};

use super::{
    changes,
    figures::{histogram, of_upstream, seconds_since},
    live,
};
use crate::{
    config::{Counting, Kind, SettingsConf, UpstreamConf},
    live::LiveVariable,
    nginx::clock,
    process,
    upstream::Upstream,
    zones::report::{self, Report},
};

/// The upstream's name; empty without `etcd`, which each of ours has.
pub(super) fn name(upstream: &Upstream) -> &str {
    upstream.settings().etcd.as_ref().map_or("", |etcd| &etcd.upstream)
}

/// What there is to say of an upstream; `None` if this process has no entry in its zone.
pub(super) fn describe(
    upstream: &Upstream,
    settings: Option<&LiveVariable<SettingsConf>>,
    parts: Parts,
) -> Option<status_document::Upstream> {
    let mut described = upstream.with_worker(|worker| {
        describe_zone(upstream.settings(), settings, worker, parts.report)
    })??;
    let (changes_total, changes) = changes::of(upstream, parts.changes);
    described.changes_total = changes_total;
    described.changes = changes;
    if let Some(statistics) = upstream.statistics() {
        let publication = statistics.publication();
        described.event_to_published = histogram(&publication.published());
        described.event_to_seen = histogram(&publication.seen());
        let is_counted = upstream.settings().counting == Counting::On;
        described.statistics = is_counted.then(|| of_upstream(&statistics.totals()));
    }
    Some(described)
}

fn describe_zone(
    conf: &UpstreamConf,
    settings: Option<&LiveVariable<SettingsConf>>,
    worker: &mut Worker,
    with_report: bool,
) -> Option<status_document::Upstream> {
    let etcd = conf.etcd.as_ref()?;
    let zone_size = etcd.options.zone_size;
    let statistics = worker.zone().statistics();
    let Statistics { size, used, left_out, is_panicking, is_connected, .. } = statistics;
    let Statistics { processes, most_processes, sharing, last_contact, .. } = statistics;
    let (generation, groups) = worker.table().map_or((0, 0), |table| {
        // Peers that are in none have no name.
        let nameless = table.group_name_at(0).filter(|name| name.is_empty());
        (table.generation(), table.groups() - nameless.iter().count())
    });
    let report = if with_report { worker.with_report(Report::of_bytes) } else { Report::default() };
    let Report { rejected, unresolved, unresolved_total, unselected, endpoint, trouble, .. } =
        report;
    let Report { room, holding, state, endpoints, .. } = report;
    // If nobody follows etcd for a while, what the last watcher reported no longer holds.
    let no_watcher = process::why_no_watcher();
    let connected = is_connected && no_watcher.is_none();
    let full = left_out > 0 || room.is_some();
    let troubles: Vec<String> = no_watcher.or(trouble).into_iter().chain(room).collect();
    let now = clock::now();
    Some(status_document::Upstream {
        name: etcd.upstream.clone(),
        kind: match conf.kind {
            Kind::Http => UpstreamKind::Http,
            Kind::Stream => UpstreamKind::Stream,
        },
        cluster: etcd.cluster.clone(),
        prefix: etcd.prefix.clone(),
        balance: conf.balance().name(),
        panic: is_panicking,
        groups: conf.group.is_some().then_some(Groups {
            count: groups,
            unknown_total: statistics.unknown_groups,
            empty_total: statistics.empty_groups,
            settings: settings.and_then(live::describe_settings),
        }),
        checks_not_made: statistics.checks_not_made,
        drained: statistics.drained,
        revision: statistics.revision,
        generation,
        connected,
        seconds_since_last_word: (last_contact != 0).then(|| seconds_since(last_contact, now)),
        resyncs: statistics.resyncs,
        rejected_total: statistics.rejected_total,
        rejected: rejected
            .into_iter()
            .map(|report::Rejection { key, reason }| Rejection { key, reason })
            .collect(),
        unresolved: unresolved.into_iter().map(|entry| unresolved_key(entry, now)).collect(),
        unresolved_total,
        unselected,
        endpoint,
        endpoints: endpoints.into_iter().map(endpoint_of).collect(),
        trouble: (!troubles.is_empty()).then(|| troubles.join("; ")),
        holding: holding.map(|held| holding_of(&held, now)),
        state: state.map(|report::StateFile { file, revision, trouble }| StateFile {
            file,
            revision,
            trouble,
        }),
        zone: Zone {
            size: zone_size,
            // What nginx itself takes of the zone is in use as well.
            used: used + zone_size.saturating_sub(size),
            full,
            left_out,
            processes,
            max_processes: most_processes,
            sharing,
        },
        ..status_document::Upstream::default()
    })
}

fn endpoint_of(endpoint: report::Endpoint) -> Endpoint {
    let report::Endpoint { url, state, trouble } = endpoint;
    let [in_use, standby, failed] = Endpoint::STATES;
    let state = match state {
        report::EndpointState::InUse => in_use,
        report::EndpointState::Standby => standby,
        report::EndpointState::Failed => failed,
    };
    Endpoint { url, state: state.into(), trouble }
}

fn unresolved_key(unresolved: report::Unresolved, now: u64) -> Unresolved {
    let report::Unresolved { key, name, addresses, since, reason } = unresolved;
    Unresolved { key, name, addresses, seconds: seconds_since(since, now), reason }
}

fn holding_of(holding: &report::Holding, now: u64) -> Holding {
    Holding {
        reason: match holding.reason {
            report::HoldingReason::AnotherCluster => HoldingReason::AnotherCluster,
            report::HoldingReason::OlderState => HoldingReason::OlderState,
            report::HoldingReason::ExpiredLeases => HoldingReason::ExpiredLeases,
        },
        seconds_left: seconds_since(now, holding.until),
        peers: holding.peers,
    }
}
