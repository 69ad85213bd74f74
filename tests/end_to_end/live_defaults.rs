//! `etcd_defaults max_conns=$variable`: a limit that a key sets for all peers, without a reload.

use harness::*;
use nix::sys::signal::Signal;

/// The key of the limit.
const LIMIT: &str = "/firehose/nginx/max_conns";

fn configuration(etcd: &Etcd) -> Configuration {
    Configuration::new()
        .workers(2)
        .http(&cluster("main", &etcd.url()))
        .http(&format!("etcd_variable $limit main {LIMIT} default=0 type=number;"))
        .http(&upstream("", "etcd_defaults weight=2 max_conns=$limit;"))
}

async fn start(nodes: usize) -> Result<Router> {
    Router::with(nodes, configuration).await
}

/// Waits until each of these peers has its limit.
async fn limits_are(nginx: &Nginx, expected: &[(&str, u32)]) -> Result<()> {
    eventually(SOON, &format!("limits {expected:?}"), async || {
        let upstream = nginx.upstream().await?;
        for (key, limit) in expected {
            let peer = upstream.peers.iter().find(|peer| peer.key.as_deref() == Some(*key));
            let peer = peer.ok_or_else(|| format!("no {key}"))?;
            ensure!(peer.max_conns == *limit && peer.weight == 2, "{peer:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn max_conns_variable_acts_at_once_on_peers_without_their_own() -> Result<()> {
    let router = start(1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let workers = nginx.workers()?;
    let [node] = &router.nodes[..] else { unreachable!() };
    let name = node.name();
    limits_are(nginx, &[(name, 0)]).await?;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let mut session = nginx.websocket("/ws").await?;
        session.echo("open").await?;
        sessions.push(session);
    }
    etcd.put(LIMIT, "2").await?;
    limits_are(nginx, &[(name, 2)]).await?;
    // More are open already: nobody is closed, and nobody else comes in.
    assert_eq!(nginx.get("/").await?.status, 502);
    for session in &mut sessions {
        session.echo("still open").await?;
    }
    etcd.put(LIMIT, "4").await?;
    limits_are(nginx, &[(name, 4)]).await?;
    assert_eq!(nginx.get("/").await?.status, 200);

    etcd.put(key("own"), format!("{} max_conns=7", node.address())).await?;
    nginx.wait_for_peer("own").await?;
    for (value, limit) in
        [("5", 5), ("5", 5), ("no number", 5), ("-1", 5), ("4294967296", 5), ("6\n", 6)]
    {
        etcd.put(LIMIT, value).await?;
        limits_are(nginx, &[(name, limit), ("own", 7)]).await?;
    }
    // A value that sets what was the default so far is its own from now on.
    etcd.put(key(name), format!("{} max_conns=6", node.address())).await?;
    nginx.applied(etcd.revision().await?).await?;
    etcd.delete(LIMIT).await?;
    limits_are(nginx, &[(name, 6), ("own", 7)]).await?;
    etcd.put(key(name), node.address().to_string()).await?;
    limits_are(nginx, &[(name, 0), ("own", 7)]).await?;
    nginx.wait_for_log_lines("is not a number", 3).await?;
    assert_eq!(nginx.workers()?, workers);
    nginx.wait_for_log_lines("default max_conns of peers is", 5).await?;
    Ok(())
}

#[tokio::test]
async fn max_conns_variable_stays_over_takeovers_reloads_and_without_etcd() -> Result<()> {
    let mut router = start(3).await?;
    let names: Vec<String> = router.nodes.iter().map(|node| node.name().to_owned()).collect();
    let all = |limit| names.iter().map(|name| (name.as_str(), limit)).collect::<Vec<_>>();
    router.etcd.put(LIMIT, "9").await?;
    limits_are(&router.nginx, &all(9)).await?;
    signal(router.nginx.watcher().await?, Signal::SIGKILL)?;
    router.nginx.watcher().await?;
    limits_are(&router.nginx, &all(9)).await?;
    // A change that nobody hears at once.
    router.etcd.pause()?;
    router.etcd.resume()?;
    router.etcd.put(LIMIT, "8").await?;
    limits_are(&router.nginx, &all(8)).await?;
    router.etcd.kill().await?;
    router.nginx.reload().await?;
    limits_are(&router.nginx, &all(8)).await?;
    router.etcd.restart().await?;
    router.etcd.put(LIMIT, "7").await?;
    limits_are(&router.nginx, &all(7)).await
}
