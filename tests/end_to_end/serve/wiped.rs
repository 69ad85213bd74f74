//! Settings outlive an etcd that was wiped, and networks beyond their limit cost settings nothing.

use harness::*;
use nix::sys::signal::Signal;

use super::{
    SETTINGS, setting,
    settings::{has, reloaded},
};

#[tokio::test]
async fn settings_stay_at_first_when_etcd_is_wiped() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    for value in ["3", "2"] {
        etcd.put(setting("worker_processes"), value).await?;
    }
    let router = Served::start(&etcd.url(), &[]).await?;
    assert!(has(&router.configuration()?, "worker_processes 2;"));
    etcd.kill().await?;
    etcd.wipe()?;
    etcd.restart().await?;
    router.program.wait_for_log(&format!("no valid setting with prefix \"{SETTINGS}\"")).await?;
    assert!(has(&router.configuration()?, "worker_processes 2;"));
    etcd.put(setting("balance"), "ip_hash").await?;
    reloaded(&router, 1).await?;
    let configuration = router.configuration()?;
    assert!(
        has(&configuration, "etcd_balance ip_hash;") && has(&configuration, "worker_processes 4;"),
        "{configuration}"
    );
    Ok(())
}

/// A key that is no setting, and one whose value is malformed.
async fn put_junk(etcd: &Etcd) -> Result<()> {
    etcd.put(setting("colour"), "red").await?;
    etcd.put(setting("balance"), "fastest").await?;
    Ok(())
}

#[tokio::test]
async fn settings_stay_when_a_wiped_etcd_has_one_junk_key() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    etcd.put(setting("keepalive_timeout"), "9s").await?;
    for value in ["3", "4", "2"] {
        etcd.put(setting("worker_processes"), value).await?;
    }
    let router = Served::start(&etcd.url(), &[]).await?;
    assert!(has(&router.configuration()?, "worker_processes 2;"));
    etcd.kill().await?;
    etcd.wipe()?;
    etcd.restart().await?;
    put_junk(&etcd).await?;
    router.program.wait_for_log(&format!("no valid setting with prefix \"{SETTINGS}\"")).await?;
    router.program.wait_for_log("colour\" ignored").await?;
    router.program.wait_for_log(&format!("{}\" rejected", setting("balance"))).await?;
    // Whoever asks for a reload gets the same.
    router.program.signal(Signal::SIGHUP)?;
    router.program.wait_for_log("nginx has reloaded: the same settings").await?;
    let configuration = router.configuration()?;
    assert!(
        has(&configuration, "worker_processes 2;") && has(&configuration, "keepalive_timeout 9s;"),
        "{configuration}"
    );
    // One that is valid takes their place.
    etcd.put(setting("balance"), "ip_hash").await?;
    router.wait_for_line("etcd_balance ip_hash;").await?;
    assert!(has(&router.configuration()?, "worker_processes 4;"), "{}", router.configuration()?);
    Ok(())
}

#[tokio::test]
async fn settings_stay_when_etcd_was_wiped_while_the_router_was_stopped() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    for value in ["3", "4", "5", "2"] {
        etcd.put(setting("worker_processes"), value).await?;
    }
    let router = Served::start(&etcd.url(), &[]).await?;
    assert!(has(&router.configuration()?, "worker_processes 2;"));
    let mut folder = router.leave().await?;
    etcd.kill().await?;
    etcd.wipe()?;
    etcd.restart().await?;
    put_junk(&etcd).await?;
    for _ in 0..2 {
        let router = Served::start_in(folder, &etcd.url(), &[]).await?;
        router
            .program
            .wait_for_log(&format!("no valid setting with prefix \"{SETTINGS}\""))
            .await?;
        assert!(has(&router.configuration()?, "worker_processes 2;"));
        folder = router.leave().await?;
        // The next one finds an etcd that has come past the old one's revision.
        for value in ["blue", "green", "white", "black", "grey", "red"] {
            etcd.put(setting("colour"), value).await?;
        }
    }
    etcd.put(setting("balance"), "ip_hash").await?;
    let router = Served::start_in(folder, &etcd.url(), &[]).await?;
    let configuration = router.configuration()?;
    assert!(
        has(&configuration, "etcd_balance ip_hash;") && has(&configuration, "worker_processes 4;"),
        "{configuration}"
    );
    Ok(())
}

/// Settings, and their withdrawal, are obeyed though there are more networks than are taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_followed_beside_networks_beyond_the_limit() -> Result<()> {
    /// As many are taken.
    const MOST: usize = 200_000;
    let etcd = Etcd::start().await?;
    let network = |number: usize| setting(&format!("put_allow/{number:06}"));
    etcd.put_all((0..=MOST).map(|number| (network(number), "192.0.2.9".to_owned()))).await?;
    etcd.put(setting("worker_processes"), "2").await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    assert!(has(&router.configuration()?, "worker_processes 2;"));
    let line = router.program.wait_for_log(&format!("{MOST}: ")).await?;
    assert!(line.contains("put_allow"), "{line}");
    etcd.put(setting("keepalive_timeout"), "9s").await?;
    router.wait_for_line("keepalive_timeout 9s;").await?;
    etcd.delete(&setting("worker_processes")).await?;
    router.wait_for_line("worker_processes 4;").await?;
    // The watch brings more of them.
    etcd.put_all((0..1_000).map(|number| (network(MOST + 1 + number), String::new()))).await?;
    etcd.put(setting("keepalive_timeout"), "8s").await?;
    router.wait_for_line("keepalive_timeout 8s;").await
}
