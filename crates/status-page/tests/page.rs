//! Pages that are written of documents with any texts.

mod markup;

use std::sync::LazyLock;

use proptest::prelude::*;
use status_document::{
    Change, Checks, Counts, Endpoint, Head, Holding, HoldingReason, Live, LiveKind, Over, Peer,
    Rejection, Rows, State, StateFile, Unresolved, Upstream, UpstreamFigures, UpstreamKind, Writer,
};
use status_page::{PageWriter, headers};

use crate::markup::{Markup, parse};

/// The page of a router where every text is this one.
fn page(text: &str, shows_peers: bool) -> Vec<u8> {
    let mut writer = PageWriter::new(shows_peers);
    let mut out = Vec::new();
    let head = Head { nginx_version: text.to_owned(), time: 1e9, ..Head::default() };
    writer.begin(&head, &mut out);
    while let Some(pass) = writer.next_pass(&mut out) {
        match pass.over {
            Over::Upstreams => {
                writer.upstream(&upstream(text), &mut out);
                let mut counts = Counts::default();
                for peer in peers(text) {
                    counts.add(peer.state);
                    if pass.rows == Rows::Write {
                        writer.peer(&peer, &mut out);
                    }
                }
                writer.end_upstream((pass.rows != Rows::None).then_some(&counts), &mut out);
            }
            Over::Variables => writer.live(&live(text, LiveKind::Key), &mut out),
            Over::Networks => writer.live(&live(text, LiveKind::Prefix), &mut out),
            Over::Maps => writer.live(&live(text, LiveKind::Map), &mut out),
        }
    }
    out
}

fn upstream(text: &str) -> Upstream {
    let text = || text.to_owned();
    Upstream {
        name: text(),
        cluster: text(),
        prefix: text(),
        balance: "random two",
        rejected: vec![Rejection { key: text(), reason: text() }],
        unresolved: vec![Unresolved {
            key: text(),
            name: text(),
            reason: Some(text()),
            ..Unresolved::default()
        }],
        unresolved_total: 2,
        endpoint: Some(text()),
        endpoints: vec![
            Endpoint { url: text(), state: text().into(), trouble: Some(text()) },
            Endpoint { url: text(), state: "in_use".into(), trouble: None },
        ],
        trouble: Some(text()),
        holding: Some(Holding {
            reason: HoldingReason::ExpiredLeases,
            seconds_left: 0.0,
            peers: 1,
        }),
        state: Some(StateFile { file: text(), revision: None, trouble: Some(text()) }),
        statistics: Some(UpstreamFigures::default()),
        changes: vec![Change {
            cause: text().into(),
            added: vec![text(), text()],
            removed: vec![text()],
            changed: vec![text()],
            omitted: 3,
            detail: Some(text()),
            ..Change::default()
        }],
        ..Upstream::default()
    }
}

fn peers(text: &str) -> Vec<Peer<'static>> {
    let peer = |key: Option<&str>, state| Peer {
        key: key.map(|key| key.to_owned().into()),
        address: text.to_owned().into(),
        state,
        seconds_in_state: Some(5.0),
        share: 0.5,
        checks: Some(Checks { last_error: Some(text.to_owned()), ..Checks::default() }),
        ..Peer::default()
    };
    vec![peer(None, State::Up), peer(Some(text), State::Unhealthy), peer(Some(text), State::Drain)]
}

fn state_file(text: &str) -> StateFile {
    StateFile { file: text.to_owned(), revision: None, trouble: Some(text.to_owned()) }
}

fn live(text: &str, kind: LiveKind) -> Live {
    Live {
        name: text.to_owned(),
        cluster: text.to_owned(),
        kind,
        path: text.to_owned(),
        figures: [].into(),
        revision: None,
        rejected_total: 0,
        rejected: Some(text.to_owned()),
        held: None,
        state: Some(state_file(text)),
    }
}

/// The page without its head, which has style and script.
fn body(text: &str, shows_peers: bool) -> Markup {
    let page = page(text, shows_peers);
    let head = b"</head>";
    let at = page.windows(head.len()).position(|part| part == head).expect("a head");
    parse(&page[at + head.len()..])
}

static HARMLESS: LazyLock<[Markup; 2]> =
    LazyLock::new(|| [false, true].map(|shows_peers| body("harmless", shows_peers)));

/// Fails unless the page has the elements and attributes that it has with a harmless text.
fn check(found: &Markup, shows_peers: bool) {
    let harmless = &HARMLESS[usize::from(shows_peers)];
    assert_eq!(found.errors, Vec::<String>::new());
    assert_eq!(found.tags, harmless.tags);
    for (name, value) in &found.values {
        assert!(!name.starts_with("on") && name != "style" && name != "src", "{name}={value}");
        assert!(name != "href" || value.starts_with('#'), "{name}={value}");
    }
    assert_eq!(found.text.matches("harmless").count(), 0);
}

#[test]
fn texts_of_markup_stay_texts() {
    for text in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</style></script></title></table><svg onload=alert(1)>",
        "<!-- --><![CDATA[ ]]>",
        "&lt;b&gt;&amp;&#60;b>",
        "`${alert(1)}`",
        "=",
        "",
    ] {
        for shows_peers in [true, false] {
            let found = body(text, shows_peers);
            check(&found, shows_peers);
            let shown = found.text.matches(text).count();
            assert!(
                text.is_empty() || shown >= if shows_peers { 35 } else { 28 },
                "{text}: {shown}"
            );
        }
    }
}

/// A parser that reads the style and the script does not see the end of them too early.
#[test]
fn the_whole_page_has_no_error() {
    let found = parse(&page("harmless", true));
    assert_eq!(found.errors, Vec::<String>::new());
    let names =
        found.tags.iter().filter(|tag| tag.starts_with("style") || tag.starts_with("script"));
    assert_eq!(names.collect::<Vec<_>>(), ["style", "script"]);
}

#[test]
fn hidden_characters_are_shown_as_numbers() {
    let found = body("a\u{202e}b\0c\nd\u{feff}e\u{e0041}f", true);
    check(&found, true);
    let shown = "a⟨U+202E⟩b⟨U+0000⟩c⟨U+000A⟩d⟨U+FEFF⟩e⟨U+E0041⟩f";
    assert!(found.text.contains(shown), "{}", found.text);
    assert!(!found.text.contains(['\u{202e}', '\0', '\u{feff}']));
}

proptest! {
    #[test]
    fn no_text_becomes_an_element_or_an_attribute(text in "\\PC{0,40}|[<>&\"'=/ a-z!-]{0,255}") {
        prop_assume!(!text.contains("harmless"));
        check(&body(&text, true), true);
    }

    #[test]
    fn any_character_can_be_in_a_text(text in any::<String>()) {
        prop_assume!(!text.contains("harmless"));
        check(&body(&text, true), true);
    }
}

#[test]
fn the_policy_allows_the_style_and_the_script_alone() {
    let text = String::from_utf8(page("harmless", true)).expect("UTF-8");
    let between = |from: &str, to: &str| {
        let rest = &text[text.find(from).expect("the element") + from.len()..];
        rest[..rest.find(to).expect("its end")].to_owned()
    };
    let [style, script] =
        [between("<style>", "</style>"), between("<script>", "</script>")].map(|text| hash(&text));
    let headers = headers();
    let policy = headers.iter().find(|(name, _)| *name == "Content-Security-Policy");
    assert_eq!(
        policy.expect("a policy").1,
        format!(
            "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    assert_eq!(text.matches("<style").count(), 1);
    assert_eq!(text.matches("<script").count(), 1);
}

/// SHA-256 in base64, by another implementation than the build's.
fn hash(text: &str) -> String {
    use std::{io::Write, process::Command};
    let mut shell = Command::new("sh")
        .args([
            "-c",
            "sha256sum | cut -c1-64 | tr -d '\\n' | tr a-f A-F | basenc --base16 -d | base64",
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a shell");
    shell.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
    let output = shell.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("a text").trim().to_owned()
}

#[test]
fn sessions_are_no_requests() {
    let of_kind = |kind| {
        let mut writer = PageWriter::new(true);
        let mut out = Vec::new();
        writer.begin(&Head::default(), &mut out);
        while let Some(pass) = writer.next_pass(&mut out) {
            if pass.over == Over::Upstreams {
                let statistics = Some(UpstreamFigures::default());
                let name = "u".to_owned();
                let upstream = Upstream { kind, name, statistics, ..Upstream::default() };
                writer.upstream(&upstream, &mut out);
                if pass.rows == Rows::Write {
                    writer.peer(&Peer::default(), &mut out);
                }
                writer.end_upstream(Some(&Counts::default()), &mut out);
            }
        }
        let head = b"</head>";
        let at = out.windows(head.len()).position(|part| part == head).expect("a head");
        parse(&out[at + head.len()..])
    };
    let [http, stream] = UpstreamKind::ALL.map(of_kind);
    for (of_http, of_stream) in [
        ("Failinghttp", "Failingstream"),
        ("Requests", "Sessions"),
        ("0 requests found none", "0 sessions found none"),
        ("requests fail.", "sessions fail."),
        ("Responses", "Answered"),
        ("Header p50", "First byte p50"),
        ("Response p50", "Length p50"),
    ] {
        assert!(http.text.contains(of_http) && !http.text.contains(of_stream), "{of_stream}");
        assert!(stream.text.contains(of_stream) && !stream.text.contains(of_http), "{of_http}");
    }
    assert!(http.text.contains("5xx") && !stream.text.contains("5xx"));
    // As many cells as headings.
    let count =
        |page: &Markup, tag: &str| page.tags.iter().filter(|found| found.starts_with(tag)).count();
    for page in [http, stream] {
        let tags = &page.tags;
        let at = tags.iter().position(|tag| tag == "table class=peers").expect("a table");
        let table = Markup { tags: tags[at..].to_vec(), ..Markup::default() };
        assert_eq!(count(&table, "th scope=col"), count(&table, "td ") + 1);
    }
}

#[test]
fn peers_are_left_out_if_asked() {
    let with = body("x", true);
    let without = body("x", false);
    let is_row = |tag: &&String| tag.starts_with("tr class=");
    assert_eq!(with.tags.iter().filter(is_row).count(), 3);
    assert_eq!(without.tags.iter().filter(is_row).count(), 0);
    assert!(without.text.contains("The peers are left out"));
}
