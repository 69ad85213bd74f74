//! A page that is opened.

use harness::*;

use crate::{Setting, TAKEN, scene::Scene, server::Server};

/// An expression: the texts of these elements, each without what differs by the time zone and by
/// the moment.
fn texts(selector: &str) -> String {
    format!(
        "[...document.querySelectorAll('{selector}')].map((one) => one.textContent).join('\\n')"
    )
}

#[tokio::test]
async fn page_loads_without_complaints_and_other_requests() -> Result<()> {
    for scene in [Scene::usual(), Scene::troubled()] {
        let setting = Setting::of(scene, true).await?;
        let (tab, before) = (&setting.tab, setting.server.scene().head.time);
        eventually(SOON, "a few seconds pass", async || {
            let time = setting.server.scene().head.time;
            ensure!(time >= before + 3.0, "{time}");
            Ok(())
        })
        .await?;
        setting.check()?;
        assert_eq!(tab.number("document.querySelectorAll('[style]:not(td)').length").await?, 0.0);
    }
    Ok(())
}

#[tokio::test]
async fn page_without_script_shows_all_tables() -> Result<()> {
    let setting = Setting::without_script(Scene::troubled()).await?;
    let tab = &setting.tab;
    let rows = tab.number("document.querySelectorAll('table.peers tbody tr').length").await?;
    assert_eq!(rows, 14.0 + 10.0, "peers of both upstreams");
    let text = tab.text("document.body.innerText").await?;
    for part in [
        "12 of 14 peers serve; list is 0.3 s old, revision 8841; node-3 fails its checks since \
         12:01 UTC: connection refused.",
        "The peers of 4 keys are held for 29 min at most: etcd was wiped, or restored from a \
         backup.",
        "no endpoint answers: check that etcd runs",
        "The zone is full: 2 peers do not fit. Raise zone=.",
        "invalid port \"http\": it must be a number from 1 to 65535",
        "host not found, or it has no address",
        "2026-11-29 12:05:58 UTC",
        "https://etcd-1.example:2379",
        "timed out after 2s",
        "2 of 2 endpoints of etcd have failed",
        "node-21 is unavailable: 1 attempt has failed (max_fails), tried again after \
         fail_timeout=10s",
        "$maintenance",
        "/firehose/nginx/put_allow/",
        "permission denied: the directory must be writable for root",
        "off (etcd_statistics)",
        "10.0.0.40:8080",
    ] {
        ensure!(text.contains(part), "{part} is missing in:\n{text}");
    }
    setting.check()
}

/// What is written in two languages is the same.
#[tokio::test]
async fn script_says_what_the_markup_says() -> Result<()> {
    says_the_same(Scene::troubled()).await
}

#[tokio::test]
async fn script_says_what_the_markup_says_of_sessions() -> Result<()> {
    says_the_same(crate::stream::sessions()).await
}

async fn says_the_same(scene: Scene) -> Result<()> {
    let setting = Setting::without_script(scene).await?;
    let live = setting.browser.tab().await?;
    live.open(&setting.server.page()).await?;
    live.until(TAKEN).await?;
    for selector in [
        "#facts",
        "nav a",
        "h2:not(#details-title)",
        ".badge",
        ".kind",
        ".balance",
        ".sentence",
        ".notices li",
        "h3",
        ".facts dt",
        ".facts dd",
        ".endpoint",
        ".what",
        "table.peers tbody .remark",
        "table.peers tbody .state",
        "table.peers tbody .figure:not(.rate)",
        "section:not(.upstream) td",
    ] {
        let comparable = |text: String, is_live: bool| {
            // In the order of the page, which differs; and without the zone and the date.
            let text = text.replace(" UTC", "").replace("2026-11-29 ", "");
            let text = text.replace("Nov 29, ", "");
            let mut lines: Vec<_> = text.lines().map(str::trim).map(str::to_owned).collect();
            // Charts have headings, and have no match in the markup.
            lines.retain(|line| {
                let is_chart = ["Requests per", "Sessions per", "Failures per", "Time to the"];
                !(is_live && is_chart.iter().any(|chart| line.starts_with(chart)))
            });
            lines.sort_unstable();
            lines
        };
        let markup = comparable(setting.tab.text(&texts(selector)).await?, false);
        let script = comparable(live.text(&texts(selector)).await?, true);
        assert!(!markup.is_empty(), "{selector}");
        assert_eq!(script, markup, "{selector}");
    }
    Ok(())
}

#[tokio::test]
async fn parameters_of_the_page_are_those_of_its_requests() -> Result<()> {
    let server = Server::start(Scene::troubled(), true).await?;
    let browser = Browser::start().await?;
    let tab = browser.tab().await?;
    tab.open(&format!("{}&upstream=tickets&peers=1", server.page())).await?;
    tab.until(TAKEN).await?;
    assert_eq!(tab.number("document.querySelectorAll('section.upstream').length").await?, 1.0);
    let before = tab.requests().len();
    eventually(SOON, "it goes on", async || {
        let requests = tab.requests().len();
        ensure!(requests > before + 2, "{requests}");
        Ok(())
    })
    .await?;
    for url in tab.requests() {
        ensure!(url.contains("upstream=tickets"), "{url}");
    }
    let tab = browser.tab().await?;
    tab.open(&format!("{}&peer=node-2&peer=node-9", server.page())).await?;
    tab.until(TAKEN).await?;
    assert_eq!(
        tab.number("document.querySelectorAll('table.peers tr[aria-rowindex=\"3\"]').length")
            .await?,
        1.0
    );
    let tab = browser.tab().await?;
    tab.open(&format!("{}&peers=0", server.page())).await?;
    tab.until(TAKEN).await?;
    tab.until("document.body.innerText.includes('The peers are left out')").await?;
    Ok(())
}

/// Without etcd requests go on.
#[tokio::test]
async fn outage_of_etcd_needs_attention_and_is_no_failure() -> Result<()> {
    let mut scene = Scene::usual();
    scene.upstreams[0].0.connected = false;
    scene.upstreams[0].0.trouble = Some("no endpoint answers".to_owned());
    let setting = Setting::without_script(scene).await?;
    let live = setting.browser.tab().await?;
    live.open(&setting.server.page()).await?;
    live.until(TAKEN).await?;
    for tab in [&setting.tab, &live] {
        assert_eq!(tab.text(&texts(".badge")).await?, "Needs attention");
        assert_eq!(tab.text(&texts(".notices .warn")).await?, "no endpoint answers");
    }
    assert!(live.text("document.title").await?.starts_with('\u{25b2}'));
    setting.check()
}

/// What is counted of some peers is nothing that could be said of an upstream.
#[tokio::test]
async fn nothing_is_said_of_peers_that_are_left_out() -> Result<()> {
    let mut scene = Scene::usual();
    scene.upstreams.push((crate::scene::upstream("other"), vec![crate::scene::usual_peer(77)]));
    let setting = Setting::without_script(scene).await?;
    let live = setting.browser.tab().await?;
    for tab in [&setting.tab, &live] {
        tab.open(&format!("{}&peer=node-2&peer=node-5", setting.server.page())).await?;
    }
    live.until(TAKEN).await?;
    for tab in [&setting.tab, &live] {
        let sentences = tab.text(&texts(".sentence")).await?;
        let expected = |number| {
            format!(
                "Only peers that the address of this page names are shown ({number}); list is \
                 0.3 s old, revision 8841."
            )
        };
        assert_eq!(sentences, format!("{}\n{}", expected(2), expected(0)));
        assert_eq!(tab.text(&texts("nav .note")).await?, "2 shown\n0 shown");
        assert_eq!(tab.text(&texts(".notices li, .badge:not([hidden])")).await?, "");
        assert_eq!(tab.text("document.title").await?, "etcd status");
    }
    setting.check()
}

#[tokio::test]
async fn rejected_variable_is_said_at_the_top() -> Result<()> {
    let mut scene = Scene::usual();
    // With its peers all is well.
    scene.upstreams[0].1.remove(2);
    scene.live[0].rejected = Some("the value has a line break".to_owned());
    let setting = Setting::without_script(scene).await?;
    let live = setting.browser.tab().await?;
    live.open(&setting.server.page()).await?;
    live.until(TAKEN).await?;
    for tab in [&setting.tab, &live] {
        let notice = tab.text(&texts("nav + #attention li.warn")).await?;
        let expected = "The value of $maintenance is rejected: the value has a line break";
        assert_eq!(notice, expected);
        tab.until("document.querySelector('nav a.warn[href=\"#variables\"]').checkVisibility()")
            .await?;
    }
    assert_eq!(live.text("document.title").await?, "\u{25b2} etcd status");
    // It goes with the cause.
    setting.server.scene().live[0].rejected = None;
    live.until("document.querySelector('#attention').hidden").await?;
    live.until("document.title === 'etcd status'").await?;
    setting.check()
}

#[tokio::test]
async fn number_of_rejected_values_is_the_least_if_the_list_is_full() -> Result<()> {
    let mut scene = Scene::usual();
    let one = |number| status_document::Rejection {
        key: format!("key-{number}"),
        reason: "no address".to_owned(),
    };
    scene.upstreams[0].0.rejected = (0..100).map(one).collect();
    let setting = Setting::without_script(scene).await?;
    let live = setting.browser.tab().await?;
    live.open(&setting.server.page()).await?;
    live.until(TAKEN).await?;
    for tab in [&setting.tab, &live] {
        let notices = tab.text(&texts(".notices li")).await?;
        assert_eq!(notices, "At least 100 values are rejected.");
        let headings = tab.text(&texts("h3")).await?;
        assert!(headings.contains("Rejected values (the first 100)"), "{headings}");
    }
    setting.check()
}

#[tokio::test]
async fn charts_follow_the_traffic() -> Result<()> {
    let setting = Setting::of(Scene::usual(), true).await?;
    let tab = &setting.tab;
    let value = |chart: usize| format!("document.querySelectorAll('.card .value')[{chart}]");
    // Twelve peers in service answer 30 to 70 requests each second.
    tab.until(&format!(
        "((value) => value > 360 && value < 900)(Number({}.textContent))",
        value(0)
    ))
    .await?;
    tab.until(&format!("/^\\d.* ms \\/ \\d.* ms \\/ \\d.* ms$/.test({}.textContent)", value(2)))
        .await?;
    tab.until("/now: \\d+; highest/.test(document.querySelector('.chart').ariaLabel)").await?;
    tab.until("document.querySelector('.chart .line').getAttribute('d').includes('L')").await?;
    setting.check()
}
