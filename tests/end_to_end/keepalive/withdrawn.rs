//! Idle connections of peers that leave the service, whoever finds that out, are closed in every
//! worker.

use std::time::Duration;

use harness::*;

use super::keeping;

/// The promise: a worker looks ten times a second. The rest is for a busy machine; left alone they
/// would stay for an hour.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Long enough that no connection ends by itself.
const FOREVER: &str = "8 time=1h timeout=1h";
const WORKERS: u64 = 2;

/// Two nodes, with an idle connection to each from each of two workers.
async fn resting(directives: &str) -> Result<Router> {
    let keepalive = format!("{FOREVER}; {directives}");
    let configuration = |etcd: &Etcd| {
        keeping(etcd, keepalive.trim_end_matches([';', ' '])).workers(WORKERS as usize)
    };
    let router = Router::with(2, configuration).await?;
    for mut connection in router.nginx.connect_to_each().await? {
        rest(&mut connection, "n0").await?;
        rest(&mut connection, "n1").await?;
    }
    are_open(&router.nodes[0], WORKERS).await?;
    are_open(&router.nodes[1], WORKERS).await?;
    Ok(router)
}

/// Asks on a connection to a worker until a node has answered, to which the worker then has an idle
/// connection.
async fn rest(connection: &mut Connection, node: &str) -> Result<()> {
    eventually(SOON, &format!("{node} answers"), async || {
        let answer = connection.get("/").await?;
        ensure!(answer.status == 200 && answer.node() == node, "{answer:?}");
        Ok(())
    })
    .await
}

/// Waits until as many connections to the node are open, those of checks not counted, which come
/// and go.
async fn are_open(node: &Node, count: u64) -> Result<()> {
    eventually(AT_ONCE, &format!("{count} connections to {}", node.name()), async || {
        let counts = node.counts();
        ensure!(counts.connections == count, "{counts:?}");
        Ok(())
    })
    .await
}

/// The one has no connection any more, the other has all that it had.
async fn only_one_lost_them(router: &Router) -> Result<()> {
    are_open(&router.nodes[0], 0).await?;
    are_open(&router.nodes[1], WORKERS).await?;
    let idle = idle_connections(&router.nginx).await?;
    ensure!(idle == [1, 1], "{idle:?} idle connections");
    for mut connection in router.nginx.connect_to_each().await? {
        for _ in 0..5 {
            let answer = connection.get("/").await?;
            ensure!(answer.node() == "n1", "{answer:?}");
        }
    }
    eventually(AT_ONCE, "none was opened anew, but for checks", async || {
        let counts = router.nodes[1].counts();
        ensure!(counts.accepted - counts.health_checks == WORKERS, "{counts:?}");
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}

/// How many each worker says that it has.
async fn idle_connections(nginx: &Nginx) -> Result<Vec<usize>> {
    let mut counts = Vec::new();
    for mut connection in nginx.connect_to_each().await? {
        let status: Status = serde_json::from_slice(&connection.get("/etcd").await?.body)?;
        counts.push(status.idle_connections);
    }
    Ok(counts)
}

#[tokio::test]
async fn status_counts_idle_connections_of_a_worker() -> Result<()> {
    let router = Router::with(2, |etcd| keeping(etcd, FOREVER).workers(2)).await?;
    assert_eq!(idle_connections(&router.nginx).await?, [0, 0]);
    let workers = router.nginx.workers()?;
    let mut connection = router.nginx.connect_to(workers[0]).await?;
    rest(&mut connection, "n0").await?;
    rest(&mut connection, "n1").await?;
    assert_eq!(idle_connections(&router.nginx).await?, [2, 0]);
    router.nginx.check_log()
}

#[tokio::test]
async fn idle_connections_of_a_deleted_peer_are_closed() -> Result<()> {
    let router = resting("").await?;
    router.etcd.delete(&key("n0")).await?;
    only_one_lost_them(&router).await
}

#[tokio::test]
async fn idle_connections_of_a_peer_with_drain_or_down_are_closed() -> Result<()> {
    for word in ["drain", "down"] {
        let router = resting("").await?;
        router.etcd.put(key("n0"), format!("{} {word}", router.nodes[0].address())).await?;
        only_one_lost_them(&router).await.map_err(|error| format!("{word}: {error}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn idle_connections_to_a_former_address_are_closed() -> Result<()> {
    let router = resting("").await?;
    router.etcd.put(key("n0"), router.nodes[1].address().to_string()).await?;
    are_open(&router.nodes[0], 0).await?;
    // The other peer's stay, though their address is now also that of another key.
    are_open(&router.nodes[1], WORKERS).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn idle_connections_of_a_peer_that_fails_in_another_worker_are_closed() -> Result<()> {
    let directives = "etcd_defaults max_fails=1 fail_timeout=1h";
    let router =
        Router::with(2, |etcd| keeping(etcd, &format!("{FOREVER}; {directives}")).workers(2))
            .await?;
    let (nginx, node, workers) = (&router.nginx, &router.nodes[0], router.nginx.workers()?);
    let mut connection = nginx.connect_to(workers[0]).await?;
    rest(&mut connection, "n0").await?;
    rest(&mut connection, "n1").await?;
    // The one worker has a connection that is well; the other would need a new one, and meets the
    // failure.
    node.set_fault(Fault::Close);
    let mut connection = nginx.connect_to(workers[1]).await?;
    for _ in 0..2 {
        let answer = connection.get("/").await?;
        assert_eq!((answer.status, answer.node()), (200, "n1"));
    }
    let upstream = nginx.upstream().await?;
    assert_eq!(upstream.peer("n0").ok_or("no n0")?.state, "unavailable");
    only_one_lost_them(&router).await
}

#[tokio::test]
async fn idle_connections_of_a_peer_that_fails_its_checks_are_closed() -> Result<()> {
    let router = resting("etcd_check http uri=/healthz interval=200ms timeout=10s fall=1").await?;
    router.nodes[0].set_health(500);
    only_one_lost_them(&router).await
}

#[tokio::test]
async fn idle_connections_of_an_unchanged_peer_are_kept() -> Result<()> {
    let router = resting("").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let other = Node::start("other").await?;
    for _ in 0..5 {
        nginx.applied(etcd.register(std::slice::from_ref(&other)).await?).await?;
        nginx.applied(etcd.delete(&key("other")).await?).await?;
        // Its own value again, and with another weight: it is the same peer.
        for words in ["", "weight=2"] {
            let value = format!("{} {words}", router.nodes[0].address());
            nginx.applied(etcd.put(key("n0"), value).await?).await?;
        }
    }
    for node in &router.nodes {
        assert_eq!((node.counts().accepted, node.counts().connections), (WORKERS, WORKERS));
    }
    assert_eq!(idle_connections(nginx).await?, [2, 2]);
    nginx.check_log()
}
