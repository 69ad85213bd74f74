//! Sums equal what the nodes have counted themselves, and what nginx says of each request.

use harness::*;
use nix::sys::signal::Signal;

use super::{Figures, ended, of_peer, totals};

const NODES: usize = 3;

/// Asks each worker so often, over connections of its own.
async fn ask(nginx: &Nginx, path: &str, times: usize) -> Result<u64> {
    let mut connections = nginx.connect_to_each().await?;
    for connection in &mut connections {
        for _ in 0..times {
            let answer = connection.get(path).await?;
            ensure!(answer.status == 200, "{answer:?}");
        }
    }
    Ok((connections.len() * times) as u64)
}

/// That none of the figures has gone back, and the later ones.
fn grown(before: Option<Figures>, now: Figures) -> Result<Figures> {
    let before = before.unwrap_or_else(|| now.clone());
    for path in ["/requests", "/responses/2xx", "/sent", "/received", "/picks/balance"] {
        ensure!(now.number(path) >= before.number(path), "{path}: {before:?}, {now:?}");
    }
    for path in ["/header_time/counts", "/response_time/counts"] {
        ensure!(now.sum(path) >= before.sum(path), "{path}: {before:?}, {now:?}");
    }
    Ok(now)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_equal_the_nodes_counts_over_a_reload_and_a_killed_worker() -> Result<()> {
    let router = Router::start(2, NODES).await?;
    let nginx = &router.nginx;
    let (mut asked, mut last) = (0, None);
    for round in 0..4 {
        // Connections to each worker are a request of their own, that no peer gets.
        asked += ask(nginx, "/bytes/1000", 10).await?;
        last = Some(grown(last, ended(nginx, asked).await?)?);
        match round {
            0 => nginx.reload().await?,
            1 => {
                let victim = nginx.workers()?[0];
                signal(victim, Signal::SIGKILL)?;
                eventually(SOON, "another worker in its place", async || {
                    let workers = nginx.workers()?;
                    ensure!(!workers.contains(&victim) && workers.len() == 2, "{workers:?}");
                    Ok(())
                })
                .await?;
            }
            2 => {
                // Its figures go, and those of the upstream stay.
                let revision = router.etcd.delete(&key("n2")).await?;
                nginx.applied(revision).await?;
            }
            _ => {}
        }
        last = Some(grown(last, totals(nginx).await?)?);
    }
    let totals = ended(nginx, asked).await?;
    let counted: u64 = router.nodes.iter().map(|node| node.counts().requests).sum();
    assert_eq!(counted, asked);
    for path in ["/requests", "/responses/2xx", "/picks/balance"] {
        assert_eq!(totals.number(path), asked, "{path} of {totals:?}");
    }
    for path in ["/header_time/counts", "/response_time/counts"] {
        assert_eq!(totals.sum(path), asked, "{path} of {totals:?}");
    }
    assert!(totals.number("/received") > asked * 1_000, "{totals:?}");
    for (number, node) in router.nodes.iter().enumerate().take(2) {
        let figures = of_peer(nginx, &format!("n{number}")).await?;
        assert_eq!(figures.number("/responses/2xx"), node.counts().requests, "{figures:?}");
    }
    // The peer comes back as a new one.
    let address = router.nodes[2].address().to_string();
    let revision = router.etcd.put(key("n2"), address).await?;
    nginx.applied(revision).await?;
    assert_eq!(of_peer(nginx, "n2").await?.ended(), 0);
    // Of the log's alerts there is that of the worker that was killed.
    Ok(())
}

#[tokio::test]
async fn bytes_and_times_are_those_that_nginx_logs() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::firehose(etcd)
            .http("log_format bytes '$uri $upstream_bytes_sent $upstream_bytes_received';")
            .server("access_log logs/access.log bytes;")
    })
    .await?;
    let nginx = &router.nginx;
    let (mut sent, mut received) = (0, 0);
    for path in ["/bytes/100000", "/slow"] {
        nginx.get(&format!("{path}?ms=600")).await?;
        let line = super::logged(nginx, path).await?;
        let mut words = line.split(' ').map(|word| word.parse().unwrap_or(0_u64));
        sent += words.next().unwrap_or(0);
        received += words.next().unwrap_or(0);
    }
    let figures = ended(nginx, 2).await?;
    assert!(sent > 0 && received > 100_000, "{sent}, {received}");
    assert_eq!((figures.number("/sent"), figures.number("/received")), (sent, received));
    // That of the slow one is above 512 ms.
    let counts = figures.0["header_time"]["counts"].as_array().ok_or("no counts")?.clone();
    let above: u64 = counts.iter().skip(5).filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(above, 1, "{counts:?}");
    let sum = figures.0["header_time"]["sum"].as_f64().ok_or("no sum")?;
    assert!(sum >= 0.599, "{sum}");
    nginx.check_log()
}

/// Whatever the upstream needs beside a peer.
async fn each_kind_of_request(directives: &str) -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", directives))
    })
    .await?;
    let nginx = &router.nginx;
    for (path, class) in [
        ("/", "2xx"),
        ("/bytes/2000000", "2xx"),
        ("/status/204", "2xx"),
        ("/status/301", "3xx"),
        ("/status/404", "4xx"),
        ("/status/503", "5xx"),
    ] {
        let before = totals(nginx).await?;
        nginx.get(path).await?;
        let figures = ended(nginx, before.ended() + 1).await?;
        let path_of_class = format!("/responses/{class}");
        assert_eq!(figures.number(&path_of_class), before.number(&path_of_class) + 1, "{path}");
    }
    // A session is counted as it ends, and its length is no response time.
    let session = nginx.websocket("/ws").await?;
    session.close().await?;
    let figures = ended(nginx, 7).await?;
    assert_eq!(figures.number("/responses/1xx"), 1, "{figures:?}");
    let times = ["/header_time/counts", "/response_time/counts"].map(|path| figures.sum(path));
    assert_eq!(times, [7, 6], "{figures:?}");

    // A client that goes away is no failure of the peer's, whether the header has come or not.
    let before = router.nodes[0].counts().requests;
    let address = nginx.address();
    let poll = tokio::spawn(async move { get(&address, "/poll?ms=60000").await });
    eventually(SOON, "the node has the request", async || {
        ensure!(router.nodes[0].counts().requests > before, "not yet");
        Ok(())
    })
    .await?;
    poll.abort();
    eventually(SOON, "the client is gone", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.peers[0].connections == 0, "{upstream:?}");
        Ok(())
    })
    .await?;
    let figures = totals(nginx).await?;
    assert_eq!((figures.number("/requests"), figures.ended()), (8, 7), "{figures:?}");
    assert_eq!(figures.number("/no_peer"), 0, "{figures:?}");

    let revision = router.etcd.delete(&key("n0")).await?;
    nginx.applied(revision).await?;
    assert_eq!(nginx.get("/").await?.status, 502);
    let figures = totals(nginx).await?;
    assert_eq!((figures.number("/requests"), figures.number("/no_peer")), (8, 1), "{figures:?}");
    nginx.check_log()
}

#[tokio::test]
async fn each_request_is_counted_once_in_a_plain_upstream() -> Result<()> {
    each_kind_of_request("").await
}

#[tokio::test]
async fn each_request_is_counted_once_with_kept_connections() -> Result<()> {
    each_kind_of_request("etcd_keepalive 8;").await
}

#[tokio::test]
async fn each_request_is_counted_once_with_all_that_a_request_can_need() -> Result<()> {
    let directives = "etcd_balance least_time header; etcd_keepalive 8; etcd_drain timeout=60s;
        etcd_sticky cookie=id;";
    each_kind_of_request(directives).await
}

#[tokio::test]
async fn what_chose_the_peer_is_counted_and_shown() -> Result<()> {
    let router = Router::with(2, |etcd| {
        Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", "etcd_sticky cookie=id;"))
            .server("add_header X-Pick $etcd_pick always; add_header X-Tries $etcd_tries always;")
    })
    .await?;
    let nginx = &router.nginx;
    let answer = nginx.get("/").await?;
    assert_eq!((answer.header("x-pick"), answer.header("x-tries")), ("balance", "1"));
    let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let mut connection = nginx.connect().await?;
    for _ in 0..3 {
        let answer = connection.get_with("/", &[("cookie", &cookie)]).await?;
        assert_eq!(answer.header("x-pick"), "sticky", "{answer:?}");
    }
    let figures = ended(nginx, 4).await?;
    let picks =
        ["/picks/balance", "/picks/sticky", "/picks/panic"].map(|path| figures.number(path));
    assert_eq!(picks, [1, 3, 0], "{figures:?}");
    nginx.check_log()
}

#[tokio::test]
async fn peers_that_all_fail_their_checks_are_picked_in_panic() -> Result<()> {
    let check = "etcd_check http uri=/healthz interval=100ms timeout=1s fall=1 rise=1 panic=1;";
    let router = Router::with(2, |etcd| {
        Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", check))
            .server("add_header X-Pick $etcd_pick always;")
    })
    .await?;
    let nginx = &router.nginx;
    router.nodes.iter().for_each(|node| node.set_health(503));
    eventually(SOON, "all fail", async || {
        ensure!(nginx.upstream().await?.panic, "not yet");
        Ok(())
    })
    .await?;
    let before = totals(nginx).await?;
    assert_eq!(nginx.get("/").await?.header("x-pick"), "panic");
    let after = totals(nginx).await?;
    assert_eq!(after.number("/picks/panic"), before.number("/picks/panic") + 1, "{after:?}");
    nginx.check_log()
}

#[tokio::test]
async fn answers_from_the_cache_and_to_a_head_are_counted_as_nginx_asks_peers() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::firehose(etcd).http("proxy_cache_path cache keys_zone=small:1m;").server(
            "location /bytes/ { proxy_pass http://firehose; proxy_cache small;
                proxy_cache_valid 200 1h; }",
        )
    })
    .await?;
    let nginx = &router.nginx;
    for _ in 0..5 {
        assert_eq!(nginx.get("/bytes/10").await?.status, 200);
    }
    let mut connection = nginx.connect().await?;
    connection.send(hyper::Method::HEAD, "/", hyper::body::Bytes::new()).await?;
    let figures = ended(nginx, 2).await?;
    assert_eq!(figures.number("/requests"), router.nodes[0].counts().requests, "{figures:?}");
    nginx.check_log()
}
