//! Upstreams of `stream`: what their peers get are sessions.

use harness::*;
use status_document::{PeerFigures, UpstreamKind};

use crate::{
    Setting,
    scene::{Scene, upstream, usual_peer},
};

/// Sessions have no status.
fn without_statuses(figures: &mut PeerFigures) {
    figures.responses = [0, figures.responses[1], 0, 0, 0];
}

/// A router of HTTP that has two upstreams of `stream` beside: one of its peers fails its checks,
/// and the other upstream has none.
pub fn sessions() -> Scene {
    let mut scene = Scene::usual();
    for (name, number) in [("postgres", 5), ("mqtt", 0)] {
        let mut upstream = upstream(name);
        upstream.kind = UpstreamKind::Stream;
        upstream.panic = number == 0;
        if let Some(figures) = &mut upstream.statistics {
            without_statuses(&mut figures.peers);
        }
        let mut peers: Vec<_> = (1..=number).map(usual_peer).collect();
        for peer in &mut peers {
            peer.upgraded = 0;
            peer.statistics.iter_mut().for_each(without_statuses);
        }
        scene.upstreams.push((upstream, peers));
    }
    scene
}

/// An expression: the texts of these elements in the section of an upstream.
fn within(number: usize, selector: &str) -> String {
    let section = format!("section[aria-labelledby=\"upstream-{number}\"]");
    let selectors: Vec<_> =
        selector.split(", ").map(|selector| format!("{section} {selector}")).collect();
    format!(
        "[...document.querySelectorAll('{}')].map((one) => one.textContent.trim()).join(' | ')",
        selectors.join(", ")
    )
}

#[tokio::test]
async fn sessions_are_called_so() -> Result<()> {
    let setting = Setting::without_script(sessions()).await?;
    let live = setting.browser.tab().await?;
    live.open(&setting.server.page()).await?;
    live.until(crate::TAKEN).await?;
    let before = "Peer | Address | State | For | Weight | Open";
    for (tab, requests, sessions) in [(&setting.tab, "", ""), (&live, " | Req/s", " | New/s")] {
        for (number, kind, columns) in [
            (1, "http", format!("{before}{requests} | Requests | Failed | 5xx | p50 | p99")),
            (2, "stream", format!("{before}{sessions} | Sessions | Failed | p50 | p99")),
        ] {
            assert_eq!(tab.text(&within(number, ".kind")).await?, kind);
            let headings = tab.text(&within(number, "table.peers thead th")).await?;
            assert_eq!(headings, format!("{columns} | Picked | Remark"));
            let cells = tab.text(&within(number, "table.peers tbody tr")).await?;
            assert!(cells.contains("node-1"), "{cells}");
        }
        let facts = tab.text(&within(2, ".facts dt")).await?;
        for fact in ["Sessions", "Answered", "First byte p50 / p90 / p99", "Length p50 / p90 / p99"]
        {
            assert!(facts.contains(fact), "{facts}");
        }
        let notices = tab.text(&within(3, ".notices li")).await?;
        assert!(notices.contains("No peer serves: sessions fail."), "{notices}");
        assert!(notices.contains("all get sessions (panic)"), "{notices}");
        let all = tab.text(&within(2, "*")).await?.to_lowercase();
        for word in ["request", "response", "header", "5xx", "2xx"] {
            assert!(!all.contains(word), "{word} in {all}");
        }
    }
    assert_eq!(
        live.text(&within(2, ".card h3")).await?,
        "Sessions per second | Failures per second | Time to the first byte"
    );
    setting.check()
}

#[tokio::test]
async fn peer_of_sessions_in_full() -> Result<()> {
    let setting = Setting::of(sessions(), true).await?;
    let tab = &setting.tab;
    tab.evaluate("document.querySelectorAll('section.upstream')[1].querySelector('.name').click()")
        .await?;
    tab.until("document.querySelector('dialog').open").await?;
    let text = tab.text("document.querySelector('dialog').innerText").await?;
    for part in ["Sessions", "Answered", "First byte p50", "Length p50"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    for part in ["Requests", "Responses", "Header", "upgraded"] {
        assert!(!text.contains(part), "{part} in {text}");
    }
    // Its cells are under the right headings: the column that is left out is left out in rows too.
    let is_there = |cell: &str| cell.replace(',', "").parse::<u64>().is_ok_and(|n| n > 84_000);
    let cells = tab
        .text(
            "[...document.querySelectorAll('section.upstream')[1]\
             .querySelectorAll('table.peers tbody td.requests')]\
             .map((one) => one.textContent).join(' ')",
        )
        .await?;
    assert!(cells.split(' ').count() == 5 && cells.split(' ').all(is_there), "{cells}");
    setting.check()
}

/// A reload can move a name from one block to the other.
#[tokio::test]
async fn upstream_becomes_one_of_another_kind() -> Result<()> {
    let setting = Setting::of(sessions(), true).await?;
    let tab = &setting.tab;
    let shows = |kind: &str, heading: &str| {
        let section = "[...document.querySelectorAll('section.upstream')]\
                       .find((one) => one.querySelector('h2').textContent === 'postgres')";
        format!(
            "{section}?.querySelector('.kind').textContent === '{kind}' && \
             {section}.querySelector('th.requests').textContent === '{heading}'"
        )
    };
    tab.until(&shows("stream", "Sessions")).await?;
    setting.server.scene().upstreams[1].0.kind = UpstreamKind::Http;
    tab.until(&shows("http", "Requests")).await?;
    setting.server.scene().upstreams[1].0.kind = UpstreamKind::Stream;
    tab.until(&shows("stream", "Sessions")).await?;
    let sections = "document.querySelectorAll('section.upstream').length";
    assert_eq!(tab.number(sections).await?, 3.0);
    setting.check()
}
