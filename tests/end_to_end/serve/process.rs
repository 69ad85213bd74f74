//! The program as a process: signals, ends, and the next one.

use std::time::{Duration, Instant};

use harness::*;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use tokio::net::TcpListener;

#[tokio::test]
async fn sigterm_waits_for_connections_and_cuts_them_after_stop_timeout() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    let mut router = Served::start(&etcd.url(), &["--stop-timeout", "3"]).await?;
    router.wait_for_keys(&["node"]).await?;
    let mut session = router.websocket("/ws").await?;
    session.echo("open").await?;
    let address = router.address();
    node.set_delay(Duration::from_millis(1500));
    let request = tokio::spawn(async move { get(&address, "/").await });
    eventually(SOON, "the request is with the node", async || {
        let peers = &router.status()?.upstreams["firehose"].peers;
        ensure!(peers[0].connections == 2, "{peers:?}");
        Ok(())
    })
    .await?;
    let began = Instant::now();
    assert_eq!(router.end(Signal::SIGTERM).await?, 0, "{}", router.program.log());
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(3), "the session was cut after {took:?}");
    // What could end has ended well.
    assert_eq!(request.await??.status, 200);
    assert!(session.echo("closed").await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_second_sigterm_ends_at_once_and_sigquit_waits() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    for (first, second) in [
        (Signal::SIGTERM, Signal::SIGTERM),
        (Signal::SIGINT, Signal::SIGINT),
        (Signal::SIGQUIT, Signal::SIGTERM),
    ] {
        let mut router = Served::start(&etcd.url(), &["--stop-timeout", "3600"]).await?;
        router.wait_for_keys(&["node"]).await?;
        let mut session = router.websocket("/ws").await?;
        session.echo("open").await?;
        router.program.signal(first)?;
        router.program.wait_for_log("nginx exits when its connections are closed").await?;
        session.echo("still").await?;
        assert_eq!(router.end(second).await?, 0);
    }
    Ok(())
}

/// A router whose etcd takes connections and says nothing, and so waits for it before nginx starts.
async fn starting(folder: &Folder, silent: &TcpListener, port: u16) -> Result<Program> {
    starting_by(&[], folder, silent, port).await
}

/// The same, started by another program: see [`Program::start_by`].
async fn starting_by(
    by: &[&str],
    folder: &Folder,
    silent: &TcpListener,
    port: u16,
) -> Result<Program> {
    let in_folder = |name: &str| folder.path().join(name).display().to_string();
    let (run, state, module) = (in_folder("run"), in_folder("state"), etcd_module()?);
    let (listen, url) = (format!("127.0.0.1:{port}"), format!("http://{}", silent.local_addr()?));
    let arguments = [
        "serve",
        "--listen",
        &listen,
        "--run-dir",
        &run,
        "--state-dir",
        &state,
        "--module",
        &module,
    ];
    let mut program = Program::start_by(by, &arguments, &[("ETCD_ENDPOINTS", &url)])?;
    eventually(SOON, "it has begun", async || {
        ensure!(program.runs()?, "it has ended: {}", program.log());
        ensure!(folder.path().join("run/lock").exists(), "it has not taken its folder");
        Ok(())
    })
    .await?;
    Ok(program)
}

#[tokio::test]
async fn signals_before_nginx_runs_do_no_harm() -> Result<()> {
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let folder = Folder::new("starting")?;
    let mut program = starting(&folder, &silent, free_port()?).await?;
    for early in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH] {
        program.signal(early)?;
    }
    program.wait_for_log("nginx is running").await?;
    program.signal(Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 0, "{}", program.log());
    Ok(())
}

#[tokio::test]
async fn sigterm_before_nginx_runs_ends_serve_with_0() -> Result<()> {
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let folder = Folder::new("starting")?;
    for early in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut program = starting(&folder, &silent, free_port()?).await?;
        program.signal(early)?;
        assert_eq!(program.ended(SOON).await?, 0, "{}", program.log());
        assert!(program.log().contains("nginx is not started"), "{}", program.log());
        std::fs::remove_file(folder.path().join("run/lock"))?;
    }
    Ok(())
}

/// The kernel gives process 1 no signal that it has no handler for.
#[tokio::test]
async fn sigterm_before_nginx_runs_ends_process_1() -> Result<()> {
    if !geteuid().is_root() {
        println!("skipped: this needs root");
        return Ok(());
    }
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let folder = Folder::new("process-1")?;
    for early in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let by = ["unshare", "--pid", "--fork", "--kill-child"];
        let mut program = starting_by(&by, &folder, &silent, free_port()?).await?;
        let first = eventually(SOON, "process 1 runs", async || {
            Ok(program.children()?.first().copied().ok_or("there is none yet")?)
        })
        .await?;
        signal(first, early)?;
        assert_eq!(program.ended(SOON).await?, 0, "{}", program.log());
        assert!(program.log().contains("nginx is not started"), "{}", program.log());
        std::fs::remove_file(folder.path().join("run/lock"))?;
    }
    Ok(())
}

#[tokio::test]
async fn signals_are_handed_on_to_nginx() -> Result<()> {
    let etcd = Etcd::start().await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.program.signal(Signal::SIGUSR1)?;
    router.program.wait_for_log("reopening logs").await?;
    router.program.signal(Signal::SIGHUP)?;
    router.program.wait_for_log("nginx has reloaded: the same settings").await?;
    assert_eq!(router.reloads(), 1);
    Ok(())
}

#[tokio::test]
async fn killed_nginx_ends_serve_and_leaves_no_worker() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut router = Served::start(&etcd.url(), &[]).await?;
    let workers = router.workers()?;
    signal(router.master()?, Signal::SIGKILL)?;
    assert_eq!(router.program.ended(SOON).await?, 137);
    eventually(SOON, "its workers are gone", async || {
        ensure!(workers.iter().all(|worker| !running(*worker)), "{workers:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn killed_serve_lets_nginx_end_with_its_connections() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    let mut router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    let mut session = router.websocket("/ws").await?;
    session.echo("open").await?;
    let (master, workers) = (router.master()?, router.workers()?);
    router.program.kill().await?;
    eventually(SOON, "the port is free", async || {
        let answer = router.get("/").await;
        ensure!(answer.is_err(), "{answer:?}");
        Ok(())
    })
    .await?;
    session.echo("still").await?;
    session.close().await?;
    eventually(SOON, "nobody is left", async || {
        let left: Vec<_> =
            [master].iter().chain(&workers).copied().filter(|&pid| running(pid)).collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn next_serve_replaces_an_nginx_left_with_sessions() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    let mut router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    let mut session = router.websocket("/ws").await?;
    session.echo("open").await?;
    let left = router.master()?;
    router.program.kill().await?;
    let next = router.successor(&etcd.url(), &["--stop-timeout", "3"]).await?;
    next.wait_for_keys(&["node"]).await?;
    assert_eq!(next.get("/").await?.node(), "node");
    // The session has its time, and no more.
    eventually(SOON, "the old nginx has ended", async || {
        ensure!(!running(left), "{left} runs");
        Ok(())
    })
    .await?;
    assert!(session.echo("closed").await.is_err());
    next.program.wait_for_log("the nginx of the earlier router has exited").await?;
    // What the old one removes at its end is there all the same.
    eventually(SOON, "the file with the process id", async || {
        let pid = next.master()?;
        ensure!(pid != left && running(pid), "{pid}");
        Ok(())
    })
    .await?;
    assert_eq!(next.get("/").await?.node(), "node");
    assert_eq!(next.locally("/nginx-healthcheck")?, "ok\n");
    Ok(())
}

#[tokio::test]
async fn next_serve_replaces_workers_without_a_master() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    let mut router = Served::start(&etcd.url(), &[]).await?;
    let (master, workers) = (router.master()?, router.workers()?);
    // Neither has the time to say a word to anybody.
    router.program.signal(Signal::SIGSTOP)?;
    signal(master, Signal::SIGKILL)?;
    router.program.kill().await?;
    assert!(workers.iter().all(|&worker| running(worker)), "{workers:?}");
    let next = router.successor(&etcd.url(), &["--stop-timeout", "1"]).await?;
    next.wait_for_keys(&["node"]).await?;
    eventually(SOON, "the old workers have gone", async || {
        ensure!(workers.iter().all(|&worker| !running(worker)), "{workers:?}");
        Ok(())
    })
    .await?;
    assert_eq!(next.get("/").await?.node(), "node");
    Ok(())
}

#[tokio::test]
async fn killed_workers_are_replaced() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    for worker in router.workers()? {
        signal(worker, Signal::SIGKILL)?;
    }
    eventually(SOON, "four workers answer", async || {
        ensure!(router.workers()?.len() == 4, "{:?}", router.workers()?);
        ensure!(router.get("/").await?.node() == "node", "another");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn healthcheck_says_whether_nginx_answers() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut router = Served::start(&etcd.url(), &[]).await?;
    let run = router.folder().join("run").display().to_string();
    let check = async || -> Result<(i32, String)> {
        let mut program = Program::start(&["healthcheck", "--run-dir", &run], &[])?;
        Ok((program.ended(SOON).await?, program.log()))
    };
    assert_eq!(check().await?, (0, "ok\n".to_owned()));
    router.end(Signal::SIGTERM).await?;
    let (code, said) = check().await?;
    assert!(code == 1 && said.contains("no router is running here"), "{code} {said}");
    Ok(())
}
