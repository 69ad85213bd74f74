//! An upstream in a sentence.

use super::figures::duration;
use crate::routers::Upstream;

/// How many peers get requests, and how many there are, without those that are removed.
pub(super) fn serving(upstream: &Upstream) -> (u64, u64) {
    let mut serving = 0;
    let mut all = 0;
    let mut count = |state: &str, number: u64| {
        if state == "up" || upstream.panic && state == "unhealthy" {
            serving += number;
        }
        if state != "removed" {
            all += number;
        }
    };
    match &upstream.peers_by_state {
        Some(counts) => counts.iter().for_each(|(state, &number)| count(state, number)),
        None => upstream.peers.iter().for_each(|peer| count(&peer.state, 1)),
    }
    (serving, all)
}

/// "12 of 14 peers serve; the list is 0.3 s old, revision 8841". `is_partial`: only the peers with
/// certain keys were read.
pub(super) fn sentence(upstream: &Upstream, is_partial: bool) -> String {
    let peers = match serving(upstream) {
        (_, 0) if is_partial && upstream.peers.is_empty() => "no peer has this key".to_owned(),
        (_, 0) if is_partial => "the key is removed, and connections are open".to_owned(),
        (1, 1) if is_partial => "this peer serves".to_owned(),
        (0, 1) if is_partial => "this peer does not serve".to_owned(),
        (serving, all) if is_partial => format!("of these {all} peers {serving} serve"),
        (_, 0) => "there are no peers".to_owned(),
        (1, 1) => "the only peer serves".to_owned(),
        (0, 1) => "the only peer does not serve".to_owned(),
        (1, all) => format!("1 of {all} peers serves"),
        (serving, all) => format!("{serving} of {all} peers serve"),
    };
    let list = match upstream.seconds_since_last_word {
        Some(seconds) => {
            format!("the list is {} old, revision {}", duration(seconds), upstream.revision)
        }
        None if upstream.revision > 0 => {
            format!("the list is of revision {}, etcd has not answered yet", upstream.revision)
        }
        None => "etcd has not answered yet".to_owned(),
    };
    format!("{peers}; {list}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::sentence;
    use crate::routers::Upstream;

    fn of(upstream: serde_json::Value) -> String {
        sentence(&serde_json::from_value::<Upstream>(upstream).expect("an upstream"), false)
    }

    #[test]
    fn a_part_of_the_peers_says_nothing_of_the_others() {
        for (states, expected) in [
            (&[][..], "no peer has this key; "),
            (&["removed"], "the key is removed, and connections are open; "),
            (&["up"], "this peer serves; "),
            (&["drain"], "this peer does not serve; "),
            (&["up", "drain"], "of these 2 peers 1 serve; "),
        ] {
            let peers: Vec<_> = states.iter().map(|state| json!({"state": state})).collect();
            let upstream = serde_json::from_value(json!({"peers": peers})).expect("an upstream");
            let said = sentence(&upstream, true);
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn an_upstream_is_a_sentence() {
        let counts = json!({"up": 12, "unhealthy": 1, "drain": 1, "removed": 3});
        let upstream = json!({
            "peers_by_state": counts, "seconds_since_last_word": 0.31, "revision": 8841,
        });
        assert_eq!(of(upstream), "12 of 14 peers serve; the list is 0.3 s old, revision 8841");
        for (states, expected) in [
            (&[][..], "there are no peers; etcd has not answered yet"),
            (&["up"], "the only peer serves; etcd has not answered yet"),
            (&["down"], "the only peer does not serve; etcd has not answered yet"),
            (&["up", "up"], "2 of 2 peers serve; etcd has not answered yet"),
            (&["up", "drain"], "1 of 2 peers serves; etcd has not answered yet"),
            (&["down", "drain"], "0 of 2 peers serve; etcd has not answered yet"),
        ] {
            let peers: Vec<_> = states.iter().map(|state| json!({"state": state})).collect();
            assert_eq!(of(json!({"peers": peers})), expected);
        }
        let held = json!({"revision": 7, "panic": true, "peers": [{"state": "unhealthy"}]});
        let expected = "the only peer serves; the list is of revision 7, etcd has not answered yet";
        assert_eq!(of(held), expected);
    }
}
