//! The process that touches files for workers who may not.

use std::fs::{read_dir, read_link, set_permissions};
use std::os::unix::fs::PermissionsExt;

use harness::*;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

/// A configuration with a password that only its owner may read, in a folder that only its owner
/// may enter; and with a cache, for which nginx has further processes, which have all of the
/// master's descriptors as well.
fn with_password(folder: &Folder, url: &str) -> Result<Configuration> {
    let file = folder.write("secrets/password", "s3cret\n")?;
    set_permissions(&file, PermissionsExt::from_mode(0o600))?;
    set_permissions(folder.path().join("secrets"), PermissionsExt::from_mode(0o700))?;
    let cluster = format!(
        "etcd_cluster main {{ endpoint {url}; user router; password_file {}; }}",
        file.display()
    );
    let cache = "proxy_cache_path temp/cache keys_zone=cache:1m;";
    Ok(Configuration::new().workers(2).http(&cluster).http(cache).http(&upstream("", "")))
}

/// Waits until there are so many; as an ordinary user nginx needs none, and has none.
async fn there_are(nginx: &Nginx, count: usize) -> Result<Vec<i32>> {
    let expected = if geteuid().is_root() { count } else { 0 };
    eventually(SOON, &format!("{expected} processes for files"), async || {
        let found = nginx.file_processes()?;
        ensure!(found.len() == expected, "{found:?}");
        Ok(found)
    })
    .await
}

#[tokio::test]
async fn no_file_process_without_files() -> Result<()> {
    let router = Router::start(2, 1).await?;
    assert!(router.nginx.file_processes()?.is_empty());
    Ok(())
}

#[tokio::test]
async fn file_process_has_no_descriptor_of_nginx_and_ends_with_it() -> Result<()> {
    for (mode, signal) in [
        (Mode::Foreground, Signal::SIGQUIT),
        (Mode::Foreground, Signal::SIGTERM),
        (Mode::Daemon, Signal::SIGQUIT),
        (Mode::Daemon, Signal::SIGINT),
    ] {
        let (etcd, folder) = (Etcd::start().await?, Folder::new("secrets")?);
        let mut nginx = Nginx::start(with_password(&folder, &etcd.url())?.mode(mode)).await?;
        let processes = there_are(&nginx, 1).await?;
        for pid in &processes {
            // While a worker is answered there is the way to it, too.
            eventually(SOON, "it has nothing of nginx's open", async || {
                let open: Vec<_> = read_dir(format!("/proc/{pid}/fd"))?
                    .map(|entry| Ok(read_link(entry?.path())?.display().to_string()))
                    .collect::<Result<_>>()?;
                let sockets = open.iter().filter(|what| what.starts_with("socket:")).count();
                let others =
                    open.iter().filter(|what| !what.starts_with("socket:") && *what != "/dev/null");
                ensure!((sockets, others.count()) == (1, 0), "{open:?}");
                Ok(())
            })
            .await?;
            // What ends or reloads nginx does nothing to it.
            for signal in
                [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1]
            {
                harness::signal(*pid, signal)?;
            }
        }
        assert_eq!(there_are(&nginx, 1).await?, processes);
        nginx.end(signal).await?;
        there_are(&nginx, 0).await?;
        nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn file_process_ends_when_all_of_nginx_is_killed() -> Result<()> {
    let (etcd, folder) = (Etcd::start().await?, Folder::new("secrets")?);
    let mut nginx = Nginx::start(with_password(&folder, &etcd.url())?).await?;
    there_are(&nginx, 1).await?;
    let workers = nginx.workers()?;
    nginx.end(Signal::SIGKILL).await?;
    // The workers of a dead master live on, and are served.
    there_are(&nginx, 1).await?;
    for worker in workers {
        signal(worker, Signal::SIGKILL)?;
    }
    there_are(&nginx, 0).await?;
    Ok(())
}

#[tokio::test]
async fn file_process_for_each_cycle_with_workers() -> Result<()> {
    let (etcd, folder) = (Etcd::start().await?, Folder::new("secrets")?);
    let mut nginx = Nginx::start(with_password(&folder, &etcd.url())?).await?;
    let mut before = there_are(&nginx, 1).await?;
    for _ in 0..5 {
        nginx.reload().await?;
        let now = there_are(&nginx, 1).await?;
        assert!(now.is_empty() || now != before, "{before:?} {now:?}");
        before = now;
    }
    // A refused configuration starts none.
    nginx.configure(with_password(&folder, &etcd.url())?.http("etcd_status now;"))?;
    signal(nginx.master(), Signal::SIGHUP)?;
    nginx.wait_for_log("etcd_status").await?;
    assert_eq!(nginx.file_processes()?, before);

    // A session keeps an old worker, and that worker its process.
    let node = Node::start("n0").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    nginx.configure(with_password(&folder, &etcd.url())?)?;
    nginx.applied(etcd.revision().await?).await?;
    let session = nginx.websocket("/ws").await?;
    nginx.reload().await?;
    there_are(&nginx, 2).await?;
    session.close().await?;
    there_are(&nginx, 1).await?;
    Ok(())
}

#[tokio::test]
async fn killed_file_process_is_back_after_a_reload() -> Result<()> {
    let (etcd, folder) = (Etcd::start().await?, Folder::new("secrets")?);
    let nginx = Nginx::start(with_password(&folder, &etcd.url())?).await?;
    for pid in there_are(&nginx, 1).await? {
        signal(pid, Signal::SIGKILL)?;
    }
    there_are(&nginx, 0).await?;
    nginx.reload().await?;
    there_are(&nginx, 1).await?;
    Ok(())
}

#[tokio::test]
async fn no_file_process_in_nginx_t_nor_in_a_single_process() -> Result<()> {
    let (etcd, folder) = (Etcd::start().await?, Folder::new("secrets")?);
    let output = Nginx::test(&with_password(&folder, &etcd.url())?)?;
    assert!(output.status.success(), "{output:?}");
    let nginx = Nginx::start(with_password(&folder, &etcd.url())?.mode(Mode::Single)).await?;
    assert!(nginx.file_processes()?.is_empty());
    Ok(())
}
