//! `etcd_allow`: where peers may be.

use harness::*;

/// A configuration with `etcd_allow` of these networks, if any are given.
fn within(etcd: &Etcd, networks: &str) -> Configuration {
    let allow = if networks.is_empty() { String::new() } else { format!("etcd_allow {networks};") };
    Configuration::new().workers(2).http(&cluster("main", &etcd.url())).http(&upstream("", &allow))
}

/// The names of the keys that are rejected, with the reasons.
fn rejected(upstream: &Upstream) -> Vec<(&str, &str)> {
    let rejected = upstream.rejected.iter();
    rejected.filter_map(|one| Some((one.key.strip_prefix(PREFIX)?, one.reason.as_str()))).collect()
}

#[tokio::test]
async fn peer_outside_is_rejected_and_the_last_one_inside_stays() -> Result<()> {
    let router = Router::with(1, |etcd| within(etcd, "127.0.0.1/32 ::ffff:127.0.0.2")).await?;
    let port = router.nodes[0].address().to_string().rsplit_once(':').ok_or("a port")?.1.to_owned();
    let inside =
        [("mapped", format!("[::ffff:127.0.0.1]:{port}")), ("second", format!("127.0.0.2:{port}"))];
    let outside = [
        ("third", format!("127.0.0.3:{port}")),
        ("six", format!("[::1]:{port}")),
        ("socket", "unix:/run/docker.sock".to_owned()),
        ("json", format!(r#"{{"addr":"169.254.169.254:{port}"}}"#)),
        ("10.9.0.1:80", String::new()),
    ];
    let mut revision = 0;
    for (name, value) in inside.iter().chain(&outside) {
        revision = router.etcd.put(key(name), value).await?;
    }
    // What was inside goes outside.
    revision = revision.max(router.etcd.put(key("n0"), format!("127.0.0.9:{port}")).await?);
    let upstream = router.nginx.applied(revision).await?;
    assert_eq!(upstream.keys(), ["mapped", "n0", "second"]);
    assert_eq!(
        upstream.peer("n0").map(|peer| peer.address.as_str()),
        Some(&*format!("127.0.0.1:{port}"))
    );
    let rejected = rejected(&upstream);
    let names: Vec<_> = rejected.iter().map(|(key, _)| *key).collect();
    assert_eq!(names, ["10.9.0.1:80", "json", "n0", "six", "socket", "third"]);
    assert!(
        rejected.iter().all(|(_, reason)| reason.contains("outside of \"etcd_allow\"")),
        "{rejected:?}"
    );
    assert_eq!(upstream.rejected_total, 6);
    router.nginx.wait_for_log_lines("outside of \"etcd_allow\"", 6).await?;
    for _ in 0..6 {
        assert_eq!(router.nginx.get("/").await?.node(), "n0");
    }
    Ok(())
}

#[tokio::test]
async fn host_name_has_its_addresses_inside_as_peers() -> Result<()> {
    // `localhost` is 127.0.0.1, and on some machines ::1 as well.
    let router = Router::with(1, |etcd| within(etcd, "10.0.0.0/8 127.0.0.1")).await?;
    let port = router.nodes[0].address().to_string().rsplit_once(':').ok_or("a port")?.1.to_owned();
    router.etcd.put(key("name"), format!("localhost:{port}")).await?;
    let upstream = router.nginx.wait_for_peer("name").await?;
    let addresses: Vec<_> = upstream
        .peers
        .iter()
        .filter(|peer| peer.key.as_deref() == Some("name"))
        .map(|peer| &peer.address)
        .collect();
    assert_eq!(addresses, [&format!("127.0.0.1:{port}")]);
    Ok(())
}

#[tokio::test]
async fn narrower_list_removes_peers_and_logs_it() -> Result<()> {
    let mut router = Router::with(1, |etcd| within(etcd, "")).await?;
    let port = router.nodes[0].address().to_string().rsplit_once(':').ok_or("a port")?.1.to_owned();
    router.etcd.put(key("second"), format!("127.0.0.2:{port}")).await?;
    router.etcd.put(key("name"), format!("localhost:{port}")).await?;
    router.nginx.wait_for_peer("name").await?;
    router.nginx.wait_for_peer("second").await?;

    router.nginx.configure(within(&router.etcd, "127.0.0.2"))?;
    router.nginx.reload().await?;
    router.nginx.wait_for_keys(&["second"]).await?;
    let upstream = eventually(SOON, "the name's addresses are rejected", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(rejected(&upstream).iter().any(|(key, _)| *key == "name"), "{upstream:?}");
        Ok(upstream)
    })
    .await?;
    let found = rejected(&upstream);
    assert!(found.iter().any(|(key, _)| *key == "n0"), "{found:?}");
    let of_name = found.iter().find(|(key, _)| *key == "name").ok_or("no name")?;
    assert!(of_name.1.contains("host name \"localhost\""), "{of_name:?}");

    // Another watcher knows of it, and says it no second time; it says the end.
    let line = "all addresses of host \"localhost\" of key";
    assert_eq!(router.nginx.log_lines(line).len(), 0);
    router.nginx.reload().await?;
    eventually(SOON, "another watcher has taken over", async || {
        let now = router.nginx.upstream().await?;
        ensure!(now.resyncs["takeover"] > upstream.resyncs["takeover"], "{now:?}");
        ensure!(rejected(&now).iter().any(|(key, _)| *key == "name"), "{now:?}");
        Ok(())
    })
    .await?;
    // A name that is asked for later: when it has its addresses, the other has its own.
    router.etcd.put(key("other"), format!("localhost.:{port}")).await?;
    eventually(SOON, "the other name's addresses are rejected", async || {
        let now = router.nginx.upstream().await?;
        ensure!(rejected(&now).iter().any(|(key, _)| *key == "other"), "{now:?}");
        Ok(())
    })
    .await?;
    router.etcd.put(key("other"), format!("127.0.0.2:{port}")).await?;
    router.etcd.put(key("name"), format!("127.0.0.2:{port}")).await?;
    router.nginx.wait_for_keys(&["name", "other", "second"]).await?;
    router.nginx.wait_for_log(line).await?;
    let now = eventually(SOON, "no name is rejected any more", async || {
        let now = router.nginx.upstream().await?;
        ensure!(rejected(&now).iter().all(|(key, _)| *key == "n0"), "{now:?}");
        Ok(now)
    })
    .await?;
    let of_the_name = format!("key \"{}\" rejected: the host name", key("name"));
    router.nginx.wait_for_log_lines(&of_the_name, 1).await?;
    assert_eq!(now.rejected_total, upstream.rejected_total + 1, "only the other name's: {now:?}");

    // Without etcd as well: no request may go there that is not allowed any more.
    router.etcd.kill().await?;
    router.nginx.configure(within(&router.etcd, "127.0.0.7 unix:"))?;
    router.nginx.reload().await?;
    router.nginx.wait_for_keys(&[]).await?;
    assert_eq!(router.nginx.get("/").await?.status, 502);
    Ok(())
}

#[tokio::test]
async fn bits_behind_the_mask_are_a_warning() -> Result<()> {
    let etcd = Etcd::absent()?;
    let output = Nginx::test(&within(&etcd, "10.1.2.3/8 unix:"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("[warn]") && said.contains("low address bits of 10.1.2.3/8 are meaningless"),
        "{said}"
    );
    Ok(())
}
