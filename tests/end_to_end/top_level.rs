//! `etcd_cluster` at the top level of nginx.conf: it is the same one, whatever uses it.

use harness::*;

/// The usual upstream, and a variable, of a cluster that stands elsewhere.
fn using_main() -> Configuration {
    Configuration::new()
        .http(&upstream("zone=1m", ""))
        .http("etcd_variable $mode main /mode default=none;")
        .server("location = /mode { return 200 $mode; }")
}

async fn mode_is(nginx: &Nginx, mode: &str) -> Result<()> {
    eventually(SOON, "the variable has its value", async || {
        let answer = nginx.get("/mode").await?;
        ensure!(answer.body == mode.as_bytes(), "{answer:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn cluster_at_the_top_level_serves_upstreams_and_variables() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(1).await?;
    etcd.put(key("x"), nodes[0].address().to_string()).await?;
    etcd.put("/mode", "on").await?;
    let main = cluster("main", &etcd.url());
    for (configuration, place) in [
        (using_main().main(&main), "before http"),
        (using_main().end(&main), "behind http"),
        (using_main().main(&main).mode(Mode::Single), "one process"),
    ] {
        let nginx = Nginx::start(configuration).await?;
        nginx.wait_for_peer("x").await?;
        assert_eq!(nginx.get("/").await?.node(), "n0", "{place}");
        mode_is(&nginx, "on").await?;
        nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn cluster_may_move_to_the_top_level_by_a_reload() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    let nodes = start_nodes(1).await?;
    etcd.put(key("x"), nodes[0].address().to_string()).await?;
    let main = cluster("main", &etcd.url());
    let mut nginx = Nginx::start(using_main().http(&main)).await?;
    nginx.wait_for_peer("x").await?;
    etcd.stop().await?;
    nginx.configure(using_main().main(&main))?;
    nginx.reload().await?;
    // The zone is the same one: without etcd there is nowhere else to have the peer from.
    assert_eq!(nginx.get("/").await?.node(), "n0");
    etcd.restart().await?;
    etcd.put("/mode", "off").await?;
    mode_is(&nginx, "off").await?;
    nginx.check_log()
}

#[tokio::test]
async fn one_watcher_follows_clusters_in_both_places() -> Result<()> {
    let (first, second) = (Etcd::start().await?, Etcd::start().await?);
    let nodes = start_nodes(2).await?;
    first.put(key("x"), nodes[0].address().to_string()).await?;
    second.put("/other/y", nodes[1].address().to_string()).await?;
    let configuration = Configuration::new()
        .main(&cluster("main", &first.url()))
        .http(&cluster("inside", &second.url()))
        .http(&upstream("zone=1m", ""))
        .http("upstream other { etcd inside /other/; }")
        .server("location = /other { proxy_pass http://other/; }");
    let nginx = Nginx::start(configuration).await?;
    nginx.wait_for_peer("x").await?;
    eventually(SOON, "the other cluster's peer serves", async || {
        let answer = nginx.get("/other").await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    })
    .await?;
    // A list is published as soon as it has come, and the watch stands a moment later.
    eventually(SOON, "both are followed", async || {
        let status = nginx.status().await?;
        ensure!(status.upstreams.values().all(|upstream| upstream.connected), "{status:?}");
        Ok(())
    })
    .await?;
    nginx.check_log()
}

#[tokio::test]
async fn cluster_name_in_both_places_is_refused_with_the_place_of_the_first() -> Result<()> {
    let main = cluster("main", "http://127.0.0.1:2379");
    for configuration in [
        using_main().main(&main).http(&main),
        using_main().http(&main).end(&main),
        using_main().main(&main).main(&main),
    ] {
        let output = Nginx::test(&configuration)?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{said}");
        for words in ["duplicate cluster \"main\"", "it was specified earlier in", "nginx.conf:"] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    let unknown = Nginx::test(&using_main())?;
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(!unknown.status.success() && said.contains("unknown cluster"), "{said}");
    Ok(())
}
