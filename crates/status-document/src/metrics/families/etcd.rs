//! Metrics of an upstream: its list of peers, its zone, and etcd.

use crate::{
    Endpoint, GroupSettings, HoldingReason, RESYNC_CAUSES,
    metrics::table::{
        Family,
        Source::{Counts, Report, Upstream},
        counter, gauge, histogram,
    },
};

/// Calls `sample` with the settings of the upstream's groups, if they can have some.
fn settings_of(upstream: &crate::Upstream, sample: impl FnOnce(&GroupSettings)) {
    if let Some(settings) = upstream.groups.as_ref().and_then(|groups| groups.settings.as_ref()) {
        sample(settings);
    }
}

pub(super) static FAMILIES: [Family; 32] = [
    gauge(
        "nginx_etcd_upstream_info",
        "1; the labels say whether the upstream is one of http or stream, and how it balances.",
        Upstream(|upstream, samples| {
            let labels = [("kind", upstream.kind.name()), ("balance", upstream.balance)];
            samples.add(&labels, 1_u32);
        }),
    )
    .by("kind, balance"),
    gauge(
        "nginx_etcd_connected",
        "1 while the prefix is being watched, otherwise 0.",
        Upstream(|upstream, samples| samples.one(upstream.connected)),
    ),
    gauge(
        "nginx_etcd_last_word_age_seconds",
        "Time since the last response of etcd; +Inf before the first one.",
        Upstream(|upstream, samples| {
            samples.one(upstream.seconds_since_last_word.unwrap_or(f64::INFINITY));
        }),
    )
    .in_unit("seconds"),
    gauge(
        "nginx_etcd_revision",
        "The revision of etcd up to which all changes are applied.",
        Upstream(|upstream, samples| samples.one(upstream.revision)),
    ),
    gauge(
        "nginx_etcd_generation",
        "Number of the published list of peers.",
        Upstream(|upstream, samples| samples.one(upstream.generation)),
    ),
    counter(
        "nginx_etcd_lists",
        "How often all keys of the prefix were listed, by cause.",
        Upstream(|upstream, samples| {
            for (cause, count) in RESYNC_CAUSES.iter().zip(upstream.resyncs) {
                samples.add(&[("cause", cause)], count);
            }
        }),
    )
    .by("cause"),
    counter(
        "nginx_etcd_rejected_values",
        "Rejected values.",
        Upstream(|upstream, samples| samples.one(upstream.rejected_total)),
    ),
    gauge(
        "nginx_etcd_rejected_keys",
        "Keys whose current value is rejected, at most 100.",
        Report(|upstream, samples| samples.one(upstream.rejected.len())),
    ),
    gauge(
        "nginx_etcd_unresolved_names",
        "Keys whose host name cannot be resolved, or is not resolved yet.",
        Report(|upstream, samples| samples.one(upstream.unresolved_total)),
    ),
    gauge(
        "nginx_etcd_unselected_servers",
        "Servers in valid values whose labels are not those of etcd_select.",
        Report(|upstream, samples| samples.one(upstream.unselected)),
    ),
    gauge(
        "nginx_etcd_holding",
        "1 while peers are held that etcd does not have, by reason, otherwise 0.",
        Report(|upstream, samples| {
            let reason = upstream.holding.as_ref().map(|holding| holding.reason.name());
            samples.one_of("reason", &HoldingReason::ALL.map(HoldingReason::name), reason);
        }),
    )
    .by("reason"),
    gauge(
        "nginx_etcd_held_keys",
        "Keys whose peers are held.",
        Report(|upstream, samples| {
            samples.one(upstream.holding.as_ref().map_or(0, |holding| holding.peers));
        }),
    ),
    gauge(
        "nginx_etcd_panic",
        "1 while every peer in service fails its checks and all get requests, otherwise 0.",
        Upstream(|upstream, samples| samples.one(upstream.panic)),
    ),
    gauge(
        "nginx_etcd_groups",
        "Groups that have peers; absent without etcd_group.",
        Upstream(|upstream, samples| {
            if let Some(groups) = &upstream.groups {
                samples.one(groups.count);
            }
        }),
    ),
    counter(
        "nginx_etcd_refused_requests",
        "Requests that got no peer because their group was unknown or empty; absent without \
         etcd_group.",
        Upstream(|upstream, samples| {
            if let Some(groups) = &upstream.groups {
                let counts = [("unknown", groups.unknown_total), ("empty", groups.empty_total)];
                samples.by_name("reason", counts);
            }
        }),
    )
    .by("reason"),
    gauge(
        "nginx_etcd_group_settings",
        "Groups that have settings of their own; absent without settings=.",
        Upstream(|upstream, samples| {
            settings_of(upstream, |settings| samples.one(settings.count));
        }),
    ),
    counter(
        "nginx_etcd_group_settings_rejected_values",
        "Rejected values of settings of groups; absent without settings=.",
        Upstream(|upstream, samples| {
            settings_of(upstream, |settings| samples.one(settings.rejected_total));
        }),
    ),
    gauge(
        "nginx_etcd_group_settings_rejected",
        "1 while present settings of a group are rejected, otherwise 0; absent without settings=.",
        Upstream(|upstream, samples| {
            settings_of(upstream, |settings| samples.one(settings.rejected.is_some()));
        }),
    ),
    gauge(
        "nginx_etcd_state_file_ok",
        "0 if the state file could not be read or written, otherwise 1; absent without state=.",
        Report(|upstream, samples| {
            if let Some(state) = &upstream.state {
                samples.one(state.trouble.is_none());
            }
        }),
    ),
    gauge(
        "nginx_etcd_endpoint_state",
        "1 for the state of the endpoint, 0 for the other states.",
        Report(|upstream, samples| {
            for endpoint in &upstream.endpoints {
                for state in Endpoint::STATES {
                    let labels = [("endpoint", &*endpoint.url), ("state", state)];
                    samples.add(&labels, endpoint.state == state);
                }
            }
        }),
    )
    .by("endpoint, state"),
    gauge(
        "nginx_etcd_zone_size_bytes",
        "The size of the zone.",
        Upstream(|upstream, samples| samples.one(upstream.zone.size)),
    )
    .in_unit("bytes"),
    gauge(
        "nginx_etcd_zone_used_bytes",
        "How much of the zone is in use.",
        Upstream(|upstream, samples| samples.one(upstream.zone.used)),
    )
    .in_unit("bytes"),
    gauge(
        "nginx_etcd_zone_full",
        "1 if peers, or what the balancing method needs, do not fit into the zone, otherwise 0.",
        Report(|upstream, samples| samples.one(upstream.zone.full)),
    ),
    gauge(
        "nginx_etcd_zone_left_out_peers",
        "Peers, and changes that need more space, that do not fit into the zone.",
        Upstream(|upstream, samples| samples.one(upstream.zone.left_out)),
    ),
    gauge(
        "nginx_etcd_zone_processes",
        "Workers that use the zone, including old ones after a reload.",
        Upstream(|upstream, samples| samples.one(upstream.zone.processes)),
    ),
    gauge(
        "nginx_etcd_zone_max_processes",
        "How many workers can use the zone.",
        Upstream(|upstream, samples| samples.one(upstream.zone.max_processes)),
    ),
    counter(
        "nginx_etcd_drained_connections",
        "Connections that drains have closed.",
        Upstream(|upstream, samples| samples.one(upstream.drained)),
    ),
    counter(
        "nginx_etcd_checks_not_made",
        "Checks that could not be made because file descriptors, memory or ports ran out.",
        Upstream(|upstream, samples| samples.one(upstream.checks_not_made)),
    ),
    gauge("nginx_etcd_peers", "Peers in each state.", Counts).by("state"),
    counter(
        "nginx_etcd_changes",
        "Changes of the list of peers.",
        Upstream(|upstream, samples| samples.one(upstream.changes_total)),
    ),
    histogram(
        "nginx_etcd_publication_seconds",
        "Times from the arrival of a change to its publication.",
        Upstream(|upstream, samples| samples.publications(&upstream.event_to_published)),
    ),
    histogram(
        "nginx_etcd_adoption_seconds",
        "Times from the arrival of a change to the first worker that has seen it.",
        Upstream(|upstream, samples| samples.publications(&upstream.event_to_seen)),
    ),
];
