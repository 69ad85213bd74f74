//! `slow_start`: a peer that joins, or comes back, gets little at first, and nothing but that
//! starts its ramp anew.

use harness::*;
use nix::sys::signal::Signal;

/// A ramp that is longer than any test, so that a share is about that of its begin.
const LONG: &str = "slow_start=1h";
/// What the share of a peer that has just come is below, on a [`LONG`] ramp: it begins with a
/// hundredth, and the rest is for a test that takes long.
const LITTLE: f64 = 0.05;
/// A ramp that is long enough for all that must not start it anew.
const MINUTES: &str = "slow_start=2m";
/// The age at which a ramp is clearly not at its begin.
const GROWN: f64 = 0.03;

/// The usual upstream, with further directives.
fn with(etcd: &Etcd, directives: &str) -> Configuration {
    Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", directives))
}

fn share(upstream: &Upstream, key: &str) -> Result<f64> {
    Ok(upstream.peer(key).ok_or("no such peer")?.share)
}

/// Waits until a peer's share fulfils a condition.
async fn share_becomes(nginx: &Nginx, key: &str, condition: impl Fn(f64) -> bool) -> Result<f64> {
    eventually(SOON, &format!("the share of {key} is as expected"), async || {
        let share = share(&nginx.upstream().await?, key)?;
        ensure!(condition(share), "{share}");
        Ok(share)
    })
    .await
}

/// How many of a number of requests a node gets.
async fn served(connection: &mut Connection, node: &str, times: u32) -> Result<u32> {
    let mut count = 0;
    for _ in 0..times {
        let answer = connection.get("/").await?;
        ensure!(answer.status == 200, "{answer:?}");
        count += u32::from(answer.node() == node);
    }
    Ok(count)
}

/// Registers another node.
async fn join(router: &Router, name: &str) -> Result<Node> {
    let node = Node::start(name).await?;
    router.nginx.applied(router.etcd.register(std::slice::from_ref(&node)).await?).await?;
    Ok(node)
}

/// Writes a node's key again.
async fn put(router: &Router, node: &Node, parameters: &str) -> Result<Upstream> {
    let value = format!("{} {parameters}", node.address());
    router.nginx.applied(router.etcd.put(key(node.name()), value).await?).await
}

#[tokio::test]
async fn new_peer_gets_few_requests_and_then_more() -> Result<()> {
    const ASKED: u32 = 200;
    let router = Router::with(2, |etcd| with(etcd, "etcd_defaults slow_start=5s;")).await?;
    let nginx = &router.nginx;
    let mut connection = nginx.connect().await?;
    let upstream = nginx.upstream().await?;
    // Those that were there before the router have nothing to be spared.
    for peer in &upstream.peers {
        assert_eq!((peer.share, peer.slow_start), (1.0, 5));
    }
    let newcomer = join(&router, "new").await?;
    let mut from = share(&nginx.upstream().await?, "new")?;
    assert!(from < 0.5, "{from} at its begin");
    for step in [0.0, 0.25, 0.5, 0.75] {
        from = share_becomes(nginx, "new", |share| share > step).await?.max(from);
        let count = served(&mut connection, "new", ASKED).await?;
        let to = share(&nginx.upstream().await?, "new")?;
        assert!(from < to || to == 1.0, "{from} to {to}");
        // Of three positions one is its own, of which it takes its share; what it leaves goes to
        // the two others.
        let [least, most] = [from, to].map(|share| f64::from(ASKED) * share / (2.0 + share));
        let window = least - 3.0..=most + 3.0;
        assert!(
            window.contains(&f64::from(count)),
            "{count} of {ASKED}, share {from} to {to}: {window:?}"
        );
        from = to;
    }
    assert_eq!(share_becomes(nginx, "new", |share| share >= 1.0).await?, 1.0);
    assert_eq!(served(&mut connection, "new", 30).await?, 10);
    drop(newcomer);
    nginx.check_log()
}

/// Beside a single other one, and among several of which most cannot serve.
#[tokio::test]
async fn new_peer_gets_no_more_than_its_share_with_each_method() -> Result<()> {
    const ASKED: u32 = 300;
    for method in
        ["round_robin", "least_conn", "random", "random two", "least_time header", "peak_ewma"]
    {
        let directives =
            format!("etcd_balance {method}; etcd_defaults {LONG} max_fails=1 fail_timeout=1h;");
        let router = Router::with(1, |etcd| with(etcd, &directives).workers(1)).await?;
        let _newcomer = join(&router, "new").await?;
        let mut connection = router.nginx.connect().await?;
        let count = served(&mut connection, "new", ASKED).await?;
        assert!(count <= 15, "{method}: {count} of {ASKED}");
        // These refuse connections, for which each of them is left alone.
        let closed = (0..8).map(|_| ClosedPort::reserve()).collect::<Result<Vec<_>, _>>()?;
        for (number, closed) in closed.iter().enumerate() {
            let value = format!("{} slow_start=0", closed.address());
            router.etcd.put(key(&format!("closed-{number}")), value).await?;
        }
        router.nginx.applied(router.etcd.revision().await?).await?;
        served(&mut connection, "new", ASKED).await?;
        let count = served(&mut connection, "new", ASKED).await?;
        assert!(count <= 15, "{method}, where most cannot serve: {count} of {ASKED}");
        assert!(share(&router.nginx.upstream().await?, "new")? < LITTLE);
    }
    Ok(())
}

#[tokio::test]
async fn slow_start_of_the_value_counts_and_peers_without_one_start_at_full_weight() -> Result<()> {
    let router = Router::start(1, 2).await?;
    let newcomer = join(&router, "new").await?;
    assert_eq!(share(&router.nginx.upstream().await?, "new")?, 1.0);
    // Its age is that of its key, not that of the parameter.
    let before = put(&router, &newcomer, "slow_start=1s").await?;
    assert_eq!(before.peer("new").ok_or("no new")?.slow_start, 1);
    share_becomes(&router.nginx, "new", |share| share >= 1.0).await?;
    let other = Node::start("other").await?;
    let upstream = put(&router, &other, LONG).await?;
    assert!(share(&upstream, "other")? < LITTLE, "{upstream:?}");
    let count = served(&mut router.nginx.connect().await?, "other", 300).await?;
    assert!(count <= 10, "{count} of 300");
    router.nginx.check_log()
}

/// The ramp goes on where it was.
async fn goes_on(nginx: &Nginx, before: &mut f64, what: &str) -> Result<()> {
    let now = share(&nginx.upstream().await?, "new")?;
    ensure!(now >= *before && now < 1.0, "{what}: {now} after {before}");
    *before = now;
    Ok(())
}

/// The usual upstream, by a link that can be cut, and with a new peer that is some way up a ramp of
/// minutes.
async fn ramping() -> Result<(Link, Router, Node, f64)> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    let revision = etcd.register(&nodes).await?;
    let link = Link::to(&etcd.address()).await?;
    let directives = format!("etcd_defaults {MINUTES};");
    let configuration =
        Configuration::new().http(&cluster("main", &link.url())).http(&upstream("", &directives));
    let nginx = Nginx::start(configuration).await?;
    nginx.applied(revision).await?;
    let router = Router { nginx, nodes, etcd };
    let newcomer = join(&router, "new").await?;
    let share = share_becomes(&router.nginx, "new", |share| share > GROWN).await?;
    Ok((link, router, newcomer, share))
}

/// Waits for one more list of a cause than there were.
async fn listed_again(nginx: &Nginx, before: &Upstream) -> Result<()> {
    eventually(SOON, "etcd is listed again", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.connected && upstream.resyncs != before.resyncs, "{upstream:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn writes_reloads_and_takeovers_do_not_restart_the_ramp() -> Result<()> {
    let (_link, router, newcomer, mut now) = ramping().await?;
    let nginx = &router.nginx;
    put(&router, &newcomer, "").await?;
    goes_on(nginx, &mut now, "the value is written again").await?;
    put(&router, &newcomer, "weight=2 max_fails=3").await?;
    goes_on(nginx, &mut now, "with other parameters").await?;
    nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    goes_on(nginx, &mut now, "another one goes").await?;
    nginx.reload().await?;
    goes_on(nginx, &mut now, "a reload").await?;
    let before = nginx.upstream().await?;
    let victim = nginx.watcher().await?;
    signal(victim, Signal::SIGKILL)?;
    listed_again(nginx, &before).await?;
    goes_on(nginx, &mut now, "another worker takes over").await?;
    // This alone does: it is a new key.
    nginx.applied(router.etcd.delete(&key("new")).await?).await?;
    let upstream = put(&router, &newcomer, "").await?;
    assert!(share(&upstream, "new")? < now.min(GROWN), "{upstream:?}");
    Ok(())
}

#[tokio::test]
async fn new_list_does_not_restart_the_ramp() -> Result<()> {
    let (link, mut router, newcomer, mut now) = ramping().await?;
    let before = router.nginx.upstream().await?;
    router.etcd.stop().await?;
    router.etcd.restart().await?;
    listed_again(&router.nginx, &before).await?;
    goes_on(&router.nginx, &mut now, "etcd starts anew").await?;

    let before = router.nginx.upstream().await?;
    link.cut();
    put_away(&router, &newcomer).await?;
    router.etcd.compact().await?;
    link.mend();
    listed_again(&router.nginx, &before).await?;
    goes_on(&router.nginx, &mut now, "etcd was compacted").await?;
    let upstream = router.settled().await?;
    // Who came meanwhile came a while ago, and not now and not before the router.
    assert!((0.01..now).contains(&share(&upstream, "away")?), "{upstream:?}");

    // A router that starts finds all of them in their places.
    let nginx = Nginx::start(with(&router.etcd, &format!("etcd_defaults {MINUTES};"))).await?;
    let upstream = nginx.wait_for_peer("new").await?;
    assert!(upstream.peers.iter().all(|peer| peer.share == 1.0), "{upstream:?}");
    router.nginx.check_log()
}

/// While nginx hears nothing of it: the newcomer's value again, and a new key.
async fn put_away(router: &Router, newcomer: &Node) -> Result<()> {
    for name in ["new", "away"] {
        router.etcd.put(key(name), newcomer.address().to_string()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn peer_that_failed_ramps_up_again() -> Result<()> {
    let directives = format!("etcd_defaults max_fails=1 fail_timeout=1s {LONG};");
    let router = Router::with(2, |etcd| with(etcd, &directives).workers(1)).await?;
    let (nginx, node) = (&router.nginx, &router.nodes[0]);
    let mut connection = nginx.connect().await?;
    node.set_fault(Fault::Close);
    eventually(SOON, "it has failed", async || {
        served(&mut connection, "n0", 2).await?;
        let upstream = nginx.upstream().await?;
        ensure!(
            upstream.peer("n0").is_some_and(|peer| peer.state == "unavailable"),
            "{upstream:?}"
        );
        Ok(())
    })
    .await?;
    node.set_fault(Fault::None);
    eventually(SOON, "it serves again, a little", async || {
        served(&mut connection, "n0", 20).await?;
        let upstream = nginx.upstream().await?;
        let peer = upstream.peer("n0").ok_or("no n0")?;
        ensure!(peer.state == "up" && peer.share < LITTLE, "{peer:?}");
        Ok(())
    })
    .await?;
    let count = served(&mut connection, "n0", 300).await?;
    assert!(count <= 15, "{count} of 300");
    nginx.check_log()
}

#[tokio::test]
async fn peer_that_failed_its_checks_or_was_down_ramps_up_again() -> Result<()> {
    let directives =
        format!("etcd_defaults {LONG}; etcd_check http uri=/healthz interval=50ms timeout=10s;");
    let router = Router::with(2, |etcd| with(etcd, &directives)).await?;
    let (nginx, [checked, taken_out]) = (&router.nginx, [&router.nodes[0], &router.nodes[1]]);
    assert_eq!(share(&nginx.upstream().await?, "n0")?, 1.0);
    for (health, state) in [(500, "unhealthy"), (200, "up")] {
        checked.set_health(health);
        eventually(SOON, state, async || {
            let upstream = nginx.upstream().await?;
            ensure!(upstream.peer("n0").is_some_and(|peer| peer.state == state), "{upstream:?}");
            Ok(())
        })
        .await?;
    }
    share_becomes(nginx, "n0", |share| share < LITTLE).await?;
    for state in ["down", "drain"] {
        let upstream = nginx.upstream().await?;
        assert!(state == "drain" || share(&upstream, "n1")? == 1.0, "{upstream:?}");
        put(&router, taken_out, state).await?;
        put(&router, taken_out, "").await?;
        share_becomes(nginx, "n1", |share| share < LITTLE).await?;
    }
    nginx.check_log()
}

#[tokio::test]
async fn single_peer_gets_every_request_at_once() -> Result<()> {
    let router = Router::with(0, |etcd| with(etcd, &format!("etcd_defaults {LONG};"))).await?;
    let node = join(&router, "new").await?;
    let report = Load::start(&router.nginx.address(), "/", Clients::KeepAlive, 2);
    eventually(SOON, "it serves", async || {
        ensure!(node.counts().requests > 100, "{:?}", node.counts());
        Ok(())
    })
    .await?;
    report.stop().await?.without_failure()?;
    // A second peer that joins now is as new.
    let other = join(&router, "other").await?;
    let count = served(&mut router.nginx.connect().await?, other.name(), 200).await?;
    assert!((60..=140).contains(&count), "{count} of 200 with equal shares");
    router.nginx.check_log()
}
