//! `$etcd_peer`, `$etcd_peer_connections`, `$etcd_peer_upgraded`, `$etcd_revision` and the status,
//! where they are used.

use harness::*;

#[tokio::test]
async fn the_variables_are_in_headers_and_in_the_access_log() -> Result<()> {
    let router = Router::with(2, |etcd| {
        Configuration::firehose(etcd)
            .http(
                "log_format etcd '$uri peer=$etcd_peer revision=$etcd_revision \
                 upstream=$upstream_addr';",
            )
            .server("access_log logs/access.log etcd; location = /plain { return 204; }")
    })
    .await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let revision = etcd.put(key("deep/er"), format!("{} down", router.nodes[0].address())).await?;
    nginx.applied(revision).await?;
    for number in 0..2 {
        let answer = nginx.get(&format!("/{number}")).await?;
        assert_eq!((answer.peer(), answer.revision()), (answer.node(), revision), "{answer:?}");
    }
    let plain = nginx.get("/plain").await?;
    assert_eq!((plain.status, plain.peer()), (204, ""));
    eventually(SOON, "the access log is written", async || {
        let log = std::fs::read_to_string(nginx.folder().path().join("logs/access.log"))?;
        for (number, node) in router.nodes.iter().enumerate() {
            let address = node.address();
            let line = format!("peer=n{number} revision={revision} upstream={address}");
            ensure!(log.lines().any(|it| it.ends_with(&line)), "no {line} in {log}");
        }
        ensure!(log.lines().any(|line| line.starts_with("/plain peer=- ")), "{log}");
        Ok(())
    })
    .await?;
    nginx.check_log()
}

/// Waits until a line of the access log begins with one and ends with the other.
async fn logged(nginx: &Nginx, begin: &str, end: &str) -> Result<()> {
    eventually(SOON, &format!("a line {begin}...{end}"), async || {
        let log = std::fs::read_to_string(nginx.folder().path().join("logs/access.log"))?;
        ensure!(log.lines().any(|line| line.starts_with(begin) && line.ends_with(end)), "{log}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn etcd_peer_connections_is_in_headers_and_in_the_access_log() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::firehose(etcd)
            .http(
                "log_format open '$uri open=$etcd_peer_connections upgraded=$etcd_peer_upgraded';",
            )
            .server(
                "access_log logs/access.log open; location = /plain { return 204; }
                 add_header X-Open $etcd_peer_connections always; add_header X-Upgraded \
                 $etcd_peer_upgraded always;",
            )
    })
    .await?;
    let nginx = &router.nginx;
    let sessions = [nginx.websocket("/ws").await?, nginx.websocket("/ws").await?];
    let address = nginx.address();
    let poll = tokio::spawn(async move { get(&address, "/poll?ms=60000").await });
    eventually(SOON, "all are open", async || {
        let upstream = nginx.upstream().await?;
        let peer = upstream.peer("n0").ok_or("no n0")?;
        ensure!((peer.connections, peer.upgraded) == (3, 2), "{peer:?}");
        Ok(())
    })
    .await?;
    // In a header the request counts itself; in the log, which comes after its end, it does not.
    let answer = nginx.get("/one").await?;
    assert_eq!((answer.header("x-open"), answer.header("x-upgraded")), ("4", "2"), "{answer:?}");
    logged(nginx, "/one", " open=3 upgraded=2").await?;
    for session in sessions {
        session.close().await?;
    }
    for rest in ["open=2 upgraded=1", "open=1 upgraded=0"] {
        logged(nginx, "/ws", rest).await?;
    }
    let plain = nginx.get("/plain").await?;
    assert_eq!((plain.status, plain.header("x-open")), (204, ""));
    logged(nginx, "/plain", "open=- upgraded=-").await?;
    poll.abort();
    logged(nginx, "/poll", "open=0 upgraded=0").await?;
    nginx.check_log()
}

#[tokio::test]
async fn etcd_peer_is_the_one_that_served_after_another_failed() -> Result<()> {
    let router = Router::start(1, 2).await?;
    router.nodes[0].set_fault(Fault::Close);
    for _ in 0..6 {
        let answer = router.nginx.get("/").await?;
        assert_eq!((answer.node(), answer.peer()), ("n1", "n1"));
    }
    Ok(())
}

#[tokio::test]
async fn status_has_the_nginx_version_and_the_connection_to_etcd() -> Result<()> {
    let router = Router::start(2, 2).await?;
    let answer = router.nginx.get("/etcd").await?;
    assert!(answer.header("content-type").starts_with("application/json"), "{answer:?}");
    let status = router.nginx.status().await?;
    let workers = router.nginx.workers()?;
    assert!(
        workers.contains(&status.pid) && workers.contains(&status.watcher_pid.ok_or("nobody")?),
        "{status:?}"
    );
    assert_eq!(status.nginx_version.split('.').count(), 3);
    let upstream = &status.upstreams[UPSTREAM];
    assert_eq!((upstream.cluster.as_str(), upstream.prefix.as_str()), ("main", PREFIX));
    assert!(upstream.generation > 0);
    // The watch stands a moment after its list.
    eventually(SOON, "etcd is followed", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(upstream.connected, "{upstream:?}");
        Ok(())
    })
    .await?;
    assert_eq!((upstream.zone.size, upstream.zone.full), (1 << 20, false));
    assert!(upstream.zone.used > 0 && upstream.zone.used < upstream.zone.size, "{upstream:?}");
    for cause in ["start", "takeover", "compacted", "canceled", "broken", "silent", "unreachable"] {
        assert!(upstream.resyncs.contains_key(cause), "{cause}: {:?}", upstream.resyncs);
    }
    // An idle prefix is known to be up to date all the same.
    for _ in 0..3 {
        eventually(SOON, "etcd has spoken just now", async || {
            let word = router.nginx.upstream().await?.seconds_since_last_word.ok_or("never")?;
            ensure!((0.0..1.0).contains(&word), "{word} s ago");
            Ok(())
        })
        .await?;
        eventually(SOON, "time goes by", async || {
            let word = router.nginx.upstream().await?.seconds_since_last_word.ok_or("never")?;
            ensure!(word >= 1.0, "{word} s ago");
            Ok(())
        })
        .await?;
    }
    // A HEAD has no body, and nothing but GET and HEAD is taken.
    let mut connection = router.nginx.connect().await?;
    let head = connection.send(hyper::Method::HEAD, "/etcd", Default::default()).await?;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let post = connection.send(hyper::Method::POST, "/etcd", Default::default()).await?;
    assert_eq!(post.status, 405, "{post:?}");
    router.nginx.check_log()
}
