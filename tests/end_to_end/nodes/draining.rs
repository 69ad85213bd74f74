//! `nodes drain --wait`, with sessions at one router or two.

use harness::*;

use super::{nodes, value};

/// A router's status.
fn url(nginx: &Nginx) -> String {
    format!("http://{}/etcd", nginx.address())
}

/// An nginx beside another one.
async fn another(etcd: &Etcd) -> Result<Nginx> {
    let nginx = Nginx::start(Configuration::firehose(etcd).workers(1)).await?;
    nginx.wait_for_peer("n0").await?;
    Ok(nginx)
}

#[tokio::test]
async fn it_waits_until_every_router_has_no_session_there() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let second = another(&router.etcd).await?;
    let urls = format!("{},{}", url(&router.nginx), url(&second));
    let here = Session::open(&router.nginx.address(), "/ws").await?;
    let there = Session::open(&second.address(), "/ws").await?;
    let mut program = Program::start(
        &["nodes", "drain", "n0", "--wait=1m", "--url", &urls],
        &[("ETCD_ENDPOINTS", &*router.etcd.url())],
    )?;
    let line = program.wait_for_log("open connection").await?;
    assert!(line.contains("which stay until they end"), "{line}");
    here.close().await?;
    // The first router is empty, and the other one is not.
    program.wait_for_log(&format!("{}: 1 open connection", url(&second))).await?;
    eventually(SOON, "only the second router is named", async || {
        let log = program.log();
        let last = log.lines().last().unwrap_or_default();
        ensure!(last.starts_with(&url(&second)), "{last}");
        Ok(())
    })
    .await?;
    assert!(program.runs()?, "{}", program.log());
    there.close().await?;
    assert_eq!(program.ended(SOON).await?, 0, "{}", program.log());
    assert!(program.log().contains("node \"n0\" has no open connection"), "{}", program.log());
    Ok(())
}

#[tokio::test]
async fn etcd_drain_empties_a_node_that_is_waited_for() -> Result<()> {
    let router = Router::with(2, |etcd| {
        Configuration::new()
            .workers(2)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", "etcd_drain timeout=1s spread=1s;"))
    })
    .await?;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(Session::open(&router.nginx.address(), "/ws").await?);
    }
    let (code, said) =
        nodes(&router.etcd.url(), &["drain", "n0", "--wait", "--url", &url(&router.nginx)]).await?;
    assert!(code == 0 && said.contains("close"), "{said}");
    let upstream = router.nginx.upstream().await?;
    let peer = upstream.peer("n0").ok_or("no peer")?;
    assert_eq!((&*peer.state, peer.connections), ("drain", 0));
    Ok(())
}

#[tokio::test]
async fn the_time_of_the_wait_is_kept() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let _session = Session::open(&router.nginx.address(), "/ws").await?;
    let (code, said) =
        nodes(&router.etcd.url(), &["drain", "n0", "--wait=1s", "--url", &url(&router.nginx)])
            .await?;
    assert!(code == 1 && said.contains("stays marked \"drain\""), "{said}");
    let value = value(&router.etcd, "n0").await?.ok_or("no key")?;
    assert!(value.ends_with(" drain"), "{value}");
    Ok(())
}

#[tokio::test]
async fn routers_that_cannot_be_meant_are_told() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let etcd = router.etcd.url();
    router.etcd.put("/other/n0", "10.0.0.7:80").await?;
    let url = url(&router.nginx);
    let arguments = ["drain", "n0", "--upstream-prefix", "/other", "--wait=1m", "--url", &url];
    let (code, said) = nodes(&etcd, &arguments).await?;
    assert!(code == 1 && said.contains("no upstream of this router has the prefix"), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    let kept = router.etcd.look_up("/other/n0").await?.map(|(value, _)| value);
    assert_eq!(kept.as_deref(), Some("10.0.0.7:80"));
    let (code, said) = nodes(&etcd, &["drain", "n0", "--wait", "--url", "ftp://a"]).await?;
    assert!(code == 2 && said.contains("must begin with"), "{said}");
    // A router that is away may have sessions.
    let away = format!("http://127.0.0.1:{}/etcd", free_port()?);
    let (code, said) = nodes(&etcd, &["drain", "n0", "--wait=1s", "--url", &away]).await?;
    assert!(code == 1 && said.contains("no router listens there"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_drain_that_is_cancelled_is_waited_for_no_longer() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let _session = Session::open(&router.nginx.address(), "/ws").await?;
    let url = url(&router.nginx);
    for (change, words) in [
        ("undrain", "the drain of node \"n0\" was cancelled"),
        ("remove", "was removed, and node \"n0\" is not empty"),
    ] {
        let mut program = Program::start(
            &["nodes", "drain", "n0", "--wait=10m", "--url", &url],
            &[("ETCD_ENDPOINTS", &*router.etcd.url())],
        )?;
        program.wait_for_log("1 open connection").await?;
        let (code, said) = nodes(&router.etcd.url(), &[change, "n0"]).await?;
        assert_eq!(code, 0, "{said}");
        let code = program.ended(SOON).await?;
        let log = program.log();
        assert!(code == 1 && log.contains(words) && !log.contains("stays marked"), "{log}");
    }
    Ok(())
}

#[tokio::test]
async fn an_upstream_of_another_etcd_is_left_out_by_name() -> Result<()> {
    let other = Etcd::start().await?;
    let url_of_other = other.url();
    let router = Router::with(1, |etcd| {
        Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&cluster("dc2", &url_of_other))
            .http(&upstream("", ""))
            .http(&format!("upstream gone {{ etcd dc2 {PREFIX}; }}"))
    })
    .await?;
    // Its revision is greater than that of the other etcd.
    for _ in 0..5 {
        router.etcd.put(key("n0"), router.nodes[0].address().to_string()).await?;
    }
    let url = url(&router.nginx);
    let all = ["drain", "n0", "--wait=1s", "--url", &url];
    let (code, said) = nodes(&router.etcd.url(), &all).await?;
    assert!(code == 1 && said.contains("upstream \"gone\" has not read the change yet"), "{said}");
    let (code, said) =
        nodes(&router.etcd.url(), &[&all[..], &["--upstream", UPSTREAM]].concat()).await?;
    assert!(code == 0 && said.contains("has no open connection"), "{said}");
    Ok(())
}
