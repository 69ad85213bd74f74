//! For everybody: small screens, keyboards, screen readers, light and dark.

use harness::*;
use serde_json::Value;

use crate::{Setting, scene::Scene};

/// What axe finds, in a line each.
async fn violations(tab: &Tab) -> Result<Vec<String>> {
    let path = std::env::var("AXE").map_err(
        |_| "AXE does not name axe.min.js: scripts/test-page.sh downloads it, and runs these tests",
    )?;
    let axe = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    tab.evaluate(&format!("{axe};\ntypeof axe.run")).await?;
    let found = tab
        .evaluate(
            "axe.run(document, { resultTypes: ['violations'] }).then((results) => ({ \
             passes: results.passes.length, violations: results.violations.flatMap((one) => \
             one.nodes.map((node) => `${one.id}: ${node.html} ${node.failureSummary}`)) }))",
        )
        .await?;
    // It has looked at all.
    let passes = found["passes"].as_u64().unwrap_or_default();
    ensure!(passes > 12, "axe has passed {passes} rules only");
    let texts = found["violations"].as_array().ok_or("no list")?;
    Ok(texts.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

#[tokio::test]
async fn axe_finds_no_violation_with_script() -> Result<()> {
    let setting = Setting::of(Scene::troubled(), true).await?;
    let tab = &setting.tab;
    for scheme in ["light", "dark"] {
        tab.prefer(scheme).await?;
        let found = violations(tab).await?;
        assert!(found.is_empty(), "{scheme}: {found:#?}");
    }
    tab.evaluate("document.querySelector('table.peers thead button').click()").await?;
    tab.evaluate("document.querySelector('table.peers tbody button').click()").await?;
    tab.until("document.querySelector('dialog').open").await?;
    for scheme in ["light", "dark"] {
        tab.prefer(scheme).await?;
        let found = violations(tab).await?;
        assert!(found.is_empty(), "dialog, {scheme}: {found:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn axe_finds_no_violation_in_the_markup() -> Result<()> {
    let setting = Setting::without_script(Scene::troubled()).await?;
    // axe is a script; that of the page has not been run, and is not run later.
    setting.tab.enable_scripts().await?;
    for scheme in ["light", "dark"] {
        setting.tab.prefer(scheme).await?;
        let found = violations(&setting.tab).await?;
        assert!(found.is_empty(), "{scheme}: {found:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn axe_finds_no_violation_while_nothing_answers() -> Result<()> {
    let mut setting = Setting::of(Scene::usual(), true).await?;
    setting.server.stop().await;
    let tab = &setting.tab;
    tab.until("document.querySelector('.link')?.hidden === false").await?;
    for scheme in ["light", "dark"] {
        tab.prefer(scheme).await?;
        let found = violations(tab).await?;
        assert!(found.is_empty(), "{scheme}: {found:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn page_fits_a_narrow_screen() -> Result<()> {
    let with_script = Setting::of(Scene::troubled(), true).await?;
    let without = Setting::without_script(Scene::troubled()).await?;
    for setting in [with_script, without] {
        for width in [320, 768, 1_280] {
            setting.tab.resize(width, 600).await?;
            let wide = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)";
            let shown = setting.tab.number(wide).await?;
            assert!(shown <= f64::from(width), "{shown} at {width}");
        }
        // What is wider is scrolled in a region of its own, which a keyboard reaches.
        let regions = "[...document.querySelectorAll('.scroll')].every((one) => \
                       one.tabIndex === 0 && one.ariaLabel.length > 5)";
        assert_eq!(setting.tab.evaluate(regions).await?, true);
        setting.check()?;
    }
    Ok(())
}

#[tokio::test]
async fn changes_of_state_are_said_once() -> Result<()> {
    let setting = Setting::of(Scene::usual(), true).await?;
    let tab = &setting.tab;
    let voice = "document.querySelector('p.hidden[role=status]').textContent";
    assert_eq!(tab.text(voice).await?, "");
    setting.server.scene().upstreams[0].0.zone.full = true;
    tab.until(&format!("{voice} === 'firehose: Failing'")).await?;
    // What changes each second is in no live region.
    let live = "[...document.querySelectorAll('[role=status], [role=alert], [aria-live]')]\
                .map((one) => one.textContent).join('|')";
    let before = tab.text(live).await?;
    let time = setting.server.scene().head.time;
    eventually(SOON, "three seconds pass", async || {
        let now = setting.server.scene().head.time;
        ensure!(now >= time + 3.0, "{now}");
        Ok(())
    })
    .await?;
    assert_eq!(tab.text(live).await?, before);
    setting.check()
}

/// An expression: the widest word of these elements that is broken; nothing if none is.
const BROKEN: &str = "(() => { const range = document.createRange(); \
    for (const cell of document.querySelectorAll('.scroll:not(.peers) :is(th, td)')) { \
      const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT); \
      for (let node; (node = walker.nextNode());) { \
        if (node.parentElement.closest('.hidden')) continue; \
        for (const { 0: word, index } of node.data.matchAll(/[^ ]{1,24}(?= |$)/gu)) { \
          if (index > 0 && node.data[index - 1] !== ' ') continue; \
          range.setStart(node, index); range.setEnd(node, index + word.length); \
          const tops = new Set([...range.getClientRects()].filter((one) => one.width > 0)\
            .map((one) => Math.round(one.top))); \
          if (tops.size > 1 && !word.includes('-')) return word; \
        } } } return ''; })()";

#[tokio::test]
async fn short_words_of_tables_are_not_broken() -> Result<()> {
    let mut scene = Scene::troubled();
    let (upstream, _) = scene.upstreams.last_mut().ok_or("no upstream")?;
    for endpoint in &mut upstream.endpoints {
        endpoint.url = "http://127.0.0.1:22379".to_owned();
        endpoint.trouble = Some("connection refused: check that etcd runs, and ".repeat(4));
    }
    let with_script = Setting::of(scene.clone(), false).await?;
    let without = Setting::without_script(scene).await?;
    for setting in [with_script, without] {
        for width in [320, 768, 1_280, 1_920] {
            setting.tab.resize(width, 600).await?;
            assert_eq!(setting.tab.text(BROKEN).await?, "", "at {width}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn changes_can_be_read_on_a_narrow_screen() -> Result<()> {
    let with_script = Setting::of(Scene::usual(), false).await?;
    let without = Setting::without_script(Scene::usual()).await?;
    for setting in [with_script, without] {
        setting.tab.resize(320, 600).await?;
        let wide = "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)\
                    (document.querySelector('.changes'))";
        assert!(setting.tab.number(wide).await? <= 0.0);
        let high = "Math.max(...[...document.querySelectorAll('.changes tr')]\
                    .map((one) => one.offsetHeight))";
        let high = setting.tab.number(high).await?;
        assert!((20.0..160.0).contains(&high), "{high}");
    }
    Ok(())
}

#[tokio::test]
async fn long_keys_have_the_room_that_remarks_do_not_need() -> Result<()> {
    let mut scene = Scene::usual();
    scene.upstreams[0].1 = vec![crate::scene::usual_peer(1)];
    scene.upstreams[0].1[0].key = Some("node-1.rack-4.example".into());
    let setting = Setting::of(scene, false).await?;
    setting.tab.resize(1_280, 800).await?;
    let cut = "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)\
               (document.querySelector('.name'))";
    assert_eq!(setting.tab.number(cut).await?, 0.0);
    setting.tab.resize(1_920, 800).await?;
    let width = setting.tab.number("document.querySelector('th.key').offsetWidth").await?;
    assert!(width > 250.0, "{width}");
    Ok(())
}
