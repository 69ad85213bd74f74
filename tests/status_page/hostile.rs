//! Texts that try to be markup, or to look like others.

use harness::*;
use status_document::{Change, Rejection};

use crate::{Setting, TAKEN, literal, scene::Scene};

const HOSTILE: [&str; 7] = [
    "<script>window.broken = 1</script>",
    "\"><img src=x onerror=window.broken=1>",
    "' onmouseover='window.broken=1",
    "</style></script></title><svg onload=window.broken=1>",
    "&lt;b&gt; &amp;amp; <!-- -->",
    "javascript:window.broken=1",
    "-->]]><h1>${window.broken=1}</h1>",
];

/// Characters that are shown as their numbers.
const HIDDEN: &str = "a\u{202e}b\u{0}c\u{1b}[31md\u{200b}e\nf\u{2066}g";

/// More of them, which are in words or make them longer without being seen.
const UNSEEN: [char; 11] = [
    '\u{200d}',
    '\u{200c}',
    '\u{fe0f}',
    '\u{34f}',
    '\u{180e}',
    '\u{3164}',
    '\u{115f}',
    '\u{2800}',
    '\u{a0}',
    '\u{ffa0}',
    '\u{e0101}',
];
const HIDDEN_SHOWN: &str = "a\u{27e8}U+202E\u{27e9}b\u{27e8}U+0000\u{27e9}c\u{27e8}U+001B\u{27e9}\
                            [31md\u{27e8}U+200B\u{27e9}e\u{27e8}U+000A\u{27e9}f\u{27e8}U+2066\
                            \u{27e9}g";

fn long() -> String {
    "<&\"'>".repeat(51)
}

fn hostile_scene() -> Scene {
    let mut scene = Scene::troubled();
    let texts: Vec<String> =
        HOSTILE.into_iter().chain([HIDDEN]).map(str::to_owned).chain([long()]).collect();
    for (upstream, peers) in &mut scene.upstreams {
        for (peer, text) in peers.iter_mut().zip(&texts) {
            peer.key = Some(text.clone().into());
            peer.address = text.clone().into();
            peer.route = Some(text.clone().into());
            if let Some(checks) = &mut peer.checks {
                checks.last_error = checks.last_error.as_ref().map(|_| text.clone());
            }
        }
        upstream.trouble = Some(texts.join("; "));
        upstream.rejected = texts
            .iter()
            .map(|text| Rejection { key: text.clone(), reason: text.clone() })
            .collect();
        upstream.changes = texts
            .iter()
            .map(|text| Change {
                cause: "event".into(),
                added: vec![text.clone()],
                removed: vec![text.clone()],
                changed: vec![text.clone()],
                detail: Some(text.clone()),
                ..Change::default()
            })
            .collect();
        for endpoint in &mut upstream.endpoints {
            endpoint.trouble = Some(long());
        }
        upstream.name = format!("{}{}", upstream.name, HOSTILE[1]);
        upstream.prefix = long();
    }
    for live in &mut scene.live {
        live.path = HOSTILE[0].to_owned();
        live.rejected = Some(long());
    }
    scene
}

/// The elements are those that the page is made of, and nothing has run.
async fn check(setting: &Setting, tab: &Tab) -> Result<()> {
    assert_eq!(tab.evaluate("window.broken ?? null").await?, serde_json::Value::Null);
    assert_eq!(tab.number("document.querySelectorAll('h1').length").await?, 1.0);
    assert_eq!(
        tab.number("document.querySelectorAll('img, b, iframe, object').length").await?,
        0.0
    );
    assert_eq!(tab.number("document.querySelectorAll('script, style').length").await?, 2.0);
    let handlers = "[...document.querySelectorAll('*')].filter((one) => \
                    [...one.attributes].some(({ name }) => name.startsWith('on'))).length";
    assert_eq!(tab.number(handlers).await?, 0.0);
    let peers = "[...document.querySelectorAll('section:first-of-type table.peers tbody th')]\
                 .map((one) => one.textContent)";
    for text in HOSTILE.iter().copied().chain([HIDDEN_SHOWN, long().as_str()]) {
        let shows = format!("{peers}.includes({})", literal(text));
        assert_eq!(tab.evaluate(&shows).await?, true, "{text}");
    }
    let text = tab.text("document.body.textContent").await?;
    assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{1b}', '\u{200b}']), "hidden characters");
    setting.check()
}

#[tokio::test]
async fn hostile_texts_are_shown_as_texts() -> Result<()> {
    let setting = Setting::of(hostile_scene(), true).await?;
    check(&setting, &setting.tab).await?;
    // Rows are asked for by such keys.
    setting.tab.evaluate("document.querySelector('table.peers tbody button').click()").await?;
    setting.tab.until("document.querySelector('dialog').open").await?;
    let before = setting.tab.requests().len();
    eventually(SOON, "it goes on", async || {
        ensure!(setting.tab.requests().len() > before + 3, "no requests");
        Ok(())
    })
    .await?;
    check(&setting, &setting.tab).await
}

#[tokio::test]
async fn hostile_texts_are_texts_without_script() -> Result<()> {
    let setting = Setting::without_script(hostile_scene()).await?;
    check(&setting, &setting.tab).await?;
    assert_eq!(setting.tab.evaluate(TAKEN).await?, false);
    Ok(())
}

#[tokio::test]
async fn characters_that_cannot_be_seen_are_numbers() -> Result<()> {
    let mut scene = Scene::usual();
    let (upstream, peers) = &mut scene.upstreams[0];
    let key: String = UNSEEN.into_iter().flat_map(|one| ['x', one]).collect();
    let shown: String = UNSEEN
        .into_iter()
        .map(|one| format!("x\u{27e8}U+{:04X}\u{27e9}", u32::from(one)))
        .collect();
    peers[0].key = Some(key.clone().into());
    upstream.rejected = vec![Rejection { key, reason: "none".to_owned() }];
    let setting = Setting::without_script(scene).await?;
    let live = setting.browser.tab().await?;
    live.open(&setting.server.page()).await?;
    live.until(TAKEN).await?;
    for tab in [&setting.tab, &live] {
        let cells = "[...document.querySelectorAll('tbody th')].map((one) => one.textContent)";
        let number = tab
            .number(&format!("{cells}.filter((text) => text === {}).length", literal(&shown)))
            .await?;
        assert_eq!(number, 2.0);
    }
    setting.check()
}

/// Marks that are drawn above and below a letter, many of them.
#[tokio::test]
async fn marks_of_a_letter_stay_in_its_row() -> Result<()> {
    let mut scene = Scene::usual();
    let (upstream, peers) = &mut scene.upstreams[0];
    let tall = format!("a{}", "\u{301}".repeat(100));
    peers[4].key = Some(tall.clone().into());
    upstream.rejected = vec![Rejection { key: tall.clone(), reason: tall }];
    let setting = Setting::without_script(scene).await?;
    let live = setting.browser.tab().await?;
    live.open(&setting.server.page()).await?;
    live.until(TAKEN).await?;
    for tab in [&setting.tab, &live] {
        let open = "[...document.querySelectorAll('tbody:not(.spacer) :is(th, td)')]\
                    .filter((one) => getComputedStyle(one).overflowY === 'visible').length";
        assert_eq!(tab.number(open).await?, 0.0);
    }
    setting.check()
}
