//! Leases that run out together do not take their peers with them: `expiry_guard=`.

use std::time::Duration;

use harness::*;
use nix::sys::signal::Signal;

/// Longer than any test takes.
const LONG: i64 = 3_600;

/// A router with `count` nodes, each with a lease of its own.
async fn guarded(count: usize, parameters: &str, directives: &str) -> Result<(Router, Vec<i64>)> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(count).await?;
    let leases = etcd.register_with_leases(&nodes, LONG).await?;
    let configuration = Configuration::new()
        .workers(2)
        .http(&cluster("main", &etcd.url()))
        .http(&upstream(&format!("expiry_guard=50% {parameters}"), directives));
    let nginx = Nginx::start(configuration).await?;
    nginx.applied(etcd.revision().await?).await?;
    let router = Router { nginx, nodes, etcd };
    router.settled().await?;
    Ok((router, leases))
}

/// The names of the peers, once etcd's revision has been applied and `count` of them are kept.
async fn kept(router: &Router, count: usize) -> Result<Upstream> {
    let revision = router.etcd.revision().await?;
    eventually(SOON, &format!("{count} peers are kept at revision {revision}"), async || {
        let upstream = router.nginx.upstream().await?;
        let kept = upstream.holding.as_ref().map_or(0, |holding| holding.peers);
        ensure!(upstream.revision >= revision && kept == count, "{upstream:?}");
        Ok(upstream)
    })
    .await
}

#[tokio::test]
async fn few_expired_peers_go_and_many_stay() -> Result<()> {
    let (router, leases) = guarded(8, "hold=1h", "").await?;
    let load = Load::start(&router.nginx.address(), "/", Clients::Fresh, 2);
    for lease in &leases[..3] {
        router.etcd.revoke(*lease).await?;
    }
    router.nginx.wait_for_keys(&["n3", "n4", "n5", "n6", "n7"]).await?;
    assert!(router.nginx.upstream().await?.holding.is_none());
    // One more is half of eight; with those that follow it is more, and even the first ones are
    // there again.
    for lease in &leases[3..] {
        router.etcd.revoke(*lease).await?;
    }
    let upstream = kept(&router, 8).await?;
    assert_eq!(upstream.keys().len(), 8);
    assert_eq!(upstream.holding.map(|holding| holding.reason).as_deref(), Some("expired_leases"));
    router.nginx.wait_for_log_lines("too many leases", 1).await?;

    // Another watcher keeps them as well.
    let lists = upstream.resyncs.values().sum::<u64>();
    signal(router.nginx.watcher().await?, Signal::SIGKILL)?;
    eventually(SOON, "another watcher has listed etcd", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(upstream.resyncs.values().sum::<u64>() > lists, "{upstream:?}");
        Ok(())
    })
    .await?;
    assert_eq!(kept(&router, 8).await?.keys().len(), 8);

    // Nodes that are announced again are members as others are, and their deletion is one.
    router.etcd.register(&router.nodes[..2]).await?;
    kept(&router, 6).await?;
    router.etcd.delete(&key("n0")).await?;
    router.nginx.wait_for_keys(&["n1", "n2", "n3", "n4", "n5", "n6", "n7"]).await?;
    // The worker that was killed has taken what it had with it.
    let failures = load.stop().await?.failures;
    assert!(failures.len() <= 2, "{failures:?}");
    Ok(())
}

/// etcd restarts, and nobody renews. It gives all leases their whole time again, and then revokes
/// some 750 a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn great_fleet_stays_when_its_leases_expire_after_a_restart_of_etcd() -> Result<()> {
    const PEERS: usize = 20_000;
    /// Seconds: several times what it takes to write all of them.
    const TTL: i64 = 80;
    /// What all of it takes on a busy machine.
    const LATEST: Duration = Duration::from_secs(300);
    // What is written need not outlive the machine.
    let mut etcd = Etcd::absent()?.with_arguments(&["--unsafe-no-fsync"]);
    etcd.restart().await?;
    let node = Node::start("node").await?;
    let address = node.address().to_string();
    let configuration = Configuration::new()
        .workers(1)
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("zone=32m hold=1h expiry_guard=50%", "etcd_balance random;"));
    let nginx = Nginx::start(configuration).await?;
    let pairs = (0..PEERS).map(|number| (key(&format!("n{number:05}")), address.clone())).collect();
    etcd.put_each_with_lease(pairs, TTL).await?;
    let said = |text: &str| -> Result<Vec<usize>> {
        let lines = nginx.log_lines(&format!("etcd: upstream \"{UPSTREAM}\": "));
        let number = |line: &String| -> Option<usize> {
            line.split("\": ").nth(1)?.split_once(text)?.0.trim().parse().ok()
        };
        Ok(lines.iter().filter_map(number).collect())
    };
    let all_are_there = async || {
        eventually(LATEST, "all are there", async || {
            let last = said(" peers (")?.last().copied();
            ensure!(last == Some(PEERS), "{last:?}");
            Ok(())
        })
        .await
    };
    all_are_there().await?;
    let before = said(" peers (")?.len();

    etcd.stop().await?;
    etcd.restart().await?;
    eventually(LATEST, "all leases have run out", async || {
        // Counted from the start of the process.
        let expired = etcd.metric("etcd_debugging_server_lease_expired_total").await?;
        ensure!(expired >= PEERS as f64, "{expired}");
        Ok(())
    })
    .await?;
    eventually(SOON, "all keys are gone", async || {
        let left = etcd.members().await?.len();
        ensure!(left == 0, "{left}");
        Ok(())
    })
    .await?;
    let revision = etcd.revision().await?;
    let mut connection = nginx.connect().await?;
    eventually(LATEST, &format!("revision {revision} is applied"), async || {
        let answer = connection.get("/").await?;
        ensure!(answer.status == 200 && answer.revision() >= revision, "{answer:?}");
        Ok(())
    })
    .await?;
    all_are_there().await?;
    let least = said(" peers (")?[before..].iter().copied().min();
    assert!(least.is_some_and(|least| least >= PEERS / 2), "{least:?} were in service");
    let upstream = nginx.upstream().await?;
    assert_eq!(
        (upstream.keys().len(), upstream.holding.map(|holding| holding.peers)),
        (PEERS, Some(PEERS))
    );
    nginx.wait_for_log_lines("too many leases", 1).await?;
    Ok(())
}

/// Those that are kept are not there: when the others' leases run out, nobody is.
#[tokio::test]
async fn kept_peers_count_among_the_expired() -> Result<()> {
    let (router, leases) = guarded(10, "hold=1h", "").await?;
    for lease in &leases[..6] {
        router.etcd.revoke(*lease).await?;
    }
    kept(&router, 6).await?;
    // Longer than expiries are counted together for no other reason than that they come together.
    tokio::time::sleep(Duration::from_secs(11)).await;
    for lease in &leases[6..] {
        router.etcd.revoke(*lease).await?;
    }
    assert_eq!(kept(&router, 10).await?.keys().len(), 10);
    Ok(())
}

#[tokio::test]
async fn peers_of_dead_announcers_go_when_the_hold_ends() -> Result<()> {
    let (router, _) = guarded(0, "hold=2s", "").await?;
    let nodes = start_nodes(4).await?;
    router.etcd.register_with_leases(&nodes, 2).await?;
    router.nginx.wait_for_keys(&["n0", "n1", "n2", "n3"]).await?;
    let held = eventually(SOON, "peers are held", async || {
        Ok(router.nginx.upstream().await?.holding.ok_or("none")?)
    })
    .await?;
    assert!(held.seconds_left <= 2.0, "{held:?}");
    assert_eq!(router.nginx.get("/").await?.status, 200);
    router.nginx.wait_for_keys(&[]).await?;
    // It is said behind them.
    eventually(SOON, "nothing is held", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(upstream.holding.is_none(), "{upstream:?}");
        Ok(())
    })
    .await?;
    router.nginx.wait_for_log_lines("\"expiry_guard\" no longer keeps any peer", 1).await?;
    Ok(())
}

#[tokio::test]
async fn deleted_peer_goes_at_once() -> Result<()> {
    let (router, leases) = guarded(6, "hold=1h", "").await?;
    // Their leases live.
    router.etcd.delete_all(PREFIX).await?;
    router.nginx.wait_for_keys(&[]).await?;
    assert!(kept(&router, 0).await?.holding.is_none());
    // Keys without a lease.
    router.etcd.register(&router.nodes).await?;
    router.settled().await?;
    router.etcd.delete_all(PREFIX).await?;
    router.nginx.wait_for_keys(&[]).await?;
    for lease in leases {
        router.etcd.revoke(lease).await?;
    }
    Ok(())
}

#[tokio::test]
async fn all_peers_under_one_lease_stay() -> Result<()> {
    let (router, _) = guarded(0, "hold=1h", "").await?;
    let nodes = start_nodes(5).await?;
    let lease = router.etcd.grant(LONG).await?;
    for node in &nodes {
        router.etcd.put_with_lease(&key(node.name()), &node.address().to_string(), lease).await?;
    }
    router.settled().await?;
    router.etcd.revoke(lease).await?;
    assert_eq!(kept(&router, 5).await?.keys().len(), 5);
    assert_eq!(router.nginx.get("/").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn expired_peers_stay_as_long_as_their_checks_pass() -> Result<()> {
    let check = "etcd_check http uri=/ interval=200ms timeout=5s fall=2 rise=1;";
    let (mut router, leases) = guarded(3, "hold=1s", check).await?;
    eventually(SOON, "all pass", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(upstream.peers.iter().all(|peer| peer.health == "passing"), "{upstream:?}");
        Ok(())
    })
    .await?;
    for lease in leases {
        router.etcd.revoke(lease).await?;
    }
    kept(&router, 3).await?;
    eventually(SOON, "the time is up", async || {
        let holding = router.nginx.upstream().await?.holding.ok_or("nothing is held")?;
        ensure!(holding.seconds_left <= 0.0, "{holding:?}");
        Ok(())
    })
    .await?;
    // Whose check fails goes, and by the same look the others stay.
    let dead = router.nodes.pop().ok_or("a node")?;
    drop(dead);
    router.nginx.wait_for_keys(&["n0", "n1"]).await?;
    assert_eq!(router.nginx.get("/").await?.status, 200);
    Ok(())
}
