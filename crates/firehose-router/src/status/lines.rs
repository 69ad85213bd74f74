//! What is shown to people of one router or several.

use super::{compare, options::StatusView, page, reading::Reading};

/// The lines for people. `before` is what was read the time before.
pub(super) fn lines(
    readings: &[Reading],
    view: &StatusView,
    before: Option<&[Reading]>,
) -> Vec<String> {
    match readings {
        [reading] => page::lines(reading, before.and_then(|before| before.first()), view),
        readings => compare::lines(readings, before, view),
    }
}

/// The lines as text.
pub(super) fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Reading, StatusView, lines};
    use crate::{
        routers::{Document, FetchError},
        status::{options::PeersShown, problems::problems},
        terminal::{ColorWhen, Palette},
    };

    /// What a key, a value or a router that is another program may have in it.
    const HOSTILE: &str = "\u{1b}[2J\u{9b}1A\r\n\t\u{7}\u{202e}\u{2028}<b>\"'";

    fn view() -> StatusView {
        let palette = Palette::new(ColorWhen::Never);
        StatusView { palette, peers: PeersShown::All, changes: 50, is_partial: false }
    }

    /// A router that says this everywhere.
    fn hostile() -> Reading {
        let peer = json!({
            "key": HOSTILE, "address": HOSTILE, "state": HOSTILE, "health": "failing",
            "checks": {"last_error": HOSTILE},
        });
        let change = json!({"cause": HOSTILE, "added": [HOSTILE], "detail": HOSTILE});
        let statistics = json!({
            "responses": {HOSTILE: 1}, "failures": {HOSTILE: 1}, "retries": 1, "no_peer": 1,
        });
        let upstream = json!({
            "cluster": HOSTILE, "prefix": HOSTILE, "balance": HOSTILE, "trouble": HOSTILE,
            "kind": HOSTILE,
            "rejected": [{"key": HOSTILE, "reason": HOSTILE}],
            "unresolved": [{"key": HOSTILE, "name": HOSTILE, "reason": HOSTILE}],
            "endpoint": HOSTILE,
            "endpoints": [{"url": HOSTILE, "state": "failed", "trouble": HOSTILE}],
            "holding": {"reason": HOSTILE}, "state": {"file": HOSTILE, "trouble": HOSTILE},
            "statistics": statistics, "changes": [change], "peers": [peer],
        });
        let document = json!({
            "nginx_version": HOSTILE, "version": HOSTILE, "time": 7.0,
            "upstreams": {HOSTILE: upstream},
            "variables": {HOSTILE: {"rejected": HOSTILE}},
        });
        let document: Document = serde_json::from_value(document).expect("a document");
        let problems = problems(&document, false);
        Reading { name: HOSTILE.to_owned(), text: String::new(), document: Ok(document), problems }
    }

    #[test]
    fn several_routers_are_watched_by_the_second() {
        let reading = |time: f64, requests: u64| {
            let peer = json!({"key": "n", "state": "up", "requests": requests});
            let document = json!({"time": time, "upstreams": {"a": {"peers": [peer]}}});
            let document: Document = serde_json::from_value(document).expect("a document");
            let (name, text, problems) = ("r".to_owned(), String::new(), Vec::new());
            Reading { name, text, document: Ok(document), problems }
        };
        let before = [reading(10.0, 100), reading(10.0, 7)];
        let now = [reading(12.0, 150), reading(12.0, 7)];
        let last = |before| lines(&now, &view(), before).pop().expect("a line");
        let words = |line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(last(Some(&before))), ["n", "up", "0", "25.0", "up", "0", "0.0"]);
        assert_eq!(words(last(None)), ["n", "up", "0", "150", "up", "0", "7"]);
    }

    /// A router with an upstream of each kind, and one of a module that names none.
    fn of_kinds(time: f64, requests: u64) -> Reading {
        let times = json!({"counts": [requests, 0]});
        let statistics = json!({
            "requests": requests, "responses": {"2xx": requests}, "no_peer": 1,
            "header_time": times, "response_time": {"counts": [0, requests]},
        });
        let peer = json!({
            "key": "n", "state": "up", "requests": requests, "statistics": statistics,
        });
        let upstream = json!({
            "balance": "hash", "prefix": "/p/", "peers": [peer], "statistics": statistics,
        });
        let mut upstreams = json!({"a": upstream, "b": upstream, "c": upstream});
        upstreams["b"]["kind"] = json!("http");
        upstreams["c"]["kind"] = json!("stream");
        let document = json!({"time": time, "time_bounds": [0.004], "upstreams": upstreams});
        let document: Document = serde_json::from_value(document).expect("a document");
        let (name, text, problems) = ("r".to_owned(), String::new(), Vec::new());
        Reading { name, text, document: Ok(document), problems }
    }

    #[test]
    fn figures_of_stream_are_those_of_sessions() {
        let (before, now) = ([of_kinds(10.0, 2)], [of_kinds(12.0, 102)]);
        let lines = |before| lines(&now, &view(), before);
        let part = |lines: &[String], name: &str| {
            let at = lines.iter().position(|line| line.starts_with(name)).expect(name);
            [0, 2, 4, 5]
                .map(|line| lines[at + line].split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let row = "n up 0 0";
        let requests = [
            "102 requests, 2xx 102, without a peer 1, p50 >4.0 ms, p99 >4.0 ms",
            "peer state weight open upgraded requests p50 p99",
            &format!("{row} 0 102 >4.0 ms >4.0 ms"),
        ];
        let all = lines(None);
        for (name, kind) in [("upstream a", ""), ("upstream b", "http, ")] {
            let title = format!("{name} ({kind}hash, /p/)");
            assert_eq!(part(&all, name), [&[&*title], &requests[..]].concat()[..]);
        }
        let sessions = [
            "upstream c (stream, hash, /p/)",
            "102 sessions, answered 102, without a peer 1, first byte p50 2.0 ms, p99 4.0 ms",
            "peer state weight open sessions p50 p99",
            &format!("{row} 102 2.0 ms 4.0 ms"),
        ];
        assert_eq!(part(&all, "upstream c"), sessions);
        let watched = part(&lines(Some(&before)), "upstream c");
        assert!(watched[1].starts_with("50.0 sessions/s, answered 100, first byte"), "{watched:?}");
        assert!(watched[2].contains("open sessions/s"), "{watched:?}");
        // Of several routers the one that has no such upstream has no other words.
        let both = [of_kinds(12.0, 102), of_kinds(12.0, 7)];
        let both = super::lines(&both, &view(), None);
        let at = both.iter().position(|line| line.starts_with("upstream c (stream")).expect("it");
        let headings: Vec<_> = both[at + 4].split_whitespace().collect();
        assert_eq!(headings[3..], ["open", "sessions", "[2]", "state", "open", "sessions"]);
    }

    #[test]
    fn nothing_that_a_router_says_steers_the_terminal() {
        let error = Err(FetchError::Failed(HOSTILE.to_owned()));
        let absent = Reading { document: error, problems: Vec::new(), ..hostile() };
        for readings in [vec![hostile()], vec![absent.clone()], vec![hostile(), hostile(), absent]]
        {
            let lines = lines(&readings, &view(), Some(&readings));
            assert!(!lines.is_empty());
            for line in lines {
                assert!(!line.contains(nginx_syntax::disturbs_a_line), "{line:?}");
            }
        }
    }
}
