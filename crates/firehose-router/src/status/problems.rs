//! What is wrong with a router, as far as its status shows.

use super::{
    figures::{count, duration},
    sentence::serving,
    words::Words,
};
use crate::routers::{Document, Live, Peer, Upstream};

/// Seconds without a word of etcd's after which something is wrong: it is asked every 1.5 s.
const SILENT: f64 = 10.0;

/// Peers, keys and endpoints of one kind that are named.
const NAMED: usize = 3;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The upstream that it is about, if it is about one.
    pub(super) upstream: Option<String>,
    /// What it is, in a sentence without a period.
    pub(super) text: String,
}

/// All that is wrong, what matters most first. `is_partial`: only some of the peers were read.
pub(super) fn problems(document: &Document, is_partial: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    if document.watcher_pid.is_none_or(|pid| pid == 0) && !document.upstreams.is_empty() {
        let text = "no worker follows etcd: changes are not applied until one does";
        problems.push(Problem { upstream: None, text: text.to_owned() });
    }
    for (name, upstream) in &document.upstreams {
        let texts = of_upstream(upstream, is_partial).into_iter();
        problems.extend(texts.map(|text| Problem { upstream: Some(name.clone()), text }));
    }
    for (name, live) in document.variables.iter().chain(&document.geo).chain(&document.maps) {
        let texts = of_live(name, live).into_iter();
        problems.extend(texts.map(|text| Problem { upstream: None, text }));
    }
    problems
}

fn of_upstream(upstream: &Upstream, is_partial: bool) -> Vec<String> {
    let mut texts = Vec::new();
    if serving(upstream).0 == 0 && !is_partial {
        texts.push("no peer serves".to_owned());
    } else if upstream.panic {
        let what = Words::of(upstream).many();
        texts.push(format!("every peer fails its checks, and all get {what} (panic)"));
    }
    match (&upstream.trouble, upstream.connected, upstream.seconds_since_last_word) {
        (Some(trouble), true, _) => texts.push(trouble.clone()),
        (Some(trouble), false, _) => texts.push(format!("etcd is not followed: {trouble}")),
        (None, false, _) => texts.push("etcd is not followed".to_owned()),
        (None, true, Some(seconds)) if seconds > SILENT => {
            texts.push(format!("etcd has not answered for {}", duration(seconds)));
        }
        (None, true, _) => {}
    }
    texts.extend(peers_in(
        upstream,
        "unhealthy",
        failing,
        "peer fails its checks",
        "peers fail their checks",
    ));
    texts.extend(peers_in(
        upstream,
        "unavailable",
        |peer| format!("{} has failed too often (max_fails)", name(peer)),
        "peer has failed too often (max_fails)",
        "peers have failed too often (max_fails)",
    ));
    if let Some(holding) = &upstream.holding {
        texts.push(format!(
            "peers of {} are held although etcd does not have them ({}), for {} at most",
            count(holding.peers, "key", "keys"),
            holding.reason,
            duration(holding.seconds_left)
        ));
    }
    let rejected = upstream
        .rejected
        .iter()
        .map(|one| format!("key \"{}\" is rejected: {}", one.key, one.reason));
    texts.extend(some(rejected.collect(), upstream.rejected.len() as u64, "keys are rejected"));
    if let Some(settings) = upstream.groups.as_ref().and_then(|groups| groups.settings.as_ref()) {
        texts.extend(of_live("settings of groups", settings));
    }
    let unresolved = upstream.unresolved.iter().map(|one| {
        let reason = one.reason.as_deref().unwrap_or("not resolved yet");
        format!("host name \"{}\" of key \"{}\": {reason}", one.name, one.key)
    });
    let total = upstream.unresolved_total.max(upstream.unresolved.len() as u64);
    texts.extend(some(unresolved.collect(), total, "keys have a host name that is not resolved"));
    if upstream.zone.full && upstream.trouble.is_none() {
        texts.push(format!("the zone is full: {} left out", upstream.zone.left_out));
    }
    if let Some((file, trouble)) =
        upstream.state.as_ref().and_then(|state| Some((&state.file, state.trouble.as_ref()?)))
    {
        texts.push(format!("state file {file}: {trouble}"));
    }
    let failed = upstream.endpoints.iter().filter(|endpoint| endpoint.state == "failed");
    let failed: Vec<_> = failed
        .map(|endpoint| match &endpoint.trouble {
            Some(trouble) => format!("etcd endpoint {}: {trouble}", endpoint.url),
            None => format!("etcd endpoint {} does not answer", endpoint.url),
        })
        .collect();
    let total = failed.len() as u64;
    texts.extend(some(failed, total, "etcd endpoints do not answer"));
    texts
}

/// A peer that fails its checks, since when, and why.
fn failing(peer: &Peer) -> String {
    let time = peer.seconds_in_state.map(|seconds| format!(" for {}", duration(seconds)));
    let reason = peer.checks.as_ref().and_then(|checks| checks.last_error.as_ref());
    let reason = reason.map(|reason| format!(": {reason}"));
    format!(
        "{} fails its checks{}{}",
        name(peer),
        time.unwrap_or_default(),
        reason.unwrap_or_default()
    )
}

/// How a peer is called.
pub(super) fn name(peer: &Peer) -> &str {
    peer.key.as_deref().unwrap_or(&peer.address)
}

/// Peers in a state: those that are listed, and how many there are.
fn peers_in(
    upstream: &Upstream,
    state: &str,
    text: impl Fn(&Peer) -> String,
    one: &str,
    many: &str,
) -> Vec<String> {
    let listed: Vec<_> =
        upstream.peers.iter().filter(|peer| peer.state == state).map(text).collect();
    let counted = upstream.peers_by_state.as_ref().and_then(|counts| counts.get(state).copied());
    let total = counted.unwrap_or(0).max(listed.len() as u64);
    if listed.is_empty() && total > 0 {
        return vec![count(total, one, many)];
    }
    some(listed, total, many)
}

/// The first of them, and how many there are.
fn some(mut texts: Vec<String>, total: u64, what: &str) -> Vec<String> {
    if texts.len() > NAMED || total > texts.len() as u64 {
        texts.truncate(NAMED);
        texts.push(format!("{total} {what} in all"));
    }
    texts
}

fn of_live(name: &str, live: &Live) -> Vec<String> {
    let rejected = live.rejected.as_ref().map(|reason| format!("{name}: rejected: {reason}"));
    let held = live.held.map(|seconds| {
        format!("{name}: held although etcd does not have it, for {} at most", duration(seconds))
    });
    let state = live.state.as_ref().and_then(|state| Some((state, state.trouble.as_ref()?)));
    let unsaved =
        state.map(|(state, trouble)| format!("state file {} of {name}: {trouble}", state.file));
    rejected.into_iter().chain(held).chain(unsaved).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::problems;
    use crate::routers::Document;

    /// What is wrong with a router that has one upstream, in which nothing is wrong but this.
    fn wrong(with: serde_json::Value) -> Vec<String> {
        let mut upstream = json!({
            "connected": true,
            "seconds_since_last_word": 0.2,
            "peers": [{"key": "n", "state": "up"}],
        });
        upstream.as_object_mut().expect("an object").extend(with.as_object().expect("one").clone());
        let document = json!({"watcher_pid": 7, "upstreams": {"a": upstream}});
        let document: Document = serde_json::from_value(document).expect("a document");
        problems(&document, false).into_iter().map(|problem| problem.text).collect()
    }

    #[test]
    fn nothing_is_wrong_with_peers_that_are_meant_to_rest() {
        assert!(wrong(json!({})).is_empty());
        let states = ["up", "drain", "down", "checking", "removed"];
        let peers: Vec<_> = states.iter().map(|state| json!({"state": state})).collect();
        assert!(wrong(json!({"peers": peers, "rejected_total": 7})).is_empty());
    }

    #[test]
    fn each_trouble_is_a_problem() {
        let peer = |state: &str| json!({"key": "node-3", "state": state});
        let failing = json!({
            "key": "node-3", "state": "unhealthy", "seconds_in_state": 250,
            "checks": {"last_error": "connection refused"},
        });
        for (with, expected) in [
            (json!({"peers": []}), "no peer serves"),
            (json!({"peers": [peer("drain")]}), "no peer serves"),
            (json!({"connected": false}), "etcd is not followed"),
            (
                json!({"connected": false, "trouble": "no answer"}),
                "etcd is not followed: no answer",
            ),
            (json!({"trouble": "the zone is full"}), "the zone is full"),
            (json!({"seconds_since_last_word": 75}), "etcd has not answered for 1m15s"),
            (
                json!({"peers": [peer("up"), failing]}),
                "node-3 fails its checks for 4m10s: connection refused",
            ),
            (json!({"peers": [peer("up"), peer("unhealthy")]}), "node-3 fails its checks"),
            (
                json!({"peers": [], "peers_by_state": {"up": 3, "unhealthy": 2}}),
                "2 peers fail their checks",
            ),
            (
                json!({"peers": [peer("up"), peer("unavailable")]}),
                "node-3 has failed too often (max_fails)",
            ),
            (
                json!({"holding": {"reason": "older_state", "seconds_left": 42.0, "peers": 1}}),
                "peers of 1 key are held although etcd does not have them (older_state), for 42 s \
                 at most",
            ),
            (
                json!({"rejected": [{"key": "/a/x", "reason": "invalid port"}]}),
                "key \"/a/x\" is rejected: invalid port",
            ),
            (
                json!({"unresolved": [{"key": "/a/y", "name": "y", "reason": null}]}),
                "host name \"y\" of key \"/a/y\": not resolved yet",
            ),
            (json!({"zone": {"full": true, "left_out": 4}}), "the zone is full: 4 left out"),
            (json!({"state": {"file": "/s", "trouble": "no space"}}), "state file /s: no space"),
            (
                json!({"endpoints": [{"url": "http://e:1", "state": "failed", "trouble": "late"}]}),
                "etcd endpoint http://e:1: late",
            ),
        ] {
            assert_eq!(wrong(with.clone()), [expected], "{with}");
        }
        let panic = json!({"panic": true, "peers": [peer("unhealthy")]});
        let expected = [
            "every peer fails its checks, and all get requests (panic)",
            "node-3 fails its checks",
        ];
        assert_eq!(wrong(panic), expected);
        let panic = json!({"kind": "stream", "panic": true, "peers": [peer("unhealthy")]});
        assert_eq!(wrong(panic)[0], expected[0].replace("requests", "sessions"));
    }

    #[test]
    fn some_peers_say_nothing_of_the_others() {
        let upstream = json!({"connected": true, "peers": [{"key": "n", "state": "drain"}]});
        let document = json!({"watcher_pid": 7, "upstreams": {"a": upstream}});
        let document: Document = serde_json::from_value(document).expect("a document");
        assert!(problems(&document, true).is_empty());
        assert_eq!(problems(&document, false).len(), 1);
    }

    #[test]
    fn of_many_only_some_are_named() {
        let peers: Vec<_> = (0..9)
            .map(|number| json!({"key": format!("n{number}"), "state": "unhealthy"}))
            .collect();
        let texts = wrong(json!({"panic": true, "peers": peers}));
        assert_eq!(texts.len(), 5, "{texts:?}");
        assert_eq!(texts[4], "9 peers fail their checks in all");
    }

    #[test]
    fn rejected_settings_of_groups_are_named() {
        let settings = json!({"settings": {"rejected": "key \"web\": unknown setting \"x\""}});
        let expected = "settings of groups: rejected: key \"web\": unknown setting \"x\"";
        assert_eq!(wrong(json!({"groups": settings})), [expected]);
        assert!(wrong(json!({"groups": {"settings": null}})).is_empty());
    }

    #[test]
    fn a_watcher_and_variables_count_as_well() {
        let document = json!({
            "watcher_pid": null,
            "upstreams": {"a": {"connected": true, "peers": [{"state": "up"}]}},
            "variables": {"$a": {"rejected": "too long"}},
            "geo": {"$b": {"held": 7.0}},
            "maps": {"$c": {"state": {"file": "/f", "revision": 7, "trouble": "no room"}}},
        });
        let document: Document = serde_json::from_value(document).expect("a document");
        let texts: Vec<_> =
            problems(&document, false).into_iter().map(|problem| problem.text).collect();
        assert_eq!(
            texts,
            [
                "no worker follows etcd: changes are not applied until one does",
                "$a: rejected: too long",
                "$b: held although etcd does not have it, for 7.0 s at most",
                "state file /f of $c: no room",
            ]
        );
    }
}
