//! etcd away and wiped, watchers that are killed, reloads: settings stay as they are.

use harness::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{
    NODES, SETTINGS, configuration, goes_by_user, goes_in_turn, of_zone, set, settings, start,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_outlive_etcd_watchers_and_reloads() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "");
    let (mut nginx, nodes, mut etcd) = start(&NODES, configure).await?;
    set(&etcd, "web", r#"{"balance":"hash $http_x_user"}"#).await?;
    goes_by_user(&nginx, "web", 3).await?;
    etcd.stop().await?;
    let watcher = nginx.watcher().await?;
    kill(Pid::from_raw(watcher), Signal::SIGKILL)?;
    eventually(SOON, "another worker is the watcher", async || {
        let next = nginx.watcher().await?;
        ensure!(next != watcher, "{next}");
        Ok(())
    })
    .await?;
    goes_by_user(&nginx, "web", 3).await?;
    let parameters = format!("settings={SETTINGS}");
    // With the same memory, with one of another size, and without settings.
    nginx.reload().await?;
    goes_by_user(&nginx, "web", 3).await?;
    nginx.configure(of_zone(&etcd, "zone=2m", &parameters, ""))?;
    nginx.reload().await?;
    goes_by_user(&nginx, "web", 3).await?;
    assert_eq!(settings(&nginx).await?.count, 1);
    etcd.restart().await?;
    nginx.applied(etcd.revision().await?).await?;
    goes_by_user(&nginx, "web", 3).await?;
    nginx.configure(of_zone(&etcd, "zone=1m", "", ""))?;
    nginx.reload().await?;
    goes_in_turn(&nginx, "web").await?;
    nginx.configure(configuration(&etcd, ""))?;
    nginx.reload().await?;
    goes_by_user(&nginx, "web", 3).await?;
    // Wiped: they are held, until others come.
    etcd.stop().await?;
    etcd.wipe()?;
    etcd.restart().await?;
    nginx.wait_for_log("current settings of groups are kept").await?;
    goes_by_user(&nginx, "web", 3).await?;
    set(&etcd, "api", r#"{"balance":"hash $http_x_user"}"#).await?;
    for node in &nodes {
        let service = node.name().split('-').next().unwrap_or_default();
        let key = format!("{}{service}/{}", super::SERVICES, node.name());
        etcd.put(key, node.address().to_string()).await?;
    }
    nginx.applied(etcd.revision().await?).await?;
    goes_by_user(&nginx, "api", 3).await?;
    goes_in_turn(&nginx, "web").await
}

#[tokio::test]
async fn settings_without_room_are_told_and_leave_the_others() -> Result<()> {
    let configure = |etcd: &Etcd| of_zone(etcd, "zone=256k", &format!("settings={SETTINGS}"), "");
    let (nginx, _nodes, etcd) = start(&NODES, configure).await?;
    set(&etcd, "web", r#"{"balance":"hash $http_x_user"}"#).await?;
    goes_by_user(&nginx, "web", 3).await?;
    let long = format!(r#"{{"max_conns":5{}}}"#, " ".repeat(3_900));
    let mut count = 0_usize;
    while settings(&nginx).await?.rejected.is_none() {
        ensure!(count < 200, "all had room");
        set(&etcd, &format!("none-{count}"), &long).await?;
        count += 1;
    }
    let line = nginx.wait_for_log("rejected: no space for the value").await?;
    assert!(line.contains("increase \"zone\" of the \"etcd\" directive to"), "{line}");
    goes_by_user(&nginx, "web", 3).await?;
    // What makes room lets the others in.
    for made in 0..count.saturating_sub(2) {
        etcd.delete_all(&format!("{SETTINGS}none-{made}")).await?;
    }
    eventually(SOON * 2, "all are there", async || {
        let settings = settings(&nginx).await?;
        ensure!(settings.rejected.is_none(), "{settings:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_state_file_brings_the_settings_back_without_etcd() -> Result<()> {
    let configure = |etcd: &Etcd| {
        let parameters = format!("settings={SETTINGS}");
        of_zone(etcd, "zone=1m state=logs/services.state", &parameters, "")
    };
    let (mut nginx, _nodes, mut etcd) = start(&NODES, configure).await?;
    set(&etcd, "web", r#"{"balance":"hash $http_x_user","max_conns":7}"#).await?;
    // Of a service without nodes, too.
    set(&etcd, "shop", r#"{"balance":"random"}"#).await?;
    let file = nginx.folder().path().join("logs/services.state");
    eventually(SOON, "the file is written", async || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        ensure!(text.contains("$http_x_user") && text.contains("random"), "{text}");
        Ok(())
    })
    .await?;
    nginx.restart(async || etcd.stop().await).await?;
    goes_by_user(&nginx, "web", 3).await?;
    let found = settings(&nginx).await?;
    assert!(found.count == 2 && found.revision.is_some(), "{found:?}");
    etcd.restart().await?;
    nginx.applied(etcd.revision().await?).await?;
    goes_by_user(&nginx, "web", 3).await?;
    etcd.delete_all(SETTINGS).await?;
    goes_in_turn(&nginx, "web").await
}
