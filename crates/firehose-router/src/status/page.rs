//! What one router says.

use std::collections::BTreeMap;

use super::{
    changes,
    figures::{count, quantile, quantile_text, since},
    options::StatusView,
    peers,
    problems::Problem,
    reading::Reading,
    sentence::sentence,
    words::Words,
};
use crate::{
    routers::{Document, Upstream},
    terminal::{Paint, shown},
};

/// Before what belongs to an upstream.
const INDENT: &str = "  ";

/// The lines. `before` is what was read the time before, so that figures are those since then.
pub(super) fn lines(reading: &Reading, before: Option<&Reading>, view: &StatusView) -> Vec<String> {
    let Ok(document) = &reading.document else {
        let text =
            format!("{}: {}", shown(&reading.name), shown(&reading.error().unwrap_or_default()));
        return vec![view.palette.paint(Paint::Bad, &text)];
    };
    let before = before.and_then(|before| before.document.as_ref().ok());
    let mut lines = vec![format!("{}: {}", shown(&reading.name), versions(document))];
    lines.extend(problem_lines(&reading.problems, None, view, ""));
    for (name, upstream) in &document.upstreams {
        lines.push(String::new());
        lines.push(title(name, upstream, view));
        let before = before.and_then(|before| {
            let seconds = document.time? - before.time?;
            Some((before.upstreams.get(name)?, seconds)).filter(|_| seconds > 0.0)
        });
        lines.push(format!("{INDENT}{}", sentence(upstream, view.is_partial)));
        lines.extend(problem_lines(&reading.problems, Some(name), view, INDENT));
        lines.extend(figures(upstream, &document.time_bounds, before));
        lines.extend(etcd(upstream));
        for table in [
            peers::lines(upstream, &document.time_bounds, before, view, INDENT),
            changes::lines(upstream, document.time, view, INDENT),
        ] {
            if !table.is_empty() {
                lines.push(String::new());
                lines.extend(table);
            }
        }
    }
    if document.upstreams.is_empty() {
        lines.push("there is no upstream with \"etcd\"".to_owned());
    }
    lines
}

/// `nginx 1.22.1, module 0.1.0, worker 124 follows etcd`.
pub(super) fn versions(document: &Document) -> String {
    let mut words = Vec::new();
    if !document.nginx_version.is_empty() {
        words.push(format!("nginx {}", shown(&document.nginx_version)));
    }
    words.extend(document.version.iter().map(|version| format!("module {}", shown(version))));
    if let Some(pid) = document.watcher_pid.filter(|&pid| pid != 0) {
        words.push(format!("worker {pid} follows etcd"));
    }
    words.join(", ")
}

/// The line that an upstream begins with.
pub(super) fn title(name: &str, upstream: &Upstream, view: &StatusView) -> String {
    let title = view.palette.paint(Paint::Strong, &format!("upstream {}", shown(name)));
    let Upstream { kind, balance, prefix, cluster, .. } = upstream;
    let details: Vec<_> = [kind, balance, prefix, cluster].map(|text| shown(text)).into();
    let details: Vec<_> = details.into_iter().filter(|text| !text.is_empty()).collect();
    format!("{title} {}", view.palette.paint(Paint::Faint, &format!("({})", details.join(", "))))
        .trim_end_matches(" ()")
        .to_owned()
}

/// A line for each problem of an upstream, or of none.
fn problem_lines(
    problems: &[Problem],
    upstream: Option<&str>,
    view: &StatusView,
    indent: &str,
) -> Vec<String> {
    let of_this = problems.iter().filter(|problem| problem.upstream.as_deref() == upstream);
    of_this
        .map(|problem| {
            format!(
                "{indent}{}",
                view.palette.paint(Paint::Bad, &format!("! {}", shown(&problem.text)))
            )
        })
        .collect()
}

/// The figures of all requests or sessions.
fn figures(upstream: &Upstream, bounds: &[f64], before: peers::Before<'_>) -> Option<String> {
    let (now, named) = (upstream.statistics.as_ref()?, Words::of(upstream));
    let earlier =
        before.and_then(|(upstream, seconds)| Some((upstream.statistics.as_ref()?, seconds)));
    let difference = |now: u64, before: Option<u64>| now.saturating_sub(before.unwrap_or(0));
    let of = |map: &BTreeMap<String, u64>, name: &str| map.get(name).copied().unwrap_or(0);
    let earlier_statistics = earlier.map(|(statistics, _)| statistics);
    let requests = difference(now.requests, earlier_statistics.map(|before| before.requests));
    let mut words = vec![match earlier {
        Some((_, seconds)) => {
            format!("{:.1} {}", requests as f64 / seconds, named.heading(true))
        }
        None => count(requests, named.one(), named.many()),
    }];
    for (name, number) in &now.responses {
        let number =
            difference(*number, earlier_statistics.map(|before| of(&before.responses, name)));
        if number > 0 {
            words.push(format!("{} {number}", shown(&named.class(name))));
        }
    }
    for (name, number) in &now.failures {
        let number =
            difference(*number, earlier_statistics.map(|before| of(&before.failures, name)));
        if number > 0 {
            words.push(format!("failed ({}) {number}", shown(&name.replace('_', " "))));
        }
    }
    for (name, number, before) in [
        ("tried again", now.retries, earlier_statistics.map(|before| before.retries)),
        ("without a peer", now.no_peer, earlier_statistics.map(|before| before.no_peer)),
    ] {
        let number = difference(number, before);
        if number > 0 {
            words.push(format!("{name} {number}"));
        }
    }
    let earlier_times = earlier_statistics.map(|before| named.of_upstream(before));
    let times = since(named.of_upstream(now), earlier_times);
    for (what, name, share) in [(named.times(), "p50", 0.5), ("", "p99", 0.99)] {
        let text = quantile_text(quantile(bounds, &times, share));
        if !text.is_empty() {
            words.push(format!("{what}{name} {text}"));
        }
    }
    Some(format!("{INDENT}{}", words.join(", ")))
}

/// The endpoints of etcd.
fn etcd(upstream: &Upstream) -> Option<String> {
    let endpoints: Vec<_> = if upstream.endpoints.is_empty() {
        upstream.endpoint.iter().map(|url| shown(url)).collect()
    } else {
        let endpoint = upstream.endpoints.iter();
        endpoint
            .map(|one| format!("{} ({})", shown(&one.url), shown(&one.state.replace('_', " "))))
            .collect()
    };
    (!endpoints.is_empty()).then(|| format!("{INDENT}etcd: {}", endpoints.join(", ")))
}
