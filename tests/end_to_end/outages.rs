//! etcd goes, in every way that it can, and comes back: requests go on, and afterwards the list is
//! exact.

use harness::*;

/// Clients that ask all the time, on connections of both kinds.
fn loads(nginx: &Nginx) -> [Load; 2] {
    [Clients::Fresh, Clients::KeepAlive]
        .map(|clients| Load::start(&nginx.address(), "/", clients, 1))
}

async fn without_failure(loads: [Load; 2]) -> Result<()> {
    for load in loads {
        load.stop().await?.without_failure()?;
    }
    Ok(())
}

async fn disconnected(nginx: &Nginx) -> Result<Upstream> {
    eventually(SOON, "nginx has noticed", async || {
        let upstream = nginx.upstream().await?;
        ensure!(!upstream.connected, "{upstream:?}");
        Ok(upstream)
    })
    .await
}

/// Adds, changes, deletes, and deletes and adds again; `n0` and `n1` stay.
async fn change(etcd: &Etcd, nodes: &[Node], round: usize) -> Result<()> {
    etcd.put(key(&format!("added-{round}")), nodes[1].address().to_string()).await?;
    etcd.put(key("changed"), nodes[round % 2].address().to_string()).await?;
    if round > 0 {
        etcd.delete(&key(&format!("added-{}", round - 1))).await?;
    }
    etcd.put(key("visitor"), nodes[0].address().to_string()).await?;
    etcd.delete(&key("visitor")).await?;
    etcd.put(key("back"), nodes[0].address().to_string()).await?;
    etcd.delete(&key("back")).await?;
    etcd.put(key("back"), nodes[1].address().to_string()).await?;
    Ok(())
}

fn lists_made(upstream: &Upstream) -> u64 {
    upstream.resyncs.values().sum()
}

/// What the log says of an outage is a line or two, however many attempts were made.
fn quiet(nginx: &Nginx) {
    let trouble = nginx
        .log()
        .lines()
        .filter(|line| line.contains("etcd") && !line.contains(" peers ("))
        .count();
    assert!(trouble <= 12, "{trouble} lines: {}", nginx.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_stopped_or_killed_costs_no_request_and_is_followed_again() -> Result<()> {
    let mut router = Router::start(2, 2).await?;
    let loads = loads(&router.nginx);
    let before = router.nginx.upstream().await?;
    assert_eq!((before.resyncs["start"], lists_made(&before)), (1, 1), "{before:?}");
    for (round, kill) in [false, true].into_iter().enumerate() {
        if kill {
            router.etcd.kill().await?;
        } else {
            router.etcd.stop().await?;
        }
        let away = disconnected(&router.nginx).await?;
        assert!(before.keys().iter().all(|name| away.keys().contains(name)), "{away:?}");
        assert_eq!(router.nginx.get("/").await?.status, 200);
        router.etcd.restart().await?;
        change(&router.etcd, &router.nodes, round).await?;
        router.etcd.compact().await?;
        let upstream = router.settled().await?;
        assert!(lists_made(&upstream) > lists_made(&away), "{upstream:?}");
    }
    quiet(&router.nginx);
    without_failure(loads).await?;
    router.nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_etcd_costs_no_request_and_is_followed_again() -> Result<()> {
    let router = Router::start(2, 2).await?;
    let loads = loads(&router.nginx);
    router.etcd.pause()?;
    let away = disconnected(&router.nginx).await?;
    assert_eq!(away.keys(), ["n0", "n1"]);
    router.etcd.resume()?;
    change(&router.etcd, &router.nodes, 0).await?;
    router.settled().await?;
    quiet(&router.nginx);
    without_failure(loads).await?;
    router.nginx.check_log()
}

/// nginx and etcd with a link between them.
async fn linked() -> Result<(Link, Router)> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    etcd.register(&nodes).await?;
    let link = Link::to(&etcd.address()).await?;
    let configuration =
        Configuration::new().http(&cluster("main", &link.url())).http(&upstream("", ""));
    let nginx = Nginx::start(configuration).await?;
    let router = Router { nginx, nodes, etcd };
    router.settled().await?;
    Ok((link, router))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_and_compaction_behind_a_cut_link_are_caught_up() -> Result<()> {
    let (link, router) = linked().await?;
    let loads = loads(&router.nginx);
    link.cut();
    disconnected(&router.nginx).await?;
    for round in 0..3 {
        change(&router.etcd, &router.nodes, round).await?;
        router.etcd.compact().await?;
    }
    let away = router.nginx.upstream().await?;
    assert_eq!(away.keys(), ["n0", "n1"]);
    link.mend();
    let upstream = router.settled().await?;
    assert!(upstream.peer("added-2").is_some() && upstream.peer("added-1").is_none());
    assert!(lists_made(&upstream) > lists_made(&away), "{upstream:?}");
    quiet(&router.nginx);
    without_failure(loads).await?;
    router.nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_and_compaction_behind_a_silent_link_are_caught_up() -> Result<()> {
    let (link, router) = linked().await?;
    let loads = loads(&router.nginx);
    link.silence();
    change(&router.etcd, &router.nodes, 0).await?;
    router.etcd.compact().await?;
    let away = disconnected(&router.nginx).await?;
    assert_eq!(away.keys(), ["n0", "n1"]);
    link.mend();
    let upstream = router.settled().await?;
    assert!(upstream.peer("added-0").is_some() && upstream.peer("visitor").is_none());
    without_failure(loads).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn many_short_cuts_lose_no_change() -> Result<()> {
    let (link, router) = linked().await?;
    for round in 0..20 {
        // Cut in the midst of changes, at another place in each round, so that lists and watches
        // are hit as well.
        link.cut();
        if round % 3 == 0 {
            disconnected(&router.nginx).await?;
        }
        change(&router.etcd, &router.nodes, round).await?;
        link.mend();
        if round % 2 == 0 {
            router.etcd.compact().await?;
        }
        change(&router.etcd, &router.nodes, round + 1).await?;
        if round % 4 == 0 {
            router.settled().await?;
        }
        // The next round deletes what this one has added.
        router
            .etcd
            .put(key(&format!("added-{round}")), router.nodes[0].address().to_string())
            .await?;
    }
    router.settled().await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn etcd_absent_at_the_start_is_followed_when_it_comes() -> Result<()> {
    let (mut etcd, nodes, fixed) =
        (Etcd::absent()?, start_nodes(2).await?, Node::start("fixed").await?);
    let directives = format!("server {};", fixed.address());
    let configuration =
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", &directives));
    let nginx = Nginx::start(configuration).await?;
    for _ in 0..10 {
        assert_eq!(nginx.get("/").await?.node(), "fixed");
    }
    let upstream = nginx.upstream().await?;
    assert!(!upstream.connected && upstream.keys().is_empty(), "{upstream:?}");
    assert_eq!(upstream.seconds_since_last_word, None);

    etcd.restart().await?;
    etcd.register(&nodes).await?;
    settled(&nginx, &etcd).await?;
    for _ in 0..9 {
        assert_eq!(nginx.get("/").await?.status, 200);
    }
    for node in nodes.iter().chain([&fixed]) {
        assert!(node.counts().requests >= 3, "{}", node.name());
    }
    quiet(&nginx);
    nginx.check_log()
}

#[tokio::test]
async fn etcd_absent_at_the_start_without_another_server_gives_502() -> Result<()> {
    let (mut etcd, nodes) = (Etcd::absent()?, start_nodes(1).await?);
    let nginx = Nginx::start(Configuration::firehose(&etcd)).await?;
    assert_eq!(nginx.get("/").await?.status, 502);
    etcd.restart().await?;
    etcd.register(&nodes).await?;
    settled(&nginx, &etcd).await?;
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.check_log()
}

#[tokio::test]
async fn second_endpoint_is_used_when_the_first_is_dead() -> Result<()> {
    let (etcd, nodes, dead) = (Etcd::start().await?, start_nodes(1).await?, ClosedPort::reserve()?);
    etcd.register(&nodes).await?;
    let endpoints = format!("http://{} {}", dead.address(), etcd.url());
    let nginx = Nginx::start(
        Configuration::new().http(&cluster("main", &endpoints)).http(&upstream("", "")),
    )
    .await?;
    settled(&nginx, &etcd).await?;
    nginx.applied(etcd.put(key("n1"), "127.0.0.1:1 down").await?).await?;
    nginx.check_log()
}

/// However many prefixes and keys are followed: whoever reads the log sees one event.
#[tokio::test]
async fn an_outage_is_one_message_for_all_keys_and_so_is_its_end() -> Result<()> {
    let (mut etcd, nodes) = (Etcd::start().await?, start_nodes(1).await?);
    etcd.register(&nodes).await?;
    let configuration = Configuration::firehose(&etcd)
        .http("upstream other { etcd main /other/; }")
        .http("upstream third { etcd main /third/; }")
        .http("etcd_variable $one main /settings/one; etcd_geo $near main /near/;");
    let nginx = Nginx::start(configuration).await?;
    let all_connected = async |is: bool| {
        eventually(SOON, "all are followed, or none", async || {
            let status = nginx.status().await?;
            ensure!(status.upstreams.values().all(|it| it.connected == is), "{status:?}");
            Ok(())
        })
        .await
    };
    all_connected(true).await?;
    etcd.kill().await?;
    all_connected(false).await?;
    nginx.wait_for_log("cannot watch").await?;
    etcd.restart().await?;
    nginx.wait_for_log(" again at revision ").await?;
    all_connected(true).await?;
    let (begins, ends) = (nginx.log_lines("cannot watch"), nginx.log_lines("again at revision"));
    assert_eq!((begins.len(), ends.len()), (1, 1), "{begins:?} {ends:?}");
    for line in begins.iter().chain(&ends) {
        // Four are named, the fifth is counted.
        assert!(line.matches("prefix \"").count() + line.matches("key \"").count() == 4, "{line}");
        assert!(line.contains(" and 1 more"), "{line}");
    }
    let endpoint = etcd.url();
    assert!(begins[0].contains(&endpoint), "{begins:?}");
    assert!(begins[0].contains("peers") && begins[0].contains(" are kept"), "{begins:?}");
    nginx.check_log()
}
