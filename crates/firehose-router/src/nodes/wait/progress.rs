//! How far a router is with a drain.

use std::path::Path;

use nginx_syntax::quoted;

use super::drained::Drained;
use crate::routers::{Document, FetchError, Peer, StatusPlace, Upstream, fetch};

/// States of peers that get no new sessions.
const RESTING: [&str; 3] = ["drain", "down", "removed"];

/// How far a router is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nobody is left.
    Empty,
    /// Something has to happen before connections can be counted.
    NotYet(String),
    /// So many are open, and what becomes of them.
    Open(u64, String),
}

/// Asks a router. An error is one that no time mends.
pub(super) async fn ask(
    drained: &Drained<'_>,
    place: &StatusPlace,
    cacert: Option<&Path>,
) -> Result<Progress, String> {
    // Modules that know no queries say everything.
    let text = match fetch(&place.with_query(&[("peer", drained.peers)]), cacert).await {
        Ok(text) => text,
        Err(FetchError::Refused(reason)) => return Err(reason),
        Err(FetchError::Failed(reason)) => return Ok(Progress::NotYet(reason)),
    };
    match serde_json::from_str::<Document>(&text) {
        Ok(document) => progress(drained, &document),
        Err(error) => Err(format!("the answer is not the document of etcd_status: {error}")),
    }
}

fn progress(drained: &Drained<'_>, document: &Document) -> Result<Progress, String> {
    let is_meant = |name: &String| drained.upstreams.is_empty() || drained.upstreams.contains(name);
    let of_prefix: Vec<_> = document
        .upstreams
        .iter()
        .filter(|(name, upstream)| is_meant(name) && upstream.prefix == drained.prefix)
        .collect();
    if of_prefix.is_empty() {
        let names: Vec<_> = drained.upstreams.iter().map(|name| quoted(name)).collect();
        let (named, flag) = match &names[..] {
            [] => (String::new(), ""),
            names => (format!(" and the name {}", names.join(" or ")), "--upstream, "),
        };
        return Err(format!(
            "no upstream of this router has the prefix {}{named}: see --url, {flag}--prefix and \
             --upstream-prefix",
            quoted(drained.prefix)
        ));
    }
    let is_one = of_prefix.len() == 1;
    let mut total = Progress::Empty;
    for (name, upstream) in of_prefix {
        let progress = match of_upstream(drained, upstream) {
            Progress::NotYet(reason) if !is_one => Progress::NotYet(format!(
                "upstream {} {reason} (if it follows another etcd, name the others with \
                 --upstream)",
                quoted(name)
            )),
            progress => progress,
        };
        total = match (total, progress) {
            (Progress::NotYet(reason), _) | (_, Progress::NotYet(reason)) => {
                Progress::NotYet(reason)
            }
            (Progress::Open(one, _), Progress::Open(other, detail)) => {
                Progress::Open(one + other, detail)
            }
            (Progress::Empty, progress) | (progress, Progress::Empty) => progress,
        };
    }
    Ok(total)
}

fn of_upstream(drained: &Drained<'_>, upstream: &Upstream) -> Progress {
    if upstream.revision < drained.revision {
        let trouble = upstream.trouble.as_ref().map(|trouble| format!(": {trouble}"));
        return Progress::NotYet(format!(
            "has not read the change yet, revision {} of {}{}",
            upstream.revision,
            drained.revision,
            trouble.unwrap_or_default()
        ));
    }
    let peers: Vec<_> =
        upstream.peers.iter().filter(|peer| peer.key.as_deref() == Some(drained.peers)).collect();
    if let Some(peer) = peers.iter().find(|peer| !RESTING.contains(&&*peer.state)) {
        return Progress::NotYet(format!("is {} there, and does not drain", peer.state));
    }
    match peers.iter().map(|peer| peer.connections).sum() {
        0 => Progress::Empty,
        open => Progress::Open(open, detail(&peers)),
    }
}

/// What becomes of open connections.
fn detail(peers: &[&Peer]) -> String {
    let open = || peers.iter().filter(|peer| peer.connections > 0);
    let times = open().map(|peer| peer.closes_in).collect::<Option<Vec<_>>>();
    match times.map(|times| times.into_iter().fold(0.0, f64::max)) {
        None => ", which stay until they end".to_owned(),
        Some(seconds) if seconds > 0.0 => format!(", closing begins in {seconds:.0} s"),
        Some(_) => ", being closed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::drained::Drained, Progress, progress};
    use crate::routers::Document;

    fn drained(upstreams: &[String]) -> Drained<'_> {
        Drained { name: "n", peers: "n", prefix: "/a/", upstreams, revision: 7 }
    }

    fn of(upstreams: serde_json::Value) -> Result<Progress, String> {
        let document = json!({"upstreams": upstreams});
        let document: Document = serde_json::from_value(document).expect("a document");
        progress(&drained(&[]), &document)
    }

    fn one(revision: i64, peers: &[serde_json::Value]) -> serde_json::Value {
        json!({"a": {"prefix": "/a/", "revision": revision, "peers": peers}})
    }

    fn drain(open: u64, closes_in: Option<f64>) -> serde_json::Value {
        let (key, state) = ("n", "drain");
        json!({"key": key, "state": state, "connections": open, "closes_in": closes_in})
    }

    #[test]
    fn only_a_router_that_has_read_the_change_counts() {
        let up = |key: &str| json!({"key": key, "state": "up", "connections": 5});
        let not_yet =
            |peers: &[_], revision| matches!(of(one(revision, peers)), Ok(Progress::NotYet(_)));
        assert!(not_yet(&[drain(0, None)], 6) && not_yet(&[], 6) && not_yet(&[up("n")], 7));
        for (peers, expected) in [
            (vec![], Progress::Empty),
            (vec![up("other")], Progress::Empty),
            (vec![drain(0, None), up("other")], Progress::Empty),
            (vec![drain(2, Some(3.2)), drain(1, Some(0.0))], {
                Progress::Open(3, ", closing begins in 3 s".to_owned())
            }),
            (vec![drain(2, Some(0.0))], Progress::Open(2, ", being closed".to_owned())),
            (vec![drain(1, None), drain(1, Some(1.0))], {
                Progress::Open(2, ", which stay until they end".to_owned())
            }),
        ] {
            assert_eq!(of(one(8, &peers)), Ok(expected), "{peers:?}");
        }
    }

    #[test]
    fn every_upstream_of_the_prefix_counts() {
        let peer = json!({"key": "n", "state": "drain", "connections": 2});
        let both = json!({
            "a": {"prefix": "/a/", "revision": 7, "peers": [peer]},
            "b": {"prefix": "/a/", "revision": 7, "peers": [peer]},
            "c": {"prefix": "/c/", "revision": 1, "peers": [peer]},
        });
        assert!(matches!(of(both), Ok(Progress::Open(4, _))));
        let behind = json!({
            "a": {"prefix": "/a/", "revision": 6},
            "b": {"prefix": "/a/", "revision": 7, "peers": [peer]},
        });
        assert!(matches!(of(behind), Ok(Progress::NotYet(_))));
        let error = of(json!({"c": {"prefix": "/c/"}})).expect_err("no upstream");
        assert!(error.contains("\"/a/\"") && error.contains("--upstream-prefix"), "{error}");
    }

    #[test]
    fn an_upstream_of_another_etcd_can_be_left_out() {
        let document = json!({"upstreams": {
            "a": {"prefix": "/a/", "revision": 7},
            "gone": {"prefix": "/a/", "revision": 2},
        }});
        let document: Document = serde_json::from_value(document).expect("a document");
        let Ok(Progress::NotYet(reason)) = progress(&drained(&[]), &document) else {
            panic!("the other one is not asked")
        };
        let words = ["\"gone\" has not read the change yet, revision 2 of 7", "--upstream"];
        assert!(words.iter().all(|words| reason.contains(words)), "{reason}");
        let only = |name: &str| progress(&drained(&[name.to_owned()]), &document);
        assert_eq!(only("a"), Ok(Progress::Empty));
        let error = only("b").expect_err("no such upstream");
        assert!(error.contains("the name \"b\": see --url, --upstream"), "{error}");
    }
}
