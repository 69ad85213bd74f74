//! `send=`, `expect=` and `tls` with a real Redis, which answers lines.

use nix::sys::signal::Signal;

use super::*;

/// Time enough for a busy machine; an answer that is not expected is waited for as long.
const PING: &str = "tcp send=PING expect=+PONG interval=50ms timeout=1s";
const NOAUTH: &str = r#"unexpected answer "-NOAUTH Authentication required.\r\n""#;

/// A check of these peers, once nginx has them.
async fn checks(check: &str, peers: &[(&str, &str)]) -> Result<(Etcd, Nginx)> {
    let etcd = Etcd::start().await?;
    let mut revision = 0;
    for &(name, address) in peers {
        revision = etcd.put(key(name), address.to_owned()).await?;
    }
    let nginx = Nginx::start(checking(&etcd, check)).await?;
    nginx.applied(revision).await?;
    Ok((etcd, nginx))
}

/// What the status says of the last check of a peer that failed.
async fn last_error(nginx: &Nginx, key: &str) -> Result<String> {
    let status: serde_json::Value = serde_json::from_slice(&nginx.get("/etcd").await?.body)?;
    let peers = status["upstreams"][UPSTREAM]["peers"].as_array().ok_or("no peers")?;
    let peer = peers.iter().find(|peer| peer["key"] == key).ok_or("no such peer")?;
    Ok(peer["checks"]["last_error"].as_str().ok_or("no error")?.to_owned())
}

#[tokio::test]
async fn redis_that_answers_otherwise_is_unhealthy_until_it_pongs() -> Result<()> {
    let (good, locked) =
        (Redis::start(&[]).await?, Redis::start(&["--requirepass", "pepper"]).await?);
    let peers = [("good", &*good.address()), ("locked", &*locked.address())];
    let (_etcd, nginx) = checks(PING, &peers).await?;
    becomes(&nginx, "locked", "unhealthy").await?;
    let fails = format!("peer \"locked\" ({}) is unhealthy: {NOAUTH}", locked.address());
    assert!(nginx.wait_for_log(&fails).await?.contains("[warn]"));
    assert_eq!(last_error(&nginx, "locked").await?, "unexpected answer");
    let upstream = becomes(&nginx, "good", "up").await?;
    assert_eq!(upstream.peer("good").ok_or("no good")?.health, "passing");

    // One that is stopped accepts connections, and says nothing.
    good.signal(Signal::SIGSTOP)?;
    becomes(&nginx, "good", "unhealthy").await?;
    nginx.wait_for_log("is unhealthy: timed out after 1s").await?;
    assert_eq!(last_error(&nginx, "good").await?, "timeout");
    good.signal(Signal::SIGCONT)?;
    becomes(&nginx, "good", "up").await?;
    // Redis closes what a client has closed, and has nothing against it.
    assert!(!good.log().to_lowercase().contains("error"), "{}", good.log());
    nginx.check_log()
}

#[tokio::test]
async fn redis_that_becomes_a_replica_fails_a_check_of_its_role() -> Result<()> {
    let primary = Redis::start(&[]).await?;
    let other = Redis::start(&[]).await?;
    let check = r#"tcp "send=INFO replication\r\n" expect=role:master interval=50ms timeout=1s"#;
    let peers = [("a", &*primary.address()), ("b", &*other.address())];
    let (_etcd, nginx) = checks(check, &peers).await?;
    for key in ["a", "b"] {
        becomes(&nginx, key, "up").await?;
    }
    let (host, port) = primary
        .address()
        .split_once(':')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .ok_or("no port")?;
    assert_eq!(other.command(&format!("REPLICAOF {host} {port}")).await?, "+OK");
    becomes(&nginx, "b", "unhealthy").await?;
    let line = nginx.wait_for_log("peer \"b\"").await?;
    assert!(line.contains("unexpected answer \"$"), "{line}");
    assert_eq!(other.command("REPLICAOF NO ONE").await?, "+OK");
    becomes(&nginx, "b", "up").await?;
    nginx.check_log()
}

#[tokio::test]
async fn redis_behind_tls_passes_and_a_plain_one_does_not() -> Result<()> {
    let authority = Authority::new("nobody's")?;
    let secret = Redis::with_tls(&authority, "redis.internal").await?;
    let plain = Redis::start(&[]).await?;
    let peers = [("secret", &*secret.address()), ("plain", &*plain.address())];
    for check in ["tls", "tls name=redis.internal", "tls send=PING expect=+PONG"] {
        let check = format!("{check} interval=50ms timeout=1s");
        let (_etcd, nginx) = checks(&check, &peers).await?;
        becomes(&nginx, "plain", "unhealthy").await?;
        let upstream = becomes(&nginx, "secret", "up").await?;
        assert_eq!(upstream.peer("secret").ok_or("no secret")?.health, "passing", "{check}");
        // Redis takes a handshake for lines, of which none is a command, and waits for their end.
        let line = nginx.wait_for_log("peer \"plain\"").await?;
        assert!(line.contains("is unhealthy: "), "{line}");
        nginx.check_log()?;
    }
    let (_etcd, nginx) = checks(PING, &peers).await?;
    becomes(&nginx, "secret", "unhealthy").await?;
    becomes(&nginx, "plain", "up").await?;
    nginx.check_log()
}
