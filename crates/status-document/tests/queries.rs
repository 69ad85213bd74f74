//! What requests ask for, and what they accept.

use proptest::prelude::*;
use status_document::{Format, Query};

#[test]
fn a_query_chooses_parts_of_the_document() {
    let query = Query::parse(b"format=json&upstream=a&upstream=b%20c&peer=n%2F1&peer=&peers=1")
        .expect("valid");
    assert_eq!(query.format, Some(Format::Json));
    assert_eq!(query.upstreams, ["a", "b c"]);
    assert_eq!(query.peers, ["n/1", ""]);
    assert!(!query.leaves_out_peers && !query.is_changes);
    assert!(Query::parse(b"peers=0").expect("valid").leaves_out_peers);
    assert!(Query::parse(b"part=changes&upstream=a").expect("valid").is_changes);
    assert_eq!(Query::parse(b"").expect("valid"), Query::default());
    assert_eq!(Query::parse(b"&&peer=a+b").expect("valid").peers, ["a b"]);
}

#[test]
fn what_is_wrong_is_named_with_what_is_valid() {
    for (query, error) in [
        ("x=1", "unknown parameter \"x\": use format, upstream, peer, peers or part"),
        (
            "format=xml",
            "invalid value \"xml\" of parameter \"format\": use json, prometheus, openmetrics or \
             html",
        ),
        ("peers=2", "invalid value \"2\" of parameter \"peers\": use 0 (no rows of peers) or 1"),
        ("part=all", "invalid value \"all\" of parameter \"part\": use changes"),
        (
            "format",
            "invalid value \"\" of parameter \"format\": use json, prometheus, openmetrics or html",
        ),
        ("format=json&format=json", "parameter \"format\" is given twice"),
        ("part=changes&format=html", "\"part=changes\" is available with \"format=json\" only"),
        ("part=changes&peers=0", "\"part=changes\" has no peers: leave out \"peer\" and \"peers\""),
        ("peer=%4", "\"%4\" in the query has a \"%\" without two hexadecimal digits"),
        ("peer=%zz", "\"%zz\" in the query has a \"%\" without two hexadecimal digits"),
        ("peer=%ff", "\"%ff\" in the query is not UTF-8, percent-encoded"),
        (
            "%3Cscript%3E%0d%0a=1",
            "unknown parameter \"<script>\\r\\n\": use format, upstream, peer, peers or part",
        ),
    ] {
        let refused = Query::parse(query.as_bytes()).expect_err(query);
        assert_eq!(refused.to_string(), error, "{query}");
    }
}

#[test]
fn the_format_is_the_one_that_is_liked_most() {
    for (header, format) in [
        ("", Format::Json),
        ("*/*", Format::Json),
        ("image/png", Format::Json),
        ("text/html", Format::Html),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Html),
        ("application/json, text/plain, */*", Format::Json),
        ("text/html;q=0.5, application/json;q=0.6", Format::Json),
        ("text/html;q=0, */*;q=0.1", Format::Json),
        ("text/html;q=0", Format::Json),
        ("TEXT/HTML ; Q=1.0 , application/json ; q=0.9", Format::Html),
        ("text/*", Format::Html),
        ("text/plain", Format::Prometheus),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::Prometheus),
        ("text/plain;version=1.0.0;q=0.5,application/json;q=0.1", Format::Json),
        // Prometheus 2.42.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
             version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        ),
        // Prometheus 3.
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;\
             version=0.0.4;q=0.2,*/*;q=0.1",
            Format::OpenMetrics,
        ),
        ("application/openmetrics-text; version=2.0.0, text/plain; q=0.1", Format::Prometheus),
    ] {
        assert_eq!(Format::accepted(Some(header.as_bytes())), format, "{header}");
    }
    assert_eq!(Format::accepted(None), Format::Json);
}

proptest! {
    #[test]
    fn any_text_is_taken_as_a_key(key in any::<String>()) {
        let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let query = Query::parse(format!("peer={encoded}").as_bytes()).expect("valid");
        prop_assert_eq!(query.peers, [key]);
    }

    #[test]
    fn no_query_and_no_header_is_too_much(bytes in any::<Vec<u8>>()) {
        if let Err(error) = Query::parse(&bytes) {
            let error = error.to_string();
            prop_assert!(error.len() < 1_000 && !error.contains(char::is_control), "{error:?}");
        }
        let _ = Format::accepted(Some(&bytes));
    }
}
