//! The program as a process: signals, ends, and mistakes on its command line.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use harness::*;
use nix::sys::signal::Signal;
use nix::unistd::{Uid, chown, geteuid};
use tokio::net::TcpListener;

#[tokio::test]
async fn sigterm_lets_connections_end_and_cuts_those_that_do_not() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    let mut router = Served::start(&etcd.url(), &["--stop-timeout", "2"]).await?;
    router.wait_for_keys(&["node"]).await?;
    let mut session = router.websocket("/ws").await?;
    session.echo("open").await?;
    let address = router.address();
    node.set_delay(Duration::from_millis(700));
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
    assert!(took >= Duration::from_secs(2), "the session was cut after {took:?}");
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
async fn signals_that_come_before_nginx_runs_do_no_harm() -> Result<()> {
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
async fn it_ends_well_when_told_to_before_nginx_runs() -> Result<()> {
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
async fn as_process_1_it_ends_when_told_to_before_nginx_runs() -> Result<()> {
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
async fn signals_are_handed_on() -> Result<()> {
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
async fn an_nginx_that_is_killed_ends_it_and_leaves_nobody() -> Result<()> {
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
async fn nginx_ends_as_its_connections_do_when_the_program_is_killed() -> Result<()> {
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
async fn the_next_one_takes_the_place_of_what_was_left_with_sessions() -> Result<()> {
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
async fn the_next_one_takes_the_place_of_workers_without_a_master() -> Result<()> {
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
async fn workers_that_are_killed_are_replaced_and_waited_for() -> Result<()> {
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
async fn the_healthcheck_says_whether_it_answers() -> Result<()> {
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
    assert!(code == 1 && said.contains("does not answer"), "{code} {said}");
    Ok(())
}

/// Who has a folder can replace nginx's configuration in it.
#[tokio::test]
async fn a_run_folder_that_another_user_has_made_is_not_used() -> Result<()> {
    if !geteuid().is_root() {
        println!("skipped: only root can have other files in the place of /tmp and /run");
        return Ok(());
    }
    let (etcd, folder) = (Etcd::start().await?, Folder::new("run-folders")?);
    let tmp = folder.path().join("tmp");
    let planted = tmp.join("firehose-router");
    std::fs::create_dir_all(&planted)?;
    std::fs::set_permissions(&tmp, Permissions::from_mode(0o1777))?;
    std::fs::set_permissions(&planted, Permissions::from_mode(0o777))?;
    chown(&planted, Some(Uid::from_raw(65_534)), None)?;
    let script = "mount --bind /run /run && mount -o remount,ro,bind /run && mount -t tmpfs none \
                  /dev/shm && mount --bind \"$1\" /tmp && shift && exec \"$@\"";
    let shown = tmp.display().to_string();
    let (module, listen) = (etcd_module()?, format!("127.0.0.1:{}", free_port()?));
    // The name of the next folder is known, too: another user may have made that one as well.
    let name = tmp.join("firehose-router-0");
    for is_next_planted in [false, true] {
        if is_next_planted {
            std::fs::remove_dir_all(&name)?;
            std::os::unix::fs::symlink(&planted, &name)?;
        }
        let mut program = Program::start_by(
            &["unshare", "--mount", "sh", "-c", script, "sh", &shown],
            &["serve", "--listen", &listen, "--state-dir", "/tmp/state", "--module", &module],
            &[("ETCD_ENDPOINTS", &etcd.url())],
        )?;
        program.wait_for_log("nginx is running").await?;
        assert!(std::fs::read_dir(&planted)?.next().is_none(), "{}", program.log());
        assert_eq!(name.join("nginx.conf").exists(), !is_next_planted, "{}", program.log());
        program.signal(Signal::SIGTERM)?;
        assert_eq!(program.ended(SOON).await?, 0, "{}", program.log());
    }
    Ok(())
}

#[tokio::test]
async fn mistakes_are_told_by_their_names() -> Result<()> {
    let etcd = Etcd::start().await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    let taken = router.folder().join("run").display().to_string();
    let folder = Folder::new("mistakes")?;
    let file = folder.write("file", "x")?.display().to_string();
    let template = folder.write("template", "{{ no_such_thing }}")?.display().to_string();
    let run = folder.path().join("run").display().to_string();
    let module = etcd_module()?;
    for (arguments, words) in [
        (&["--listen", "http"][..], &["--listen", "65535"][..]),
        (&["--listen", "1.2.3:80"], &["--listen", "10.0.0.1"]),
        (&["--zone-size", "much"], &["--zone-size", "4m"]),
        (&["--stop-timeout", "soon"], &["--stop-timeout"]),
        (&["--nginx", "/no/such/nginx"], &["/no/such/nginx"]),
        (&["--module", "/no/such/module.so"], &["/no/such/module.so", "--module"]),
        (&["--module", &module, "--run-dir", &taken], &["--run-dir", &taken]),
        (&["--module", &module, "--run-dir", &file], &["--run-dir", &file]),
        (&["--module", &module, "--run-dir", "/tmp/a;b"], &["/tmp/a;b"]),
        (
            &["--module", &module, "--run-dir", &run, "--template", &template],
            &["template", "undefined"],
        ),
        (
            &["--module", &module, "--run-dir", &run, "--template", "/no/such/template"],
            &["--template", "/no/such/template"],
        ),
        (&["--module", &module, "--run-dir", &run, "--etcd-endpoints", "ftp://x"], &["ftp://x"]),
    ] {
        let arguments = [&["serve", "--listen", "127.0.0.1:1"], arguments].concat();
        // Of a flag that is given twice clap wants only one.
        let arguments: Vec<&str> = if arguments[3..].contains(&"--listen") {
            [&["serve"], &arguments[3..]].concat()
        } else {
            arguments
        };
        let state = folder.path().join("state").display().to_string();
        let url = etcd.url();
        let mut variables = vec![("FIREHOSE_STATE_DIR", state.as_str())];
        if !arguments.contains(&"--etcd-endpoints") {
            variables.push(("ETCD_ENDPOINTS", &url));
        }
        let mut program = Program::start(&arguments, &variables)?;
        let code = program.ended(SOON).await?;
        let said = program.log();
        assert!(code == 1 || code == 2, "{arguments:?}: {code} {said}");
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_as_nginx_ends() -> Result<()> {
    let etcd = Etcd::start().await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    let folder = Folder::new("second")?;
    let (run, state) = (
        folder.path().join("run").display().to_string(),
        folder.path().join("state").display().to_string(),
    );
    let module = etcd_module()?;
    let address = router.address();
    let arguments = [
        "serve",
        "--listen",
        &address,
        "--run-dir",
        &run,
        "--state-dir",
        &state,
        "--module",
        &module,
    ];
    let mut program = Program::start(&arguments, &[("ETCD_ENDPOINTS", &etcd.url())])?;
    assert_eq!(program.ended(SOON).await?, 1);
    assert!(program.log().contains("Address already in use"), "{}", program.log());
    assert!(!program.log().contains("nginx is running"), "{}", program.log());
    Ok(())
}
