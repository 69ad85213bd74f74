//! The page of a real nginx, which follows a real etcd.

use std::time::Duration;

use harness::*;

use crate::{TAKEN, literal};

/// Within so much of the machine's own time a change is seen.
const SEEN: Duration = Duration::from_secs(2);

struct Setting {
    // Dropped in this order.
    tab: Tab,
    _browser: Browser,
    nginx: Nginx,
    nodes: Vec<Node>,
    etcd: Etcd,
}

fn page(nginx: &Nginx) -> String {
    format!("http://{}/etcd?format=html", nginx.address())
}

fn configuration(etcd: &Etcd) -> Configuration {
    Configuration::new()
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("zone=16m", "etcd_check http uri=/healthz interval=200ms;"))
        .http("gzip on; gzip_types application/json;")
        .http("etcd_variable $maintenance main /firehose/nginx/maintenance default=off;")
}

impl Setting {
    async fn start() -> Result<Self> {
        let (etcd, nodes) = (Etcd::start().await?, start_nodes(3).await?);
        etcd.register(&nodes).await?;
        Self::of(etcd, nodes).await
    }

    async fn of(etcd: Etcd, nodes: Vec<Node>) -> Result<Self> {
        let nginx = Nginx::start(configuration(&etcd)).await?;
        let browser = Browser::start().await?;
        let tab = browser.tab().await?;
        tab.open(&page(&nginx)).await?;
        tab.until(TAKEN).await?;
        Ok(Self { tab, _browser: browser, nginx, nodes, etcd })
    }
}

/// An expression: whether the table has a row with this key.
fn has(key: &str) -> String {
    format!(
        "[...document.querySelectorAll('table.peers tbody th')]\
         .some((one) => one.textContent === {})",
        literal(key)
    )
}

#[tokio::test]
async fn node_that_is_added_appears_within_two_seconds() -> Result<()> {
    let Setting { tab, etcd, nodes, .. } = &Setting::start().await?;
    tab.until(&has(nodes[0].name())).await?;
    for round in 0..3 {
        let name = format!("added-{round}");
        let began = Stopwatch::start();
        etcd.put(key(&name), nodes[0].address().to_string()).await?;
        tab.until(&has(&name)).await?;
        let took = began.elapsed();
        assert!(took < SEEN, "{took:?}");
        let began = Stopwatch::start();
        etcd.delete(&key(&name)).await?;
        tab.until(&format!("!{}", has(&name))).await?;
        let took = began.elapsed();
        assert!(took < SEEN, "{took:?}");
        // It says so among the last changes.
        for word in ["added", "removed"] {
            tab.until(&format!(
                "[...document.querySelectorAll('.what .{word}')]\
                 .some((one) => one.textContent.includes({}))",
                literal(&name)
            ))
            .await?;
        }
    }
    assert_eq!(tab.complaints(), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn page_goes_on_after_a_restart_of_nginx() -> Result<()> {
    let Setting { tab, nginx, nodes, etcd, .. } = &mut Setting::start().await?;
    tab.until(&has(nodes[0].name())).await?;
    nginx
        .restart(async || tab.until("document.querySelector('.link').hidden === false").await)
        .await?;
    tab.until("document.querySelector('.link').hidden").await?;
    etcd.put(key("after-it"), nodes[0].address().to_string()).await?;
    tab.until(&has("after-it")).await?;
    // So does a reload.
    nginx.reload().await?;
    etcd.put(key("after-both"), nodes[0].address().to_string()).await?;
    tab.until(&has("after-both")).await
}

#[tokio::test]
async fn requests_and_failed_checks_are_seen() -> Result<()> {
    let Setting { tab, nginx, nodes, .. } = &Setting::start().await?;
    let passes = "document.querySelector('.sentence').textContent.startsWith('3 of 3 peers serve')";
    tab.until(passes).await?;
    let mut connection = nginx.connect().await?;
    eventually(SOON, "the chart shows requests", async || {
        for _ in 0..20 {
            ensure!(connection.get("/").await?.status == 200, "not answered");
        }
        let shown = tab.text("document.querySelector('.card .value').textContent").await?;
        ensure!(shown.replace(',', "").parse::<f64>().is_ok_and(|rate| rate > 1.0), "{shown}");
        Ok(())
    })
    .await?;
    tab.until("document.querySelector('.endpoint.in_use')?.textContent === 'in use'").await?;
    nodes[1].set_health(503);
    let name = nodes[1].name();
    tab.until(&format!(
        "document.querySelector('.sentence').textContent.includes({})",
        literal(&format!("; {name} fails its checks since "))
    ))
    .await?;
    let sentence = tab.text("document.querySelector('.sentence').textContent").await?;
    assert!(sentence.starts_with("2 of 3 peers serve; list is "), "{sentence}");
    assert_eq!(tab.complaints(), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn page_of_nginx_works_without_script() -> Result<()> {
    let Setting { _browser, nodes, nginx, .. } = &Setting::start().await?;
    nginx.wait_for_peer(nodes[2].name()).await?;
    let tab = _browser.tab().await?;
    tab.disable_scripts().await?;
    tab.open(&page(nginx)).await?;
    for node in nodes {
        assert_eq!(tab.evaluate(&has(node.name())).await?, true);
    }
    let text = tab.text("document.body.innerText").await?;
    for part in ["of 3 peers serve; list is ", "$maintenance", "/firehose/upstream/"] {
        ensure!(text.contains(part), "{part} is missing in {text}");
    }
    Ok(())
}

#[tokio::test]
async fn keys_of_etcd_are_shown_as_texts() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(1).await?;
    let address = nodes[0].address().to_string();
    let long = "<i>&".repeat(63);
    let keys =
        ["<script>window.broken=1</script>", "\"><img src=x onerror=window.broken=1>", &long];
    for name in keys {
        etcd.put(key(name), &address).await?;
    }
    etcd.put(key("rejected"), "<b onclick=window.broken=1>").await?;
    let Setting { tab, _browser, nginx, .. } = &Setting::of(etcd, nodes).await?;
    for name in keys {
        tab.until(&has(name)).await?;
    }
    tab.until("document.body.innerText.includes('Rejected values')").await?;
    let without = _browser.tab().await?;
    without.disable_scripts().await?;
    without.open(&page(nginx)).await?;
    for tab in [tab, &without] {
        assert_eq!(tab.evaluate("window.broken ?? null").await?, serde_json::Value::Null);
        assert_eq!(tab.number("document.querySelectorAll('img, b, i').length").await?, 0.0);
        assert_eq!(tab.complaints(), Vec::<String>::new());
    }
    Ok(())
}

#[tokio::test]
async fn ten_thousand_peers_of_nginx_are_shown() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(1).await?);
    let address = nodes[0].address().to_string();
    let keys = (0..10_000).map(|number| (key(&format!("many-{number:05}")), address.clone()));
    let revision = etcd.put_all(keys).await?;
    let nginx = Nginx::start(
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("zone=16m", "")),
    )
    .await?;
    nginx.applied(revision).await?;
    let browser = Browser::start().await?;
    let tab = browser.tab().await?;
    tab.open(&page(&nginx)).await?;
    tab.until("document.querySelector('table.peers')?.getAttribute('aria-rowcount') === '10001'")
        .await?;
    let rows = tab.number("document.querySelectorAll('table.peers tr').length").await?;
    assert!(rows < 60.0, "{rows}");
    tab.evaluate(
        "(() => { const search = document.querySelector('input[type=search]'); \
         search.value = 'one-more'; search.dispatchEvent(new Event('input')); })()",
    )
    .await?;
    let began = Stopwatch::start();
    etcd.put(key("one-more"), &address).await?;
    tab.until(&has("one-more")).await?;
    let took = began.elapsed();
    assert!(took < SEEN, "{took:?}");
    assert_eq!(tab.complaints(), Vec::<String>::new());
    Ok(())
}
