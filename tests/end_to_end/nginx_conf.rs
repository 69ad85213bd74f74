//! The configurations that are shipped run as their first lines say.

mod platform;

use std::collections::BTreeMap;
use std::time::Duration;

use harness::*;
use hyper::Method;

#[tokio::test]
async fn minimal_configuration_routes() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    let nginx = Nginx::start(Configuration::shipped("minimal.conf", &etcd)?).await?;
    etcd.put("/app/upstream/a", nodes[0].address().to_string()).await?;
    etcd.put("/app/upstream/b", nodes[1].address().to_string()).await?;
    eventually(SOON, "both serve", async || {
        let answer = nginx.get("/path").await?;
        ensure!(answer.status == 200, "{answer:?}");
        ensure!(nodes.iter().all(|node| node.counts().requests > 0), "not both yet");
        Ok(())
    })
    .await?;
    assert_eq!(nginx.status().await?.upstreams["app"].keys(), ["a", "b"]);
    nginx.check_log()
}

#[tokio::test]
async fn firehose_configuration_routes_and_publishes() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    let nginx = Nginx::start(Configuration::shipped("firehose.conf", &etcd)?).await?;
    nginx.applied(etcd.register(&nodes).await?).await?;

    let mut session = nginx.websocket("/channel").await?;
    session.echo("hello").await?;
    let mut connection = nginx.connect().await?;
    let answer = connection.send(Method::PUT, "/channel", "message".into()).await?;
    let text = answer.text();
    assert_eq!(answer.status, 200, "{answer:?}");
    let host = format!("host: {}", nginx.address());
    for line in [
        "request: PUT /channel",
        "body: 7 bytes",
        &host,
        "x-real-ip: 127.0.0.1",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
    ] {
        assert!(text.lines().any(|it| it == line), "no {line} in {text}");
    }
    assert_eq!(connection.get("/poll?ms=50").await?.status, 204);
    assert_eq!(connection.get("/nginx-healthcheck").await?.status, 200);
    let status = connection.get("/nginx-status").await?;
    assert!(status.text().starts_with("Active connections:"), "{status:?}");
    assert_eq!(nginx.upstream().await?.keys(), ["n0", "n1"]);

    // Sessions go where there are fewest: while the first is open, a second goes to the other node.
    let second = nginx.websocket("/channel").await?;
    assert_ne!(second.node(), session.node());
    second.close().await?;

    // A publish must not be sent twice: a failure is the client's to know of.
    let tries = async || {
        Ok::<u64, Error>(nginx.upstream().await?.peers.iter().map(|peer| peer.requests).sum())
    };
    let before = tries().await?;
    for node in &nodes {
        node.set_fault(Fault::Close);
    }
    assert_eq!(nginx.get("/channel").await?.status, 502);
    assert_eq!(tries().await? - before, 1);
    session.echo("still there").await?;
    nginx.check_log()
}

/// Waits until an upstream's keys are these, and all of its peers have passed a check.
async fn passing(nginx: &Nginx, upstream: &str, keys: &[&str]) -> Result<Upstream> {
    eventually(SOON, &format!("{keys:?} pass their checks"), async || {
        let upstream =
            nginx.status().await?.upstreams.remove(upstream).ok_or("no such upstream")?;
        let pass = upstream.peers.iter().all(|peer| peer.health == "passing" && peer.state == "up");
        ensure!(upstream.keys() == keys && pass, "{upstream:?}");
        Ok(upstream)
    })
    .await
}

fn pairs(prefix: &str, nodes: &[Node]) -> Vec<(String, String)> {
    nodes
        .iter()
        .map(|node| (format!("{prefix}{}", node.name()), node.address().to_string()))
        .collect()
}

#[tokio::test]
async fn sessions_configuration_keeps_clients_with_their_peer() -> Result<()> {
    const PREFIX: &str = "/app/upstream/";
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(3).await?);
    let nginx = Nginx::start(Configuration::shipped("sessions.conf", &etcd)?).await?;
    // What is there at the first list has been there for long, as far as a router can know, and has
    // no ramp.
    eventually(SOON, "the prefix is followed", async || {
        let upstream = nginx.status().await?.upstreams.remove("app").ok_or("no such upstream")?;
        ensure!(upstream.connected && upstream.resyncs["start"] == 1, "{upstream:?}");
        Ok(())
    })
    .await?;
    etcd.put_all(pairs(PREFIX, &nodes)).await?;
    let upstream = passing(&nginx, "app", &["n0", "n1", "n2"]).await?;
    assert_eq!(upstream.balance, "least_conn");
    for peer in &upstream.peers {
        assert!(peer.slow_start == 30 && peer.share < 1.0, "{peer:?}");
    }

    let first = nginx.get("/").await?;
    assert_eq!(first.status, 200, "{first:?}");
    let set = first.header("set-cookie").to_owned();
    assert!(set.starts_with("srv_id=") && set.contains("; HttpOnly; SameSite=Lax"), "{set}");
    let cookie = set.split(';').next().unwrap_or_default();
    for _ in 0..12 {
        let answer = nginx.connect().await?.get_with("/", &[("cookie", cookie)]).await?;
        assert_eq!((answer.node(), answer.header("set-cookie")), (first.node(), ""));
    }
    // One for each worker at most, beside the checks': connections are used again.
    let own = nodes.iter().find(|node| node.name() == first.node()).ok_or("nobody's answer")?;
    let counts = own.counts();
    assert!(counts.accepted - counts.health_checks <= 4, "{counts:?}");

    // Peers that start slowly are drawn; all others are compared by their connections.
    let at_once =
        pairs(PREFIX, &nodes).into_iter().map(|(key, value)| (key, value + " slow_start=0"));
    etcd.put_all(at_once).await?;
    eventually(SOON, "no peer starts slowly", async || {
        let upstream = nginx.status().await?.upstreams.remove("app").ok_or("no such upstream")?;
        ensure!(upstream.peers.iter().all(|peer| peer.slow_start == 0), "{upstream:?}");
        Ok(())
    })
    .await?;
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(nginx.websocket("/ws").await?);
    }
    for node in &nodes {
        assert_eq!(open.iter().filter(|session| session.node() == node.name()).count(), 2);
    }
    etcd.delete(&format!("{PREFIX}{}", first.node())).await?;
    let answer = eventually(SOON, "the session moves", async || {
        let answer = nginx.connect().await?.get_with("/", &[("cookie", cookie)]).await?;
        ensure!(answer.status == 200 && answer.node() != first.node(), "{answer:?}");
        Ok(answer)
    })
    .await?;
    let set_anew = answer.header("set-cookie");
    assert!(set_anew.starts_with("srv_id=") && !set_anew.starts_with(cookie), "{set_anew}");
    for session in &mut open {
        session.echo("still there").await?;
    }
    nginx.check_log()
}

#[tokio::test]
async fn drain_configuration_moves_sessions() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    for node in &nodes {
        node.set_firehose(Some(Duration::from_millis(50)));
    }
    let nginx = Nginx::start(Configuration::shipped("drain.conf", &etcd)?).await?;
    etcd.register(&nodes).await?;
    passing(&nginx, UPSTREAM, &["n0", "n1"]).await?;
    let mut session = nginx.websocket("/channel").await?;
    let other = nginx.websocket("/channel").await?;
    assert_ne!(session.node(), other.node());
    let own = nodes.iter().find(|node| node.name() == session.node()).ok_or("nobody's session")?;

    etcd.put(key(own.name()), format!("{} drain", own.address())).await?;
    let peer = left(&nginx, own.name(), "drain").await?;
    assert_eq!((peer.connections, peer.upgraded), (1, 1), "{peer:?}");
    let third = nginx.websocket("/channel").await?;
    assert_eq!(third.node(), other.node());
    assert_eq!(nginx.get("/any/poll").await?.status, 204);
    eventually(SOON, "the log tells of the other node's sessions", async || {
        let log = std::fs::read_to_string(nginx.folder().path().join("logs/access.log"))?;
        ensure!(
            log.lines().any(|line| line.contains(" 204 ") && line.ends_with("open=2 upgraded=2")),
            "{log}"
        );
        Ok(())
    })
    .await?;
    session.echo("drained").await?;

    nginx.applied(etcd.put(key(own.name()), own.address().to_string()).await?).await?;
    let upstream = nginx.upstream().await?;
    assert!(upstream.peers.iter().all(|peer| peer.closes_in.is_none()), "{:?}", upstream.peers);
    etcd.delete(&key(own.name())).await?;
    left(&nginx, own.name(), "removed").await?;
    session.echo("removed").await?;
    assert_eq!(nginx.upstream().await?.drained, 0);
    nginx.check_log()
}

/// Waits until a node is being left, with the time that the configuration gives it.
async fn left(nginx: &Nginx, name: &str, state: &str) -> Result<Peer> {
    eventually(SOON, &format!("{name} is being left"), async || {
        let upstream = nginx.upstream().await?;
        let peer = upstream.peer(name).ok_or("no such peer")?;
        let is_left = peer.closes_in.is_some_and(|seconds| seconds > 0.0 && seconds <= 30.02);
        ensure!(peer.state == state && is_left, "{peer:?}");
        Ok(peer.clone())
    })
    .await
}

#[tokio::test]
async fn cache_configuration_spreads_keys() -> Result<()> {
    const PREFIX: &str = "/caches/upstream/";
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(3).await?);
    let nginx = Nginx::start(Configuration::shipped("cache.conf", &etcd)?).await?;
    etcd.put_all(pairs(PREFIX, &nodes)).await?;
    assert_eq!(passing(&nginx, "caches", &["n0", "n1", "n2"]).await?.balance, "hash consistent");
    let all = places(&nginx).await?;
    for node in &nodes {
        assert!(all.values().any(|place| place == node.name()), "{all:?}");
        // The checks are connections, and ask for nothing.
        assert_eq!(node.counts().health_checks, 0);
    }

    etcd.delete(&format!("{PREFIX}n1")).await?;
    passing(&nginx, "caches", &["n0", "n2"]).await?;
    for (page, place) in places(&nginx).await? {
        let before = &all[&page];
        assert!(
            before == "n1" && place != "n1" || place == *before,
            "{page}: {before}, then {place}"
        );
    }
    etcd.put_all(pairs(PREFIX, &nodes[1..2])).await?;
    passing(&nginx, "caches", &["n0", "n1", "n2"]).await?;
    assert_eq!(places(&nginx).await?, all);

    // One that accepts and closes costs a try at another, and no page.
    nodes[0].set_fault(Fault::Close);
    for (page, before) in &all {
        // A worker that keeps a connection to it gets its answer all the same, and others do not.
        let answer = nginx.get(page).await?;
        assert_eq!(answer.status, 200, "{page}: {answer:?}");
        assert!(answer.node() != "n0" || before == "n0", "{page} at {}", answer.node());
    }
    nginx.check_log()
}

/// The node of each of a hundred pages, which is the same for all arguments and in all workers.
async fn places(nginx: &Nginx) -> Result<BTreeMap<String, String>> {
    let mut places = BTreeMap::new();
    for number in 0..100 {
        let page = format!("/pages/{number}");
        let mut connection = nginx.connect().await?;
        let [with, without] =
            [connection.get(&format!("{page}?a={number}")).await?, nginx.get(&page).await?];
        ensure!(with.status == 200 && without.status == 200, "{with:?}, {without:?}");
        ensure!(with.node() == without.node(), "{page}: {}, {}", with.node(), without.node());
        places.insert(page, with.node().to_owned());
    }
    Ok(places)
}

#[tokio::test]
async fn status_is_refused_to_other_machines() -> Result<()> {
    for name in [
        "minimal.conf",
        "firehose.conf",
        "drain.conf",
        "sessions.conf",
        "cache.conf",
        "platform.conf",
    ] {
        let text = Configuration::shipped_text(name)?;
        let location = text.split("etcd_status;").nth(1).ok_or("no etcd_status")?;
        let rules: Vec<_> =
            location.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
        assert_eq!(rules, ["allow 127.0.0.1;", "allow ::1;", "deny all;"], "{name}");
        // scripts/check-conf-headers.sh types it where it may.
        let command = format!("#     sudo /usr/sbin/nginx -c \"$PWD/nginx-conf/{name}\"\n");
        assert!(text.contains(&command), "{name} does not say how it is started");
    }
    Ok(())
}
