//! `dns.conf`: queries over UDP and TCP.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::*;

const PORT: u16 = 5_300;
/// How often each transport is asked.
const QUERIES: usize = 60;

fn key(server: &NameServer) -> String {
    format!("/services/dns/{}", server.name())
}

/// Asks so often, one query after the other, and counts the responses of each server.
async fn counts(address: &str, transport: Transport) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for _ in 0..QUERIES {
        *counts.entry(ask_for_text(address, "whoami", transport, SOON).await?).or_default() += 1;
    }
    Ok(counts)
}

#[tokio::test]
async fn dns_queries_are_spread_over_udp_and_tcp() -> Result<()> {
    let etcd = Etcd::start().await?;
    let servers = [NameServer::start("ns1").await?, NameServer::start("ns2").await?];
    for server in &servers {
        etcd.put(key(server), server.address()).await?;
    }
    let router = ShippedStream::start("dns.conf", &etcd).await?;
    let address = router.address(PORT);
    router.wait_for_peers("dns", &["ns1", "ns2"]).await?;
    for transport in [Transport::Udp, Transport::Tcp] {
        let counts = counts(&address, transport).await?;
        println!("{transport:?}: {counts:?}");
        for server in &servers {
            // In turn over each worker's start, beside what else asks.
            let share = counts.get(server.name()).copied().unwrap_or_default();
            assert!(share >= QUERIES / 3, "{counts:?}");
        }
    }
    // A response that is cut off has the client ask again over TCP.
    let cut = ask_for_text(&address, "long", Transport::Udp, SOON).await;
    assert!(cut.is_err_and(|error| error.to_string().contains("cut off")));
    assert!(ask_for_text(&address, "long", Transport::Tcp, SOON).await?.len() > 3_000);

    // The session has ended with the response, so that no query waits behind another one.
    eventually(SOON, "no session is open", async || {
        let upstream = router.wait_for_peers("dns", &["ns1", "ns2"]).await?;
        let open: u64 = upstream.peers.iter().map(|peer| peer.connections).sum();
        ensure!(open == 0, "{upstream:?}");
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn removed_name_server_gets_no_query() -> Result<()> {
    let etcd = Etcd::start().await?;
    let servers = [NameServer::start("ns1").await?, NameServer::start("ns2").await?];
    let router = ShippedStream::start("dns.conf", &etcd).await?;
    let address = router.address(PORT);
    for round in 0..3 {
        for server in &servers {
            etcd.put(key(server), server.address()).await?;
        }
        router.wait_for_peers("dns", &["ns1", "ns2"]).await?;
        assert_eq!(counts(&address, Transport::Udp).await?.len(), 2, "round {round}");
        let (kept, removed) = (&servers[round % 2], &servers[(round + 1) % 2]);
        etcd.delete(&key(removed)).await?;
        router.wait_for_peers("dns", &[kept.name()]).await?;
        for transport in [Transport::Udp, Transport::Tcp] {
            let counts = counts(&address, transport).await?;
            assert_eq!(
                counts,
                BTreeMap::from([(kept.name().to_owned(), QUERIES)]),
                "{transport:?}"
            );
        }
    }
    router.nginx.check_log()
}

#[tokio::test]
async fn failed_name_server_is_found_by_its_checks() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut servers = vec![NameServer::start("ns1").await?, NameServer::start("ns2").await?];
    for server in &servers {
        etcd.put(key(server), server.address()).await?;
    }
    let router = ShippedStream::start("dns.conf", &etcd).await?;
    let address = router.address(PORT);
    router.wait_for_peers("dns", &["ns1", "ns2"]).await?;
    drop(servers.pop());
    // A client that asks again, as all do, has its response all the while.
    let began = Instant::now();
    eventually(SOON, "the checks of the second fail", async || {
        let second = Duration::from_secs(1);
        eventually(SOON, "a response", async || {
            ask_for_text(&address, "whoami", Transport::Udp, second).await
        })
        .await?;
        let upstream = router.nginx.status().await?.upstreams.remove("dns").ok_or("no upstream")?;
        let state = upstream.peer("ns2").map(|peer| peer.health.clone());
        ensure!(state.as_deref() == Some("failing"), "{state:?}");
        Ok(())
    })
    .await?;
    println!("found after {:?}", began.elapsed());
    let counts = counts(&address, Transport::Udp).await?;
    assert_eq!(counts, BTreeMap::from([("ns1".to_owned(), QUERIES)]));
    router.nginx.check_log()
}
