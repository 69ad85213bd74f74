//! `etcd_check`: peers that fail their checks get no requests.

mod escapes;
mod firehose;
mod kept;
mod redis;
mod spread;
mod together;

use std::collections::BTreeMap;

use harness::*;

/// Checked often, and with time enough for a busy machine: only an answer decides.
const HEALTHZ: &str = "http uri=/healthz interval=50ms timeout=10s";
/// For nodes that hang: an answer that takes longer is none.
const IMPATIENT: &str = "interval=50ms timeout=400ms";
/// Checks in a row after which whatever they could change has changed.
const ENOUGH: u64 = 5;

/// The usual upstream, checked.
fn checking(etcd: &Etcd, check: &str) -> Configuration {
    checking_beside(etcd, check, "")
}

/// The usual upstream, checked, with further directives.
fn checking_beside(etcd: &Etcd, check: &str, directives: &str) -> Configuration {
    let directives = format!("etcd_check {check}; {directives}");
    Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", &directives))
}

/// Waits until a peer has a state.
async fn becomes(nginx: &Nginx, key: &str, state: &str) -> Result<Upstream> {
    eventually(SOON, &format!("{key} is {state}"), async || {
        let upstream = nginx.upstream().await?;
        let peer = upstream.peer(key).ok_or("no such peer")?;
        ensure!(peer.state == state, "{peer:?}");
        Ok(upstream)
    })
    .await
}

/// Waits until a node has been checked some times more.
async fn checked(node: &Node) -> Result<()> {
    let before = node.counts().health_checks;
    eventually(SOON, &format!("{} is checked on", node.name()), async || {
        let more = node.counts().health_checks - before;
        ensure!(more >= ENOUGH, "{more} times");
        Ok(())
    })
    .await
}

/// Asks each worker twelve times, and gives how often each node answered.
async fn served(nginx: &Nginx) -> Result<BTreeMap<String, usize>> {
    let mut nodes = BTreeMap::new();
    for mut connection in nginx.connect_to_each().await? {
        for _ in 0..12 {
            let answer = connection.get("/").await?;
            ensure!(answer.status == 200, "{answer:?}");
            *nodes.entry(answer.node().to_owned()).or_default() += 1;
        }
    }
    Ok(nodes)
}

/// How the nodes' names and their shares read as [`served`] gives them.
fn shares<const N: usize>(nodes: [(&str, usize); N]) -> BTreeMap<String, usize> {
    nodes.map(|(node, count)| (node.to_owned(), count)).into()
}

#[tokio::test]
async fn node_that_answers_500_gets_no_request_until_it_passes() -> Result<()> {
    let router = Router::with(3, |etcd| checking(etcd, HEALTHZ)).await?;
    let (nginx, ill) = (&router.nginx, &router.nodes[1]);
    becomes(nginx, "n1", "up").await?;
    ill.set_health(500);
    let upstream = becomes(nginx, "n1", "unhealthy").await?;
    let before = upstream.peer("n1").ok_or("no n1")?.clone();
    assert_eq!(before.health, "failing");
    let fails = format!("peer \"n1\" ({}) is unhealthy: status 500", ill.address());
    assert!(nginx.wait_for_log(&fails).await?.contains("[warn]"));

    assert_eq!(served(nginx).await?, shares([("n0", 12), ("n2", 12)]));
    let upstream = nginx.upstream().await?;
    let after = upstream.peer("n1").ok_or("no n1")?;
    // Not even one that was then passed on to another node.
    assert_eq!((after.requests, after.failures), (before.requests, before.failures));
    assert!(!upstream.panic);
    assert_eq!(upstream.generation, nginx.upstream().await?.generation);

    checked(ill).await?;
    ill.set_health(200);
    let upstream = becomes(nginx, "n1", "up").await?;
    assert_eq!(upstream.peer("n1").ok_or("no n1")?.health, "passing");
    let passes = format!("peer \"n1\" ({}) is healthy again", ill.address());
    assert!(nginx.wait_for_log(&passes).await?.contains("[notice]"));
    assert_eq!(served(nginx).await?, shares([("n0", 8), ("n1", 8), ("n2", 8)]));
    checked(ill).await?;
    // One line for the begin and one for the end, however often it was checked.
    nginx.wait_for_log_lines("healthy", 2).await?;
    nginx.check_log()
}

#[tokio::test]
async fn node_that_hangs_gets_no_request_until_it_passes() -> Result<()> {
    let check = format!("http uri=/healthz {IMPATIENT}");
    let router = Router::with(2, |etcd| checking(etcd, &check)).await?;
    let (nginx, ill) = (&router.nginx, &router.nodes[0]);
    ill.set_fault(Fault::Hang);
    becomes(nginx, "n0", "unhealthy").await?;
    let fails = format!("peer \"n0\" ({}) is unhealthy: timed out after 400ms", ill.address());
    nginx.wait_for_log(&fails).await?;
    assert_eq!(served(nginx).await?, shares([("n1", 24)]));
    ill.set_fault(Fault::None);
    becomes(nginx, "n0", "up").await?;
    assert_eq!(served(nginx).await?, shares([("n0", 12), ("n1", 12)]));
    nginx.check_log()
}

#[tokio::test]
async fn tcp_check_opens_a_connection_and_sends_nothing() -> Result<()> {
    let (etcd, nodes, closed) =
        (Etcd::start().await?, start_nodes(2).await?, ClosedPort::reserve()?);
    nodes[0].set_health(500);
    etcd.register(&nodes).await?;
    let revision = etcd.put(key("closed"), closed.address().to_string()).await?;
    let nginx = Nginx::start(checking(&etcd, "tcp interval=50ms timeout=10s")).await?;
    nginx.applied(revision).await?;
    becomes(&nginx, "closed", "unhealthy").await?;
    let fails = format!("peer \"closed\" ({}) is unhealthy: connection refused", closed.address());
    nginx.wait_for_log(&fails).await?;
    assert_eq!(served(&nginx).await?, shares([("n0", 12), ("n1", 12)]));
    // One that accepts passes, whatever it would answer.
    nodes[1].set_fault(Fault::Close);
    let before = nodes[1].counts().accepted;
    let opened = closed.open("opened")?;
    let upstream = becomes(&nginx, "closed", "up").await?;
    eventually(SOON, "the others are checked on", async || {
        ensure!(nodes[1].counts().accepted >= before + ENOUGH, "{:?}", nodes[1].counts());
        Ok(())
    })
    .await?;
    assert!(upstream.peers.iter().all(|peer| peer.health == "passing"), "{upstream:?}");
    nodes[1].set_fault(Fault::None);
    assert_eq!(served(&nginx).await?, shares([("n0", 8), ("n1", 8), ("opened", 8)]));
    assert!(nodes.iter().chain([&opened]).all(|node| node.counts().health_checks == 0));
    nginx.check_log()
}

#[tokio::test]
async fn http_check_has_the_configured_uri_host_and_status() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("n0").await?);
    let address = node.address().to_string();
    let revision = etcd.register(std::slice::from_ref(&node)).await?;
    for (parameters, reason) in [
        // Each is right for the one and wrong for the other.
        ("uri=/host/health.internal host=health.internal", None),
        ("uri=/host/health.internal host=health.external", Some("status 404")),
        ("uri=/host/health.internal", Some("status 404")),
        // Without a name it is the address, as nginx sends it.
        (&format!("uri=/host/{address}"), None),
        ("uri=/status/204 status=204", None),
        ("uri=/status/204 status=200", Some("status 204")),
        ("uri=/status/503 status=200,500-599", None),
        ("uri=/status/399", None),
        ("uri=/status/400", Some("status 400")),
        ("uri=/poll?ms=1 status=204", None),
    ] {
        let check = format!("http interval=50ms timeout=10s {parameters}");
        let nginx = Nginx::start(checking(&etcd, &check).workers(1)).await?;
        nginx.applied(revision).await?;
        let health = if reason.is_some() { "failing" } else { "passing" };
        eventually(SOON, &format!("{parameters}: {health}"), async || {
            let upstream = nginx.upstream().await?;
            ensure!(upstream.peers[0].health == health, "{upstream:?}");
            Ok(())
        })
        .await?;
        if let Some(reason) = reason {
            nginx.wait_for_log(&format!("is unhealthy: {reason}")).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn mandatory_new_peer_gets_no_request_before_its_first_pass() -> Result<()> {
    let check = format!("http uri=/healthz mandatory fall=1000 {IMPATIENT}");
    let (etcd, mut nodes) = (Etcd::start().await?, start_nodes(2).await?);
    nodes[0].set_fault(Fault::Hang);
    let late = nodes.remove(1);
    let revision = etcd.register(&nodes).await?;
    let nginx = Nginx::start(checking(&etcd, &check)).await?;
    nginx.applied(revision).await?;
    becomes(&nginx, "n0", "checking").await?;
    let answer = nginx.get("/").await?;
    assert_eq!(answer.status, 502, "{answer:?}");
    nodes[0].set_fault(Fault::None);
    becomes(&nginx, "n0", "up").await?;
    nginx.wait_for_log("peer \"n0\"").await?;

    late.set_fault(Fault::Hang);
    nginx.applied(etcd.register(std::slice::from_ref(&late)).await?).await?;
    for _ in 0..2 {
        assert_eq!(served(&nginx).await?, shares([("n0", 24)]));
        let accepted = late.counts().accepted;
        eventually(SOON, "it is checked on", async || {
            ensure!(late.counts().accepted > accepted, "{:?}", late.counts());
            Ok(())
        })
        .await?;
    }
    let upstream = becomes(&nginx, "n1", "checking").await?;
    let peer = upstream.peer("n1").ok_or("no n1")?;
    assert_eq!((peer.health.as_str(), peer.requests), ("pending", 0));
    late.set_fault(Fault::None);
    becomes(&nginx, "n1", "up").await?;
    let line = format!("peer \"n1\" ({}) passed its first check", late.address());
    nginx.wait_for_log(&line).await?;
    assert_eq!(served(&nginx).await?, shares([("n0", 12), ("n1", 12)]));
    assert!(nginx.log_lines("is unhealthy").is_empty(), "{}", nginx.log());
    nginx.check_log()
}

#[tokio::test]
async fn servers_of_the_configuration_are_checked_and_down_ones_are_not() -> Result<()> {
    let fixed = Node::start("fixed").await?;
    let directives = format!("server {};", fixed.address());
    let router = Router::with(2, |etcd| checking_beside(etcd, HEALTHZ, &directives)).await?;
    let (nginx, etcd, nodes) = (&router.nginx, &router.etcd, &router.nodes);
    fixed.set_health(503);
    let line = format!("server {} is unhealthy: status 503", fixed.address());
    nginx.wait_for_log(&line).await?;
    let upstream = nginx.upstream().await?;
    assert_eq!(
        (upstream.peers[0].key.as_deref(), upstream.peers[0].state.as_str()),
        (None, "unhealthy")
    );
    assert_eq!(served(nginx).await?, shares([("n0", 12), ("n1", 12)]));

    let down = format!("{} down", nodes[1].address());
    nginx.applied(etcd.put(key("n1"), down).await?).await?;
    let before = nodes[1].counts().health_checks;
    checked(&nodes[0]).await?;
    checked(&nodes[0]).await?;
    let while_down = nodes[1].counts().health_checks - before;
    assert!(while_down <= 1, "checked {while_down} times, of which one may have been under way");
    nginx.applied(etcd.put(key("n1"), nodes[1].address().to_string()).await?).await?;
    checked(&nodes[1]).await?;
    fixed.set_health(200);
    nginx.wait_for_log(&format!("server {} is healthy again", fixed.address())).await?;
    assert_eq!(served(nginx).await?, shares([("fixed", 8), ("n0", 8), ("n1", 8)]));
    nginx.check_log()
}
