//! `etcd_select`: peers by their labels.

use harness::*;

fn selecting(etcd: &Etcd, labels: &str, state: &str) -> Configuration {
    let select = if labels.is_empty() { "" } else { &format!("etcd_select {labels};") };
    Configuration::new()
        .workers(2)
        .http(&cluster("main", &etcd.url()))
        .http(&upstream(state, select))
}

/// A member of Patroni's.
fn member(node: &Node, role: &str) -> String {
    format!(
        r#"{{"conn_url":"postgres://{}/postgres","state":"running","role":"{role}"}}"#,
        node.address()
    )
}

#[tokio::test]
async fn changed_label_moves_requests_without_a_failure() -> Result<()> {
    let router = Router::with(0, |etcd| selecting(etcd, "role=primary", "")).await?;
    let nodes = start_nodes(2).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    etcd.put(key("a"), member(&nodes[0], "primary")).await?;
    let revision = etcd.put(key("b"), member(&nodes[1], "replica")).await?;
    let upstream = nginx.applied(revision).await?;
    assert_eq!((upstream.keys(), upstream.unselected), (vec!["a"], 1));
    assert_eq!(upstream.peers[0].labels["role"], "primary");
    assert_eq!((upstream.rejected_total, upstream.rejected.len()), (0, 0));

    let load = Load::start(&nginx.address(), "/", Clients::KeepAlive, 4);
    for round in 0..3 {
        let (old, new) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
        let name = |node: usize| key(if node == 0 { "a" } else { "b" });
        // First there are two.
        etcd.put(name(new), member(&nodes[new], "primary")).await?;
        let revision = etcd.put(name(old), member(&nodes[old], "replica")).await?;
        let upstream = nginx.applied(revision).await?;
        let expected = if new == 0 { "a" } else { "b" };
        assert_eq!((upstream.keys(), upstream.unselected), (vec![expected], 1));
        for _ in 0..5 {
            assert_eq!(nginx.get("/").await?.node(), format!("n{new}"));
        }
    }
    let report = load.stop().await?;
    report.without_failure()?;
    assert!(report.nodes.len() == 2, "{:?}", report.nodes);
    nginx.wait_for_log("servers left out by \"etcd_select\": 1").await?;
    nginx.check_log()
}

/// The peers of the former selection serve until those of the new one come with etcd's list.
#[tokio::test]
async fn reload_with_another_selection_fails_no_request() -> Result<()> {
    let mut router = Router::with(0, |etcd| selecting(etcd, "role=primary", "")).await?;
    let nodes = start_nodes(2).await?;
    for (name, node, role) in [("a", 0, "primary"), ("b", 1, "replica")] {
        router.etcd.put(key(name), member(&nodes[node], role)).await?;
    }
    router.nginx.wait_for_keys(&["a"]).await?;
    for (role, name) in [("replica", "b"), ("primary", "a"), ("replica", "b"), ("primary", "a")] {
        router.nginx.configure(selecting(&router.etcd, &format!("role={role}"), ""))?;
        let nginx = &router.nginx;
        let switch = async {
            nginx.reload().await?;
            nginx.wait_for_keys(&[name]).await.map(drop)
        };
        let requests = async {
            for _ in 0..200 {
                let status = nginx.get("/").await?.status;
                ensure!(status == 200, "{status}");
            }
            Ok(())
        };
        tokio::try_join!(switch, requests)?;
    }
    Ok(())
}

#[tokio::test]
async fn other_selection_counts_without_etcd_as_well() -> Result<()> {
    let folder = Folder::new("select")?;
    let state = format!("state={}", folder.path().join("peers").display());
    let mut router = Router::with(0, |etcd| selecting(etcd, "", "")).await?;
    let nodes = start_nodes(3).await?;
    router.nginx.configure(selecting(&router.etcd, "", &state))?;
    router.nginx.reload().await?;
    for (name, node, role) in [("a", 0, "primary"), ("b", 1, "replica")] {
        router.etcd.put(key(name), member(&nodes[node], role)).await?;
    }
    router.etcd.put(key("c"), nodes[2].address().to_string()).await?;
    router.nginx.wait_for_keys(&["a", "b", "c"]).await?;
    eventually(SOON, "the file has all of them", async || {
        let upstream = router.nginx.upstream().await?;
        let saved = upstream.state.as_ref().and_then(|state| state.revision);
        ensure!(saved == Some(upstream.revision), "{:?}", upstream.state);
        Ok(())
    })
    .await?;

    // With etcd, and then without it: from the zone, and from the file.
    router.nginx.configure(selecting(&router.etcd, "role=replica", &state))?;
    router.nginx.reload().await?;
    let upstream = router.nginx.wait_for_keys(&["b"]).await?;
    assert_eq!(upstream.peers[0].labels["role"], "replica");
    router.etcd.kill().await?;
    let file = std::fs::read(folder.path().join("peers"))?;
    assert!(String::from_utf8_lossy(&file).contains(r#""labels":{"role":"replica""#));
    router.nginx.configure(selecting(&router.etcd, "role=primary", &state))?;
    router.nginx.reload().await?;
    router.nginx.wait_for_keys(&[]).await?;
    drop(router.nginx);
    let nginx = Nginx::start(selecting(&router.etcd, "role=replica state=running", &state)).await?;
    assert_eq!(nginx.upstream().await?.keys(), ["b"]);
    assert_eq!(nginx.get("/").await?.node(), "n1");
    Ok(())
}

/// What is held is no value of the new etcd.
#[tokio::test]
async fn left_out_are_those_of_the_etcd_that_is_followed() -> Result<()> {
    let mut router = Router::with(0, |etcd| {
        Configuration::new()
            .workers(2)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("hold=1h", "etcd_select role=primary;"))
    })
    .await?;
    let nodes = start_nodes(1).await?;
    for (name, role) in [("a", "primary"), ("b", "replica"), ("c", "replica")] {
        router.etcd.put(key(name), member(&nodes[0], role)).await?;
    }
    let left_out = async |nginx: &Nginx, is_held: bool, count: usize| {
        eventually(SOON, &format!("{count} are left out"), async || {
            let upstream = nginx.upstream().await?;
            ensure!(upstream.holding.is_some() == is_held, "{upstream:?}");
            ensure!(upstream.unselected == count && upstream.keys() == ["a"], "{upstream:?}");
            Ok(())
        })
        .await
    };
    left_out(&router.nginx, false, 2).await?;
    router.etcd.kill().await?;
    router.etcd.wipe()?;
    router.etcd.restart().await?;
    left_out(&router.nginx, true, 0).await?;
    router.etcd.put(key("b"), member(&nodes[0], "replica")).await?;
    left_out(&router.nginx, true, 1).await?;
    router.nginx.reload().await?;
    left_out(&router.nginx, true, 1).await?;
    router.etcd.put(key("a"), member(&nodes[0], "primary")).await?;
    left_out(&router.nginx, false, 1).await?;
    // An invalid value has no servers.
    router.etcd.put(key("b"), "?").await?;
    left_out(&router.nginx, false, 0).await
}
