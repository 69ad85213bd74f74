//! Host names in values: many at a time, and those that cannot be resolved.

use std::collections::BTreeSet;

use harness::*;
use hickory_resolver::proto::op::ResponseCode;
use nix::sys::signal::Signal;

#[allow(dead_code, reason = "the other tests that have it use all of it")]
#[path = "../../crates/host-names/tests/host_names/name_server.rs"]
mod name_server;

use name_server::{NameServer, Reply};

/// How many names come at a time.
const MANY: usize = 300;

/// For how long they are waited for, also on a machine that has little time for it: an unoptimized
/// lookup takes a millisecond of a processor.
const LONG: std::time::Duration = std::time::Duration::from_secs(120);

/// nginx that asks this name server.
fn configuration(etcd: &Etcd, server: &NameServer, parameters: &str) -> Configuration {
    Configuration::new()
        .with_faults()
        .workers(1)
        .main(&format!("env ETCD_NAME_SERVERS={};", server.address))
        .http(&cluster("main", &etcd.url()))
        .http(&upstream(parameters, ""))
}

fn name(number: usize) -> String {
    format!("node-{number}.example")
}

#[tokio::test]
async fn many_host_names_at_a_time_make_few_tables() -> Result<()> {
    let (etcd, server) = (Etcd::start().await?, NameServer::start().await);
    for number in 0..MANY {
        let address = format!("127.1.{}.{}", number / 250, number % 250 + 1);
        server.addresses(&name(number), 3_600, &[&address]);
    }
    let pairs =
        (0..MANY).map(|number| (key(&format!("n{number}")), format!("{}:80", name(number))));
    etcd.put_all(pairs).await?;
    let began = std::time::Instant::now();
    let nginx = Nginx::start(configuration(&etcd, &server, "zone=8m")).await?;
    let upstream = eventually(LONG, "all names are resolved", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.peers.len() == MANY, "{} peers", upstream.peers.len());
        Ok(upstream)
    })
    .await?;
    println!("{MANY} names in {:?}, {} tables", began.elapsed(), upstream.generation);
    // Not one for each answer: what comes within a moment is taken together.
    assert!(upstream.generation <= MANY as u64 / 4, "{}", upstream.generation);
    assert_eq!((upstream.unresolved.len(), upstream.unresolved_total), (0, 0));
    nginx.check_log()
}

#[tokio::test]
async fn dns_answer_that_changes_nothing_makes_no_table() -> Result<()> {
    let (etcd, server) = (Etcd::start().await?, NameServer::start().await);
    server.addresses("node.example", 1, &["127.0.0.1", "127.0.0.2"]);
    etcd.put(key("node"), "node.example:80").await?;
    let nginx = Nginx::start(configuration(&etcd, &server, "")).await?;
    nginx.wait_for_peer("node").await?;
    let before = nginx.upstream().await?.generation;
    // Each lookup asks twice. The same addresses in another order are the same.
    server.addresses("node.example", 1, &["127.0.0.2", "127.0.0.1"]);
    server.wait_for_queries("node.example", server.queries("node.example") + 6).await;
    assert_eq!(nginx.upstream().await?.generation, before);
    nginx.check_log()
}

/// Waits until the keys that cannot be resolved are these.
async fn unresolved(nginx: &Nginx, keys: &[&str]) -> Result<Vec<Unresolved>> {
    eventually(SOON, &format!("unresolved: {keys:?}"), async || {
        let upstream = nginx.upstream().await?;
        let found: Vec<_> = upstream.unresolved.iter().map(|key| key.key.clone()).collect();
        ensure!(found == keys.iter().map(|name| key(name)).collect::<Vec<_>>(), "{found:?}");
        ensure!(
            upstream.unresolved.iter().all(|key| key.reason.is_some()),
            "{:?}",
            upstream.unresolved
        );
        ensure!(upstream.unresolved_total == keys.len(), "{}", upstream.unresolved_total);
        Ok(upstream.unresolved)
    })
    .await
}

#[tokio::test]
async fn status_says_which_host_name_cannot_be_resolved_since_when_and_why() -> Result<()> {
    let (etcd, server) = (Etcd::start().await?, NameServer::start().await);
    server.addresses("gone.example", 1, &["127.0.0.1", "127.0.0.2"]);
    server.addresses("good.example", 1, &["127.0.0.3"]);
    etcd.put(key("good"), "good.example:80").await?;
    etcd.put(key("gone"), "gone.example:80").await?;
    etcd.put(key("lost"), "lost.example:80").await?;
    let nginx = Nginx::start(configuration(&etcd, &server, "")).await?;
    nginx.wait_for_keys(&["gone", "gone", "good"]).await?;
    let lost = unresolved(&nginx, &["lost"]).await?;
    assert_eq!((lost[0].name.as_str(), lost[0].addresses), ("lost.example", 0));
    assert!(
        lost[0].reason.as_deref().is_some_and(|why| why.contains("host not found")),
        "{lost:?}"
    );

    // One that is gone keeps its last addresses, and the status says so.
    server.both("gone.example", &Reply::Code(ResponseCode::NXDomain));
    let both = unresolved(&nginx, &["gone", "lost"]).await?;
    assert_eq!((both[0].name.as_str(), both[0].addresses), ("gone.example", 2));
    assert!(
        both[0].reason.as_deref().is_some_and(|why| why.contains("host not found")),
        "{both:?}"
    );
    assert!(both[1].seconds > both[0].seconds, "{both:?}");
    nginx.wait_for_keys(&["gone", "gone", "good"]).await?;

    // Another reason is shown as it comes.
    server.both("lost.example", &Reply::Code(ResponseCode::ServFail));
    eventually(SOON, "the reason is the last one", async || {
        let lost = unresolved(&nginx, &["gone", "lost"]).await?.remove(1);
        ensure!(
            lost.reason.as_deref().is_some_and(|why| why.contains("Server Failure")),
            "{lost:?}"
        );
        Ok(())
    })
    .await?;

    // The next watcher, and the next cycle's, know since when, and say nothing that was said.
    let before = unresolved(&nginx, &["gone", "lost"]).await?;
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    let after = unresolved(&nginx, &["gone", "lost"]).await?;
    nginx.reload().await?;
    let last = unresolved(&nginx, &["gone", "lost"]).await?;
    for (one, other) in before.iter().zip(&after).chain(after.iter().zip(&last)) {
        assert!(
            other.seconds >= one.seconds && other.addresses == one.addresses,
            "{one:?} {other:?}"
        );
    }
    for name in ["gone.example", "lost.example"] {
        let text = format!("host \"{name}\" of prefix \"{PREFIX}\" could not be resolved");
        nginx.wait_for_log_lines(&text, 1).await?;
    }

    server.addresses("lost.example", 1, &["127.0.0.4"]);
    server.addresses("gone.example", 1, &["127.0.0.1"]);
    unresolved(&nginx, &[]).await?;
    nginx.wait_for_keys(&["gone", "good", "lost"]).await?;
    for name in ["gone.example", "lost.example"] {
        nginx
            .wait_for_log(&format!("host \"{name}\" of prefix \"{PREFIX}\" resolved again"))
            .await?;
    }
    Ok(())
}

/// Also the last one, after which the upstream has no host name.
#[tokio::test]
async fn host_names_that_cannot_be_resolved_leave_the_status_with_their_keys() -> Result<()> {
    let (etcd, server) = (Etcd::start().await?, NameServer::start().await);
    etcd.put(key("good"), "127.0.0.3:80").await?;
    etcd.put(key("lost"), "lost.example:80").await?;
    etcd.put(key("typo"), "typo.example:80").await?;
    let nginx = Nginx::start(configuration(&etcd, &server, "")).await?;
    unresolved(&nginx, &["lost", "typo"]).await?;
    etcd.delete(&key("lost")).await?;
    unresolved(&nginx, &["typo"]).await?;
    etcd.put(key("typo"), "127.0.0.4:80").await?;
    unresolved(&nginx, &[]).await?;
    nginx.wait_for_keys(&["good", "typo"]).await?;

    etcd.put(key("lost"), "lost.example:80").await?;
    unresolved(&nginx, &["lost"]).await?;
    etcd.delete(&key("lost")).await?;
    unresolved(&nginx, &[]).await?;

    // The next watcher knows no more of it than the status: it says what it finds.
    let text = format!("host \"lost.example\" of prefix \"{PREFIX}\" could not be resolved");
    nginx.wait_for_log_lines(&text, 2).await?;
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    unresolved(&nginx, &[]).await?;
    etcd.put(key("lost"), "lost.example:80").await?;
    unresolved(&nginx, &["lost"]).await?;
    nginx.wait_for_log_lines(&text, 3).await
}

#[tokio::test]
async fn many_host_names_that_cannot_be_resolved_are_summed_up() -> Result<()> {
    const LOST: usize = 250;
    let (etcd, server) = (Etcd::start().await?, NameServer::start().await);
    let pairs =
        (0..LOST).map(|number| (key(&format!("n{number:03}")), format!("{}:80", name(number))));
    etcd.put_all(pairs).await?;
    let nginx = Nginx::start(configuration(&etcd, &server, "")).await?;
    let upstream = eventually(LONG, "all are looked up", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.unresolved_total == LOST, "{}", upstream.unresolved_total);
        ensure!(
            upstream.unresolved.iter().all(|key| key.reason.is_some()),
            "{:?}",
            upstream.unresolved
        );
        Ok(upstream)
    })
    .await?;
    assert_eq!(upstream.unresolved.len(), 100);
    let names: BTreeSet<_> = upstream.unresolved.iter().map(|key| key.name.as_str()).collect();
    assert!(names.len() == 100 && upstream.unresolved[0].addresses == 0, "{names:?}");
    let sum = nginx.wait_for_log("more hosts of prefix").await?;
    assert!(sum.contains("in total"), "{sum}");
    let said = nginx.log_lines("could not be resolved").len();
    assert!(said < LOST, "{said} lines");
    nginx.check_log()
}

#[tokio::test]
async fn only_the_first_address_of_a_name_is_used() -> Result<()> {
    let (etcd, server) = (Etcd::start().await?, NameServer::start().await);
    server.addresses("node.example", 1, &["127.0.0.9", "127.0.0.3", "127.0.0.7"]);
    etcd.put(key("node"), "node.example:80").await?;
    let nginx = Nginx::start(configuration(&etcd, &server, "names=first")).await?;
    let upstream = nginx.wait_for_keys(&["node"]).await?;
    assert_eq!(upstream.peers[0].address, "127.0.0.3:80");
    // Another order changes nothing, and another first address is the peer.
    let before = upstream.generation;
    server.addresses("node.example", 1, &["127.0.0.7", "127.0.0.9", "127.0.0.3"]);
    server.wait_for_queries("node.example", server.queries("node.example") + 6).await;
    assert_eq!(nginx.upstream().await?.generation, before);
    server.addresses("node.example", 1, &["127.0.0.9", "127.0.0.7"]);
    eventually(SOON, "the next address is used", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.peers[0].address == "127.0.0.7:80", "{:?}", upstream.peers);
        ensure!(upstream.keys() == ["node"], "{:?}", upstream.peers);
        Ok(())
    })
    .await?;
    nginx.check_log()
}
