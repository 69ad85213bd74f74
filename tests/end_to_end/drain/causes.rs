//! What makes a node one that is left, and what does not.

use std::time::{Duration, Instant};

use harness::*;

use super::{CHATTER, SLACK, UNIT, announced, draining, hold, join, moments, peer_is, put, start};

const SESSIONS: usize = 60;
const TIMEOUT: Duration = Duration::from_secs(1);
const SPREAD: Duration = Duration::from_secs(1);
const TIMES: &str = "timeout=1s spread=1s";
/// Where a session that may be closed is closed at once.
const AT_ONCE: &str = "timeout=0 spread=0";
/// Checked often, and a single answer decides.
const CHECK: &str = "etcd_check http uri=/healthz interval=50ms timeout=10s rise=1 fall=1;";

/// Waits for the sessions' end, and fails unless they ended as `etcd_drain` with [`TIMES`] says.
async fn end_as_promised(router: &Router, fleet: &Fleet, begin: Instant) -> Result<()> {
    let ended = moments(&fleet.ended(TIMEOUT + SPREAD + SLACK).await?, begin);
    ensure!(ended[0] >= TIMEOUT, "the first after {:?}", ended[0]);
    fleet.in_order()?;
    let upstream = eventually(SOON, "all are counted", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(upstream.drained == SESSIONS as u64, "{upstream:?}");
        Ok(upstream)
    })
    .await?;
    let open = upstream.peer("n0").map_or(0, |peer| peer.connections + peer.upgraded);
    ensure!(open == 0, "{upstream:?}");
    ensure!(announced(&router.nginx, "n0")? == SESSIONS, "{:?}", router.nginx.log_lines("closing"));
    Ok(())
}

#[tokio::test]
async fn value_with_drain_drains_until_it_is_without() -> Result<()> {
    let router = start(TIMES, "").await?;
    let fleet = hold(&router, "n0", SESSIONS).await?;
    let _other = join(&router, "n1").await?;
    fleet.chatter(3, CHATTER);
    let begin = Instant::now();
    let revision = put(&router, "drain").await?;
    let upstream = router.nginx.applied(revision).await?;
    let peer = upstream.peer("n0").ok_or("no n0")?;
    assert_eq!((peer.state.as_str(), peer.upgraded), ("drain", SESSIONS as u64));
    assert!(
        peer.closes_in.is_some_and(|closes_in| closes_in < (TIMEOUT + UNIT).as_secs_f64()),
        "{peer:?}"
    );
    end_as_promised(&router, &fleet, begin).await?;
    let peer = peer_is(&router.nginx, "n0", "empty", |peer| peer.connections == 0).await?;
    assert_eq!((peer.state.as_str(), peer.closes_in), ("drain", Some(0.0)));

    router.nginx.applied(put(&router, "").await?).await?;
    peer_is(&router.nginx, "n0", "in service", |peer| peer.closes_in.is_none()).await?;
    let again = Fleet::open(&router.nginx.address(), "/ws", 4).await?;
    assert!(again.sessions().iter().any(|session| session.node() == "n0"));
    again.echo("again").await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn failed_check_drains() -> Result<()> {
    let router = start(TIMES, CHECK).await?;
    let fleet = hold(&router, "n0", SESSIONS).await?;
    let _other = join(&router, "n1").await?;
    peer_is(&router.nginx, "n1", "checked", |peer| peer.health == "passing").await?;
    fleet.chatter(3, CHATTER);
    let begin = Instant::now();
    router.nodes[0].set_health(500);
    end_as_promised(&router, &fleet, begin).await?;
    router.nodes[0].set_health(200);
    peer_is(&router.nginx, "n0", "in service", |peer| peer.closes_in.is_none()).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn another_address_drains_the_former_one() -> Result<()> {
    let router = start(TIMES, "").await?;
    let fleet = hold(&router, "n0", SESSIONS).await?;
    fleet.chatter(3, CHATTER);
    let other = Node::start("other").await?;
    let begin = Instant::now();
    router.nginx.applied(router.etcd.put(key("n0"), other.address().to_string()).await?).await?;
    let at_other = hold(&router, "other", 4).await?;
    let ended = moments(&fleet.ended(TIMEOUT + SPREAD + SLACK).await?, begin);
    assert!(ended[0] >= TIMEOUT, "the first after {:?}", ended[0]);
    fleet.in_order()?;
    at_other.echo("not the key's, but the peer's are closed").await?;
    assert_eq!(announced(&router.nginx, "n0")?, SESSIONS);
    router.nginx.check_log()
}

/// Two upstreams: the usual one with these directives, and another, at `/other`, that drains at
/// once.
fn two(etcd: &Etcd, directives: &str) -> Configuration {
    let other = format!("upstream other {{ etcd main /other/; etcd_drain {AT_ONCE}; }}");
    let location = "location /other { proxy_pass http://other; proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; }";
    Configuration::new()
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("", directives))
        .http(&other)
        .server(location)
}

/// Each worker has had its time to close what it should: in every one a session of another upstream
/// is drained, from begin to end.
async fn all_workers_have_drained(router: &Router) -> Result<()> {
    let node = Node::start("other").await?;
    router.etcd.put("/other/x", node.address().to_string()).await?;
    let address = router.nginx.address();
    let workers = router.nginx.workers()?;
    let sessions = eventually(SOON, "a session in each worker", async || {
        let fleet = Fleet::open(&address, "/other", 4 * workers.len()).await?;
        let all = workers
            .iter()
            .all(|pid| fleet.sessions().iter().any(|session| session.worker() == *pid));
        ensure!(all, "not in all of {workers:?}");
        Ok(fleet)
    })
    .await?;
    router.etcd.delete("/other/x").await?;
    sessions.ended(SOON).await?;
    sessions.in_order()
}

#[tokio::test]
async fn causes_not_named_by_on_do_not_drain() -> Result<()> {
    let directives = format!("etcd_drain {AT_ONCE} on=remove; {CHECK}");
    let router = Router::with(1, |etcd| two(etcd, &directives)).await?;
    let fleet = hold(&router, "n0", 12).await?;
    let _other = join(&router, "n1").await?;
    router.nginx.applied(put(&router, "drain").await?).await?;
    all_workers_have_drained(&router).await?;
    fleet.echo("drains").await?;
    router.nginx.applied(put(&router, "").await?).await?;

    peer_is(&router.nginx, "n1", "checked", |peer| peer.health == "passing").await?;
    router.nodes[0].set_health(500);
    let peer = peer_is(&router.nginx, "n0", "ill", |peer| peer.state == "unhealthy").await?;
    assert_eq!(peer.closes_in, None);
    all_workers_have_drained(&router).await?;
    fleet.echo("fails its checks").await?;
    assert_eq!((fleet.open_sessions(), router.nginx.upstream().await?.drained), (12, 0));

    router.etcd.delete(&key("n0")).await?;
    fleet.ended(SLACK).await?;
    fleet.in_order()?;
    router.nginx.check_log()
}

#[tokio::test]
async fn nothing_drains_without_the_directive() -> Result<()> {
    let router = Router::with(1, |etcd| two(etcd, "")).await?;
    let fleet = hold(&router, "n0", 12).await?;
    let upstream = router.nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    let peer = upstream.peers.last().ok_or("no peers")?;
    assert_eq!(
        (peer.state.as_str(), peer.upgraded, peer.closes_in),
        ("removed", 12, None),
        "{peer:?}"
    );
    all_workers_have_drained(&router).await?;
    fleet.echo("removed").await?;
    assert_eq!(fleet.open_sessions(), 12);
    fleet.close().await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn failed_check_of_the_only_peer_does_not_drain() -> Result<()> {
    let directives = format!("etcd_drain {AT_ONCE}; {CHECK}");
    let router = Router::with(1, |etcd| two(etcd, &directives)).await?;
    let fleet = hold(&router, "n0", 12).await?;
    router.nodes[0].set_health(500);
    eventually(SOON, "all that there is fails", async || {
        ensure!(router.nginx.upstream().await?.panic, "not yet");
        Ok(())
    })
    .await?;
    all_workers_have_drained(&router).await?;
    fleet.echo("in a panic").await?;
    assert_eq!(fleet.open_sessions(), 12);
    // Somebody else comes who is well: the panic is over.
    let _other = join(&router, "n1").await?;
    fleet.ended(SOON).await?;
    fleet.in_order()?;
    router.nginx.check_log()
}

#[tokio::test]
async fn timeout_0_and_spread_0_close_at_once() -> Result<()> {
    let router = Router::with(1, |etcd| draining(etcd, AT_ONCE, "").workers(4)).await?;
    let fleet = hold(&router, "n0", SESSIONS).await?;
    fleet.chatter(1, CHATTER);
    let number = router.nodes[0].broadcast(1000);
    fleet.received(number).await?;
    router.etcd.delete(&key("n0")).await?;
    fleet.ended(SLACK).await?;
    fleet.in_order()?;
    router.nginx.check_log()
}
