//! The document as JSON, read by another reader.

mod support;

use proptest::prelude::*;
use serde_json::Value;
use status_document::{ChangesWriter, JsonWriter, State, Upstream, UpstreamKind};
use support::{HOSTILE, peers, text, upstream, write};

proptest! {
    #[test]
    fn any_text_comes_back_as_it_was(
        text in text(), name in text(), peers in peers(), has_rows: bool
    ) {
        let upstreams = [(upstream(&name, &text), peers.clone())];
        let written = write(&mut JsonWriter::new(has_rows), &upstreams, &text);
        let read: Value = serde_json::from_str(&written).expect("JSON");
        prop_assert_eq!(read.as_object().map(|all| all.len()), Some(13));
        let one = &read["upstreams"][&name];
        for field in ["cluster", "prefix", "endpoint", "trouble"] {
            prop_assert_eq!(&one[field], &Value::from(text.as_str()));
        }
        prop_assert_eq!(&one["changes"][0]["added"][0], &Value::from(text.as_str()));
        prop_assert_eq!(&read["variables"]["$a"]["key"], &Value::from(text.as_str()));
        prop_assert_eq!(&read["geo"]["$b"]["prefix"], &Value::from(text.as_str()));
        prop_assert_eq!(&read["maps"]["$c"]["prefix"], &Value::from(text.as_str()));
        prop_assert_eq!(&one["peers_total"], &Value::from(peers.len()));
        for state in State::ALL {
            let count = peers.iter().filter(|peer| peer.state == state).count();
            prop_assert_eq!(&one["peers_by_state"][state.name()], &Value::from(count));
        }
        let rows = one["peers"].as_array().expect("a list");
        prop_assert_eq!(rows.len(), if has_rows { peers.len() } else { 0 });
        for (row, peer) in rows.iter().zip(&peers) {
            prop_assert_eq!(row["key"].as_str(), peer.key.as_deref());
            prop_assert_eq!(row["address"].as_str(), Some(&*peer.address));
            prop_assert_eq!(row["checks"]["last_error"].as_str(), peer.error.as_deref());
            let labels = row.get("labels").cloned().unwrap_or_else(|| serde_json::json!({}));
            prop_assert_eq!(labels, serde_json::to_value(&peer.labels).expect("texts"));
            let sent = peer.figures.map(|figures| figures.responses[1]);
            prop_assert_eq!(row["statistics"]["responses"]["2xx"].as_u64(), sent);
        }
    }
}

#[test]
fn an_upstream_says_first_of_which_kind_it_is() {
    for kind in UpstreamKind::ALL {
        let upstreams = [(Upstream { kind, ..upstream("u", "text") }, Vec::new())];
        let written = write(&mut JsonWriter::new(true), &upstreams, "text");
        let first = format!("\"u\": {{\n      \"kind\": \"{}\",\n", kind.name());
        assert!(written.contains(&first), "{written}");
    }
}

#[test]
fn no_line_is_added_by_a_text() {
    let lines = |text: &str| {
        let upstreams = [(upstream("u", text), Vec::new())];
        write(&mut JsonWriter::new(true), &upstreams, text).lines().count()
    };
    for text in HOSTILE.into_iter().filter(|text| !text.contains('\u{2028}')) {
        assert_eq!(lines(text), lines("a"), "{text:?}");
    }
}

#[test]
fn changes_alone_are_the_same_as_in_the_document() {
    let upstreams = [(upstream("u", "\"x\""), Vec::new()), (upstream("v", "y"), Vec::new())];
    let alone = write(&mut ChangesWriter::default(), &upstreams, "");
    let alone: Value = serde_json::from_str(&alone).expect("JSON");
    let whole = write(&mut JsonWriter::new(true), &upstreams, "");
    let whole: Value = serde_json::from_str(&whole).expect("JSON");
    for name in ["u", "v"] {
        let (alone, whole) = (&alone["upstreams"][name], &whole["upstreams"][name]);
        assert_eq!(alone.as_object().expect("an object").len(), 2);
        assert_eq!(alone["changes"], whole["changes"]);
        assert_eq!(alone["changes_total"], whole["changes_total"]);
    }
}
