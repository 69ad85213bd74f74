//! A page whose nginx goes away, and a page that nobody sees.

use std::time::Duration;

use harness::*;

use crate::{
    Setting, TAKEN,
    scene::Scene,
    server::{Manner, Server},
};

const LINK: &str = "document.querySelector('.link')";

#[tokio::test]
async fn hidden_page_stops_asking() -> Result<()> {
    let setting = Setting::of(Scene::usual(), true).await?;
    let tab = &setting.tab;
    let other = setting.browser.tab().await?;
    tab.until("document.hidden").await?;
    // What was on its way.
    eventually(SOON, "it has stopped", async || {
        let before = tab.requests().len();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let after = tab.requests().len();
        ensure!(before == after, "{before}, then {after}");
        Ok(())
    })
    .await?;
    let before = tab.requests().len();
    drop(other);
    tab.call("Page.bringToFront", serde_json::json!({})).await?;
    tab.until("!document.hidden").await?;
    eventually(SOON, "it goes on", async || {
        ensure!(tab.requests().len() > before + 1, "no requests");
        Ok(())
    })
    .await?;
    setting.check()
}

#[tokio::test]
async fn page_says_that_nothing_answers_until_something_does() -> Result<()> {
    let mut setting = Setting::of(Scene::usual(), true).await?;
    setting.server.stop().await;
    let tab = &setting.tab;
    tab.until("document.querySelector('.link')?.hidden === false").await?;
    let text = tab.text("document.querySelector('.link').innerText").await?;
    assert!(text.contains("nginx is not reachable since "), "{text}");
    // The last figures stay.
    assert_eq!(tab.number("document.querySelectorAll('table.peers tbody th').length").await?, 14.0);
    setting.server.resume().await?;
    tab.until("document.querySelector('.link').hidden").await?;
    tab.until("!document.documentElement.classList.contains('stale')").await
}

#[tokio::test]
async fn page_that_never_reaches_nginx_shows_its_markup() -> Result<()> {
    let server = Server::start(Scene::usual(), false).await?;
    let browser = Browser::start().await?;
    let tab = browser.tab().await?;
    let block = serde_json::json!({ "urls": ["*format=json*"] });
    tab.call("Network.setBlockedURLs", block).await?;
    tab.open(&server.page()).await?;
    tab.until("document.querySelector('.link')?.hidden === false").await?;
    tab.until("document.querySelector('table.peers tbody th').checkVisibility()").await?;
    assert_eq!(tab.number("document.querySelectorAll('table.peers tbody th').length").await?, 14.0);
    Ok(())
}

/// Workers that are stopped take connections, and say nothing.
#[tokio::test]
async fn page_says_soon_that_nothing_comes() -> Result<()> {
    let setting = Setting::of(Scene::usual(), true).await?;
    let tab = &setting.tab;
    let began = Stopwatch::start();
    setting.server.behave(Manner::Silent);
    tab.until(&format!("{LINK}.hidden === false")).await?;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    let text = tab.text(&format!("{LINK}.innerText")).await?;
    assert!(text.contains(": nothing came for 4 s. The page shows the last figures"), "{text}");
    assert!(tab.text("document.title").await?.starts_with('\u{2716}'));
    // The time is that of the last answer.
    let lag = "(([now, then]) => now - then)([new Date().toTimeString().slice(0, 8), \
               document.querySelector('.link').innerText.match(/\\d\\d:\\d\\d:\\d\\d/)[0]]\
               .map((time) => Date.parse(`2026-01-01T${time}Z`) / 1000))";
    let lag = tab.number(lag).await?;
    assert!(!(0.0..3.0).contains(&lag), "{lag} s");
    let badge = "getComputedStyle(document.querySelector('.badge'), '::after').content";
    assert_eq!(tab.text(badge).await?, "\" (last known)\"");
    setting.server.behave(Manner::Right);
    tab.until(&format!("{LINK}.hidden")).await?;
    tab.until("!document.title.includes('not reachable')").await
}

#[tokio::test]
async fn page_says_with_which_error_nginx_answers() -> Result<()> {
    let setting = Setting::of(Scene::usual(), true).await?;
    let tab = &setting.tab;
    setting.server.behave(Manner::Refused("404 Not Found", "there is no upstream \"gone\"\n"));
    tab.until(&format!("{LINK}.hidden === false")).await?;
    let text = tab.text(&format!("{LINK}.innerText")).await?;
    assert!(text.contains("nginx answers with an error since "), "{text}");
    assert!(text.contains(": 404 Not Found: there is no upstream \"gone\". The page"), "{text}");
    assert_eq!(tab.text("document.title").await?, "\u{2716} etcd status: 404");
    Ok(())
}

/// Such as `//etcd`, which alone would be the name of a host; a password, with which a script can
/// fetch nothing; and a browser that is some years old.
#[tokio::test]
async fn page_works_at_unusual_addresses_and_in_old_browsers() -> Result<()> {
    let server = Server::start(Scene::usual(), true).await?;
    let browser = Browser::start().await?;
    let page = server.page();
    let twice = page.replace("/deep/", "//deep/");
    let with_password = page.replace("http://", "http://user:secret@");
    for url in [&twice, &with_password] {
        let tab = browser.tab().await?;
        tab.call(
            "Page.addScriptToEvaluateOnNewDocument",
            serde_json::json!({ "source": "delete AbortSignal.any; delete AbortSignal.timeout;" }),
        )
        .await?;
        tab.open(url).await?;
        tab.until(TAKEN).await?;
        assert_eq!(tab.evaluate("AbortSignal.any ?? null").await?, serde_json::Value::Null);
        assert_eq!(tab.complaints(), Vec::<String>::new(), "{url}");
    }
    Ok(())
}
