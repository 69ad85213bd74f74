//! Ten thousand peers.

use std::time::{Duration, Instant};

use harness::*;

use crate::{Setting, TAKEN, scene::Scene, server::Server};

const PEERS: usize = 10_000;
/// The elements of rows that are there beside those that can be seen.
const MOST_ROWS: f64 = 60.0;

/// Within so much of the machine's own time all rows are there.
const LOADED: Duration = Duration::from_secs(10);

const ROWS: &str = "document.querySelectorAll('table.peers tbody:not(.spacer) tr').length";

#[tokio::test]
async fn only_rows_that_can_be_seen_are_elements() -> Result<()> {
    let setting = Setting::of(Scene::fleet(PEERS), true).await?;
    let tab = &setting.tab;
    let rows = tab.number(ROWS).await?;
    assert!((20.0..MOST_ROWS).contains(&rows), "{rows}");
    let elements = tab.number("document.querySelectorAll('*').length").await?;
    assert!(elements < 2_500.0, "{elements} elements");
    tab.until("document.querySelector('table.peers').getAttribute('aria-rowcount') === '10001'")
        .await?;
    let region = "document.querySelector('.scroll.peers')";
    tab.evaluate(&format!("{region}.scrollTop = {region}.scrollHeight")).await?;
    tab.until(
        "[...document.querySelectorAll('table.peers tbody th')].at(-1)?.textContent === \
         'node-10000'",
    )
    .await?;
    tab.until(
        "document.querySelector('tr[aria-rowindex=\"10001\"] th')?.textContent === 'node-10000'",
    )
    .await?;
    assert!(tab.number(ROWS).await? < MOST_ROWS);
    // In the middle, by keyboard.
    tab.evaluate(&format!("{region}.scrollTop = 0; {region}.focus()")).await?;
    tab.until("document.querySelector('tr[aria-rowindex=\"2\"]') !== null").await?;
    for _ in 0..3 {
        tab.press("PageDown").await?;
    }
    tab.until(&format!("{region}.scrollTop > 600")).await?;
    // What can be seen is brought up to date without the others.
    let before = tab.requests().len();
    eventually(SOON, "rows are asked for", async || {
        let requests = &tab.requests()[before..];
        let rows = requests.iter().filter(|url| url.contains("peer=node-")).count();
        ensure!(rows >= 2, "{requests:?}");
        Ok(())
    })
    .await?;
    setting.check()
}

#[tokio::test]
async fn peer_that_joins_many_appears_soon() -> Result<()> {
    let setting = Setting::of(Scene::fleet(PEERS), true).await?;
    let tab = &setting.tab;
    tab.evaluate(
        "(() => { const search = document.querySelector('input[type=search]'); \
         search.value = 'node-77777'; search.dispatchEvent(new Event('input')); })()",
    )
    .await?;
    let began = Stopwatch::start();
    {
        let mut scene = setting.server.scene();
        let (upstream, peers) = &mut scene.upstreams[0];
        upstream.generation += 1;
        peers.push(crate::scene::usual_peer(77_777));
    }
    tab.until("document.querySelector('table.peers tbody th')?.textContent === 'node-77777'")
        .await?;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    Ok(())
}

#[tokio::test]
async fn page_of_many_peers_loads_with_and_without_script() -> Result<()> {
    let server = Server::start(Scene::fleet(PEERS), false).await?;
    let browser = Browser::start().await?;
    for with_script in [true, false] {
        let tab = browser.tab().await?;
        if !with_script {
            tab.disable_scripts().await?;
        }
        let (began, stopwatch) = (Instant::now(), Stopwatch::start());
        tab.open(&server.page()).await?;
        if with_script {
            tab.until(TAKEN).await?;
            assert!(tab.number(ROWS).await? < MOST_ROWS);
        } else {
            assert_eq!(tab.number(ROWS).await?, PEERS as f64);
        }
        println!("with script {with_script}: {:?}", began.elapsed());
        let took = stopwatch.elapsed();
        assert!(took < LOADED, "{took:?}");
    }
    Ok(())
}
