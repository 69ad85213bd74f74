//! Metrics of an upstream's requests.

use crate::{
    UpstreamFigures,
    metrics::{
        sample::Samples,
        table::{Family, Source::Upstream, counter, histogram},
    },
};

fn of_upstream(
    upstream: &crate::Upstream,
    samples: &mut Samples<'_>,
    write: impl FnOnce(&UpstreamFigures, &mut Samples<'_>),
) {
    if let Some(figures) = &upstream.statistics {
        write(figures, samples);
    }
}

pub(super) static FAMILIES: [Family; 10] = [
    counter(
        "nginx_etcd_requests",
        "Attempts to send a request to a peer.",
        Upstream(|upstream, samples| {
            of_upstream(upstream, samples, |figures, samples| samples.one(figures.requests));
        }),
    ),
    counter(
        "nginx_etcd_requests_without_peer",
        "Requests that found no peer, or no further one.",
        Upstream(|upstream, samples| {
            of_upstream(upstream, samples, |figures, samples| samples.one(figures.no_peer));
        }),
    ),
    counter(
        "nginx_etcd_picks",
        "Picks of a peer, by reason.",
        Upstream(|upstream, samples| {
            of_upstream(upstream, samples, |figures, samples| {
                samples.by_name("reason", figures.picks.by_reason());
            });
        }),
    )
    .by("reason"),
    counter(
        "nginx_etcd_responses",
        "Responses of peers, by the class of their status.",
        Upstream(|upstream, samples| {
            of_upstream(upstream, samples, |figures, samples| {
                samples.by_name("class", figures.peers.by_class());
            });
        }),
    )
    .by("class"),
    counter(
        "nginx_etcd_failures",
        "Failed attempts, by kind.",
        Upstream(|upstream, samples| {
            of_upstream(upstream, samples, |figures, samples| {
                samples.by_name("kind", figures.peers.failures.by_kind());
            });
        }),
    )
    .by("kind"),
    counter(
        "nginx_etcd_retries",
        "Attempts beyond the first one of a request.",
        Upstream(|upstream, samples| {
            of_upstream(upstream, samples, |figures, samples| samples.one(figures.peers.retries));
        }),
    ),
    counter(
        "nginx_etcd_sent_bytes",
        "Bytes sent to peers.",
        Upstream(|upstream, samples| {
            of_upstream(upstream, samples, |figures, samples| samples.one(figures.peers.sent));
        }),
    )
    .in_unit("bytes"),
    counter(
        "nginx_etcd_received_bytes",
        "Bytes received from peers.",
        Upstream(|upstream, samples| {
            of_upstream(upstream, samples, |figures, samples| samples.one(figures.peers.received));
        }),
    )
    .in_unit("bytes"),
    histogram(
        "nginx_etcd_header_seconds",
        "Times to the header of the response.",
        Upstream(|upstream, samples| {
            of_upstream(upstream, samples, |figures, samples| {
                samples.times(&figures.peers.header_time);
            });
        }),
    ),
    histogram(
        "nginx_etcd_response_seconds",
        "Times to the last byte of the response.",
        Upstream(|upstream, samples| {
            of_upstream(upstream, samples, |figures, samples| {
                samples.times(&figures.peers.response_time);
            });
        }),
    ),
];
