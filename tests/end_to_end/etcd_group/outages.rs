//! etcd away, wiped and compacted, and watchers that are killed: services stay as they are.

use harness::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{configuration, names, node_key, served, start};

async fn is_as_before(nginx: &Nginx) -> Result<()> {
    ensure!(names(&served(nginx, "web", 4).await?) == ["web-1", "web-2"], "web");
    ensure!(names(&served(nginx, "api", 2).await?) == ["api-1"], "api");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_outlive_etcd_and_watchers() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "", "");
    let (nginx, nodes, mut etcd) = start(&["web-1", "web-2", "api-1"], configure).await?;
    // Away.
    etcd.stop().await?;
    is_as_before(&nginx).await?;
    for _ in 0..2 {
        let watcher = nginx.watcher().await?;
        kill(Pid::from_raw(watcher), Signal::SIGKILL)?;
        eventually(SOON, "another worker is the watcher", async || {
            let next = nginx.watcher().await?;
            ensure!(next != watcher, "{next}");
            Ok(())
        })
        .await?;
        is_as_before(&nginx).await?;
    }
    etcd.restart().await?;
    nginx.applied(etcd.revision().await?).await?;
    is_as_before(&nginx).await?;
    // Compacted while away from it.
    etcd.pause()?;
    etcd.resume()?;
    nginx.applied(etcd.put(node_key("new", "1"), nodes[0].address().to_string()).await?).await?;
    etcd.compact().await?;
    assert_eq!(names(&served(&nginx, "new", 2).await?), ["web-1"]);
    // Wiped: the services are held.
    etcd.stop().await?;
    etcd.wipe()?;
    etcd.restart().await?;
    eventually(SOON, "the peers are held", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.holding.is_some(), "{upstream:?}");
        Ok(())
    })
    .await?;
    is_as_before(&nginx).await?;
    // What comes then takes their place.
    etcd.put(node_key("web", "web-1"), nodes[0].address().to_string()).await?;
    eventually(SOON, "the new peer is the only one", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.keys() == ["web/web-1"], "{:?}", upstream.keys());
        Ok(())
    })
    .await?;
    assert_eq!(names(&served(&nginx, "web", 4).await?), ["web-1"]);
    let mut connection = nginx.connect().await?;
    assert_eq!(super::ask(&mut connection, "api").await?.status, 502);
    Ok(())
}

#[tokio::test]
async fn a_state_file_brings_the_services_back_without_etcd() -> Result<()> {
    let configure = |etcd: &Etcd| {
        Configuration::new().http(&cluster("main", &etcd.url())).http(&super::services(
            "$http_x_service",
            "state=logs/services.state",
            "",
            "",
        ))
    };
    let (mut nginx, _nodes, mut etcd) = start(&["web-1", "api-1"], configure).await?;
    eventually(SOON, "the file is written", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.state.is_some_and(|state| state.revision.is_some()), "not yet");
        Ok(())
    })
    .await?;
    let restarted = nginx.restart(async || etcd.stop().await).await;
    restarted?;
    assert_eq!(names(&served(&nginx, "web", 2).await?), ["web-1"]);
    assert_eq!(names(&served(&nginx, "api", 2).await?), ["api-1"]);
    Ok(())
}
