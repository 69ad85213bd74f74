//! Metrics of a peer.

use crate::{
    Health, PeerFigures, State,
    metrics::{
        sample::Samples,
        table::{Family, Source::Peer, counter, gauge, histogram},
    },
};

fn of_peer(
    peer: &crate::Peer<'_>,
    samples: &mut Samples<'_>,
    write: impl FnOnce(&PeerFigures, &mut Samples<'_>),
) {
    if let Some(figures) = &peer.statistics {
        write(figures, samples);
    }
}

pub(super) static FAMILIES: [Family; 19] = [
    gauge(
        "nginx_etcd_peer_state",
        "1 for the state of the peer, 0 for the other states.",
        Peer(|peer, samples| {
            samples.one_of("state", &State::ALL.map(State::name), Some(peer.state.name()));
        }),
    )
    .by("state"),
    gauge(
        "nginx_etcd_peer_health",
        "1 for the result of the peer's checks, 0 for the other results.",
        Peer(|peer, samples| {
            samples.one_of("health", &Health::ALL.map(Health::name), Some(peer.health.name()));
        }),
    )
    .by("health"),
    gauge(
        "nginx_etcd_peer_state_age_seconds",
        "Time for which the peer has been in its state; absent if that is not known.",
        Peer(|peer, samples| {
            if let Some(seconds) = peer.seconds_in_state {
                samples.one(seconds);
            }
        }),
    )
    .in_unit("seconds"),
    gauge(
        "nginx_etcd_peer_weight",
        "The weight of the peer.",
        Peer(|peer, samples| samples.one(peer.weight)),
    ),
    gauge(
        "nginx_etcd_peer_share_ratio",
        "The part of the weight that slow_start allows now.",
        Peer(|peer, samples| samples.one(peer.share)),
    )
    .in_unit("ratio"),
    gauge(
        "nginx_etcd_peer_max_conns",
        "The maximum number of open connections; 0 means no limit.",
        Peer(|peer, samples| samples.one(peer.max_conns)),
    ),
    gauge(
        "nginx_etcd_peer_connections",
        "Open connections over all workers.",
        Peer(|peer, samples| samples.one(peer.connections)),
    ),
    gauge(
        "nginx_etcd_peer_upgraded_connections",
        "Open connections that are upgraded.",
        Peer(|peer, samples| samples.one(peer.upgraded)),
    ),
    gauge(
        "nginx_etcd_peer_last_pick_age_seconds",
        "Time since the peer was last picked; absent before the first time.",
        Peer(|peer, samples| {
            if let Some(seconds) = peer.seconds_since_last_pick {
                samples.one(seconds);
            }
        }),
    )
    .in_unit("seconds"),
    counter(
        "nginx_etcd_peer_requests",
        "Attempts to send a request to the peer.",
        Peer(|peer, samples| samples.one(peer.requests)),
    ),
    counter(
        "nginx_etcd_peer_responses",
        "Responses of the peer, by the class of their status.",
        Peer(|peer, samples| {
            of_peer(peer, samples, |figures, samples| {
                samples.by_name("class", figures.by_class());
            });
        }),
    )
    .by("class"),
    counter(
        "nginx_etcd_peer_failures",
        "Failed attempts, by kind.",
        Peer(|peer, samples| {
            of_peer(peer, samples, |figures, samples| {
                samples.by_name("kind", figures.failures.by_kind());
            });
        }),
    )
    .by("kind"),
    counter(
        "nginx_etcd_peer_retries",
        "Attempts at the peer beyond the first one of a request.",
        Peer(|peer, samples| {
            of_peer(peer, samples, |figures, samples| samples.one(figures.retries));
        }),
    ),
    counter(
        "nginx_etcd_peer_sent_bytes",
        "Bytes sent to the peer.",
        Peer(|peer, samples| of_peer(peer, samples, |figures, samples| samples.one(figures.sent))),
    )
    .in_unit("bytes"),
    counter(
        "nginx_etcd_peer_received_bytes",
        "Bytes received from the peer.",
        Peer(|peer, samples| {
            of_peer(peer, samples, |figures, samples| samples.one(figures.received));
        }),
    )
    .in_unit("bytes"),
    counter(
        "nginx_etcd_peer_checks",
        "Checks of the peer; absent without checks.",
        Peer(|peer, samples| {
            if let Some(checks) = &peer.checks {
                samples.one(checks.made);
            }
        }),
    ),
    counter(
        "nginx_etcd_peer_check_failures",
        "Failed checks of the peer; absent without checks.",
        Peer(|peer, samples| {
            if let Some(checks) = &peer.checks {
                samples.one(checks.failed);
            }
        }),
    ),
    histogram(
        "nginx_etcd_peer_header_seconds",
        "Times to the header of the peer's response.",
        Peer(|peer, samples| {
            of_peer(peer, samples, |figures, samples| samples.times(&figures.header_time));
        }),
    ),
    histogram(
        "nginx_etcd_peer_response_seconds",
        "Times to the last byte of the peer's response.",
        Peer(|peer, samples| {
            of_peer(peer, samples, |figures, samples| samples.times(&figures.response_time));
        }),
    ),
];
