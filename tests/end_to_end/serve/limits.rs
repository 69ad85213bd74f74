//! Settings that need more memory or files than the machine has, or than others leave.

use harness::*;
use nix::unistd::geteuid;

use super::setting;
use super::settings::{has, reloaded};

/// What a worker takes for a million connections is more than a process may have here: each would
/// end as it begins.
#[tokio::test]
async fn connections_beyond_the_memory_are_refused_and_end_no_worker() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let limited = ["prlimit", "--as=600000000"];
    let router = Served::start_by(&limited, Folder::new("serve")?, &etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    let workers = eventually(SOON, "four workers", async || {
        let workers = router.workers()?;
        ensure!(workers.len() == 4, "{workers:?}");
        Ok(workers)
    })
    .await?;
    etcd.put(setting("worker_connections"), "1000000").await?;
    let line = router
        .program
        .wait_for_log(&format!("{}\" rejected", setting("worker_connections")))
        .await?;
    assert!(line.contains("1000000 connections") && line.contains("RLIMIT_AS"), "{line}");
    assert!(has(&router.configuration()?, "worker_connections 4096;"));
    assert_eq!(router.workers()?, workers);
    assert_eq!(router.get("/").await?.node(), "node");
    // What there is room for is taken, once it has been tried.
    etcd.put(setting("worker_connections"), "8192").await?;
    router.wait_for_line("worker_connections 8192;").await?;
    router.program.wait_for_log("nginx has reloaded: worker_connections 8192").await?;
    assert_eq!(router.get("/").await?.node(), "node");
    // The product counts: as many as no machine has room for.
    etcd.put_all([
        (setting("worker_processes"), "256".to_owned()),
        (setting("worker_connections"), "1000000".to_owned()),
        (setting("keepalive_timeout"), "30s".to_owned()),
    ])
    .await?;
    router.wait_for_line("keepalive_timeout 30s;").await?;
    assert!(!has(&router.configuration()?, "worker_connections 1000000;"));
    eventually(SOON, "the router answers", async || {
        ensure!(router.get("/").await?.node() == "node", "another");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn start_with_connections_beyond_the_memory_has_the_default() -> Result<()> {
    let etcd = Etcd::start().await?;
    etcd.put(setting("worker_connections"), "1000000").await?;
    etcd.put(setting("keepalive_timeout"), "30s").await?;
    let limited = ["prlimit", "--as=600000000"];
    let router = Served::start_by(&limited, Folder::new("serve")?, &etcd.url(), &[]).await?;
    let configuration = router.configuration()?;
    assert!(
        has(&configuration, "worker_connections 4096;")
            && has(&configuration, "keepalive_timeout 30s;"),
        "{configuration}"
    );
    let lines = router.program.log_lines(&format!("{}\" rejected", setting("worker_connections")));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(router.get("/nginx-healthcheck").await?.status, 200);
    Ok(())
}

/// Puts a setting, and gives the line in which it is refused.
async fn refused(etcd: &Etcd, router: &Served, name: &str, value: &str) -> Result<String> {
    let words = format!("{}\" rejected: with {value},", setting(name));
    etcd.put(setting(name), value).await?;
    router.program.wait_for_log(&words).await
}

/// A worker without files answers 500.
#[tokio::test]
async fn too_few_files_for_the_workers_are_refused_whichever_setting_changes() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    let line = refused(&etcd, &router, "worker_rlimit_nofile", "32").await?;
    for word in [
        "worker_connections 4096",
        "worker_processes 4",
        "worker_rlimit_nofile must be at least 4432",
    ] {
        assert!(line.contains(word), "{word} in {line}");
    }
    assert_eq!(router.reloads(), 0);
    etcd.put(setting("worker_rlimit_nofile"), "4432").await?;
    router.wait_for_line("worker_rlimit_nofile 4432;").await?;
    let line = refused(&etcd, &router, "worker_connections", "4097").await?;
    assert!(line.contains("worker_rlimit_nofile must be at least 4433"), "{line}");
    etcd.delete(&setting("worker_connections")).await?;
    let line = refused(&etcd, &router, "worker_processes", "5").await?;
    assert!(line.contains("worker_rlimit_nofile must be at least 4436"), "{line}");
    // What it needs is taken with it, in one reload, and in whichever order where another one is
    // bad.
    etcd.put_all([
        (setting("worker_rlimit_nofile"), "400".to_owned()),
        (setting("worker_connections"), "64".to_owned()),
        (setting("worker_processes"), "2".to_owned()),
        (setting("balance"), "hash $no_such_variable".to_owned()),
    ])
    .await?;
    reloaded(&router, 2).await?;
    let configuration = router.configuration()?;
    for line in ["worker_rlimit_nofile 400;", "worker_connections 64;", "worker_processes 2;"] {
        assert!(has(&configuration, line), "{configuration}");
    }
    etcd.delete(&setting("worker_connections")).await?;
    let words = format!("{}\" rejected: with its default,", setting("worker_connections"));
    let line = router.program.wait_for_log(&words).await?;
    assert!(line.contains("400 (worker_rlimit_nofile)"), "{line}");
    assert!(has(&router.configuration()?, "worker_connections 64;"));
    assert_eq!(router.get("/").await?.node(), "node");
    Ok(())
}

#[tokio::test]
async fn too_few_files_of_the_machine_are_logged_with_what_is_possible() -> Result<()> {
    let etcd = Etcd::start().await?;
    // Without the right to more (capabilities(7)), as in a container.
    let mut limited = vec!["prlimit", "--nofile=1000:1000"];
    if geteuid().is_root() {
        limited.extend(["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]);
    }
    let router = Served::start_by(&limited, Folder::new("serve")?, &etcd.url(), &[]).await?;
    let line = router.program.wait_for_log("a worker may need 4432 files").await?;
    assert!(
        line.contains("may have 1000 (RLIMIT_NOFILE)") && line.contains("at most 664"),
        "{line}"
    );
    let line = refused(&etcd, &router, "worker_rlimit_nofile", "20000").await?;
    assert!(line.contains("worker_rlimit_nofile may be at most 1000"), "{line}");
    // With the defaults it is as good as it can be, and so is each change that makes it no worse.
    for (name, value) in
        [("keepalive_timeout", "30s"), ("worker_connections", "512"), ("worker_processes", "8")]
    {
        etcd.put(setting(name), value).await?;
        router.wait_for_line(&format!("{name} {value};")).await?;
    }
    Ok(())
}
