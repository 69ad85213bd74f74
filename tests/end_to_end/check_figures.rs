//! What the status says of the checks of each peer, and since when it is in its state.

use std::time::Duration;

use harness::*;
use serde_json::Value;

/// The peer with this key.
async fn peer(nginx: &Nginx, key: &str) -> Result<Value> {
    let answer = nginx.get("/etcd").await?;
    ensure!(answer.status == 200, "status {}: {}", answer.status, answer.text());
    let status: Value = serde_json::from_slice(&answer.body)?;
    let peers = status["upstreams"][UPSTREAM]["peers"].as_array().ok_or("no peers")?.clone();
    peers.into_iter().find(|peer| peer["key"] == key).ok_or_else(|| format!("no {key}").into())
}

/// Waits until this is so of the peer.
async fn becomes(
    nginx: &Nginx,
    key: &str,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Result<Value> {
    eventually(SOON, &format!("{key}: {what}"), async || {
        let peer = peer(nginx, key).await?;
        ensure!(is_so(&peer), "{peer}");
        Ok(peer)
    })
    .await
}

#[tokio::test]
async fn checks_are_counted_with_the_last_error() -> Result<()> {
    let router = Router::with(2, |etcd| {
        let check = "etcd_check http uri=/healthz interval=50ms timeout=10s;";
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", check))
    })
    .await?;
    let (nginx, ill) = (&router.nginx, &router.nodes[1]);
    let good =
        becomes(nginx, "n1", "five checks", |peer| peer["checks"]["made"].as_u64() >= Some(5))
            .await?;
    let checks = &good["checks"];
    assert_eq!((checks["failed"].as_u64(), checks["last_error"].as_str()), (Some(0), None));
    assert!(checks["seconds_since_last_error"].is_null());
    let seconds = checks["seconds_since_last"].as_f64().ok_or("no check")?;
    assert!((0.0..10.0).contains(&seconds), "{seconds}");

    ill.set_health(503);
    let bad = becomes(nginx, "n1", "unhealthy", |peer| {
        peer["state"] == "unhealthy" && peer["checks"]["failed"].as_u64() >= Some(3)
    })
    .await?;
    assert_eq!(bad["checks"]["last_error"], "status 503");
    let since = bad["seconds_in_state"].as_f64().ok_or("since when")?;
    let before = good["seconds_in_state"].as_f64().ok_or("since when")?;
    assert!(since >= 0.0 && before >= 0.0);

    // All of it is kept: the errors when it passes again, the counts when another process checks.
    ill.set_health(200);
    let up = becomes(nginx, "n1", "up", |peer| peer["state"] == "up").await?;
    assert_eq!(up["checks"]["last_error"], "status 503");
    let made = up["checks"]["made"].as_u64().ok_or("no checks")?;
    nginx.reload().await?;
    let watcher = eventually(SOON, "a new worker watches", async || {
        let watcher = nginx.watcher().await?;
        ensure!(nginx.workers()?.contains(&watcher), "{watcher} is an old one");
        Ok(watcher)
    })
    .await?;
    signal(watcher, nix::sys::signal::Signal::SIGKILL)?;
    let after =
        becomes(nginx, "n1", "is checked on", |peer| peer["checks"]["made"].as_u64() > Some(made))
            .await?;
    assert_eq!(after["checks"]["last_error"], "status 503");
    assert!(after["checks"]["failed"].as_u64() >= bad["checks"]["failed"].as_u64());
    // No counts of another peer.
    assert_eq!(peer(nginx, "n0").await?["checks"]["failed"], 0);
    Ok(())
}

#[tokio::test]
async fn a_refused_connection_and_a_timeout_are_named() -> Result<()> {
    let (etcd, nodes, closed) =
        (Etcd::start().await?, start_nodes(1).await?, ClosedPort::reserve()?);
    nodes[0].set_fault(Fault::Hang);
    etcd.register(&nodes).await?;
    etcd.put(key("closed"), closed.address().to_string()).await?;
    let check = "etcd_check http uri=/healthz interval=50ms timeout=300ms;";
    let configuration =
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", check));
    let nginx = Nginx::start(configuration).await?;
    for (key, error) in [("closed", "connection refused"), ("n0", "timeout")] {
        becomes(&nginx, key, error, |peer| peer["checks"]["last_error"] == error).await?;
    }
    Ok(())
}

#[tokio::test]
async fn states_begin_when_they_change_and_not_with_values() -> Result<()> {
    let router = Router::start(1, 2).await?;
    let (nginx, etcd, node) = (&router.nginx, &router.etcd, &router.nodes[1]);
    let since = async |state: &str| -> Result<f64> {
        let peer = becomes(nginx, "n1", state, |peer| peer["state"] == state).await?;
        peer["seconds_in_state"].as_f64().ok_or_else(|| format!("{peer}").into())
    };
    // Long enough to be told from a state that has just begun.
    let long = Duration::from_millis(500).as_secs_f64();
    eventually(SOON, "it is up for a while", async || {
        let seconds = since("up").await?;
        ensure!(seconds > long, "{seconds}");
        Ok(())
    })
    .await?;
    let revision = etcd.put(key("n1"), format!("{} weight=3", node.address())).await?;
    nginx.applied(revision).await?;
    assert!(since("up").await? > long);
    nginx.reload().await?;
    assert!(since("up").await? > long);
    for (words, state) in [("drain", "drain"), ("down", "down"), ("", "up")] {
        let began = Stopwatch::start();
        etcd.put(key("n1"), format!("{} {words}", node.address())).await?;
        let seconds = since(state).await?;
        let passed = began.passed().as_secs_f64();
        assert!(seconds <= passed, "{state} for {seconds} s, {passed} s after the change");
    }
    Ok(())
}
