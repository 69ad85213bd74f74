//! When the file is written, when it is not, and what a kill leaves of it.

use std::fs::rename;
use std::time::{Duration, Instant};

use super::*;
use tokio_util::sync::CancellationToken;

/// How often the watcher's worker is killed.
const KILLS: usize = 50;
/// Peers of the list that is written meanwhile: so many that a write takes some milliseconds.
const PEERS: usize = 1_000;
/// Changes in a burst.
const CHANGES: usize = 300;

#[tokio::test]
async fn file_is_not_written_while_etcd_is_away() -> Result<()> {
    let folder = StateFolder::new()?;
    let mut router = Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    router.etcd.stop().await?;
    let before = folder.identity()?;
    router.nginx.reload().await?;
    let watcher = router.nginx.watcher().await?;
    signal(watcher, Signal::SIGKILL)?;
    eventually(SOON, "another one watches", async || {
        let now = router.nginx.watcher().await?;
        ensure!(now != watcher, "the killed one");
        Ok(())
    })
    .await?;
    // Another `server` line is a change of the table, but none of etcd's list.
    let with_server =
        folder.with(&router.etcd, "", &format!("server {};", router.nodes[0].address()));
    router.nginx.configure(with_server)?;
    router.nginx.reload().await?;
    eventually(SOON, "the line is in the table", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(upstream.peers.len() == 3, "{upstream:?}");
        Ok(())
    })
    .await?;
    router.nginx.end(Signal::SIGQUIT).await?;
    assert_eq!(folder.identity()?, before);
    assert_eq!(folder.keys()?, ["n0", "n1"]);
    Ok(())
}

#[tokio::test]
async fn burst_of_changes_is_written_together() -> Result<()> {
    let folder = StateFolder::new()?;
    let router = Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    let began = Instant::now();
    let mut files = vec![folder.identity()?];
    for change in 0..CHANGES {
        router.etcd.put(key("n2"), format!("127.0.0.1:{} down", 1 + change)).await?;
        let now = folder.identity()?;
        if files.last() != Some(&now) {
            files.push(now);
        }
    }
    let seconds = began.elapsed().as_secs() as usize;
    assert!(files.len() <= seconds + 3, "{} writes in {seconds} s", files.len());
    let last = format!("127.0.0.1:{CHANGES}");
    eventually(SOON, "the last change is in the file", async || {
        let state = folder.state()?.ok_or("no file")?;
        let address = state.peers.last().map(|peer| peer.address.to_string());
        ensure!(address.as_ref() == Some(&last), "{address:?}");
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn last_change_is_written_at_the_end() -> Result<()> {
    let folder = StateFolder::new()?;
    let mut router = Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    for change in 0..3 {
        // The second one of each round comes within a second of the first one's write.
        let revision =
            router.etcd.put(key("n2"), format!("127.0.0.1:{} down", 10 + change)).await?;
        router.nginx.applied(revision).await?;
        let revision =
            router.etcd.put(key("n2"), format!("127.0.0.1:{} down", 20 + change)).await?;
        router.nginx.applied(revision).await?;
    }
    router.nginx.end(Signal::SIGQUIT).await?;
    // Where the disk is slow, the write that is under way goes on for longer than the worker.
    eventually(SOON, "the last change is in the file, and nothing beside it", async || {
        let state = folder.state()?.ok_or("no file")?;
        let last = state.peers.last().map(|peer| peer.address.to_string());
        ensure!(last.as_deref() == Some("127.0.0.1:22"), "{last:?}");
        ensure!(folder.names()?.len() == 1, "{:?}", folder.names());
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn file_that_cannot_be_written_is_logged_once() -> Result<()> {
    let folder = StateFolder::new()?;
    let router = Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    let away = folder.0.path().with_extension("away");
    rename(folder.0.path(), &away)?;
    router.nginx.applied(router.etcd.put(key("n2"), "127.0.0.1:1 down").await?).await?;
    let line = router.nginx.wait_for_log("could not write state file ").await?;
    assert!(line.contains(&folder.file().display().to_string()), "{line}");
    assert!(
        line.contains("No such file") && line.contains("its directory does not exist"),
        "{line}"
    );
    let trouble = eventually(SOON, "the status has it", async || {
        let state = router.nginx.upstream().await?.state.ok_or("no state in the status")?;
        Ok(state.trouble.ok_or("no trouble")?)
    })
    .await?;
    assert!(trouble.contains("its directory does not exist"), "{trouble}");
    router.nginx.applied(router.etcd.delete(&key("n1")).await?).await?;

    rename(&away, folder.0.path())?;
    folder.wait_for_keys(&["n0", "n2"]).await?;
    router.nginx.wait_for_log(" written again at revision ").await?;
    eventually(SOON, "the status has nothing to complain of", async || {
        let state = router.nginx.upstream().await?.state.ok_or("no state in the status")?;
        ensure!(state.trouble.is_none() && state.revision.is_some(), "{state:?}");
        Ok(())
    })
    .await?;
    router.nginx.wait_for_log_lines("could not write state file", 1).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn hanging_disk_delays_nothing() -> Result<()> {
    let folder = StateFolder::new()?;
    let mut router = Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    // Who writes is stopped, which is as near as a test comes to it; where the worker writes itself
    // there is nobody to stop.
    for writer in router.nginx.file_processes()? {
        signal(writer, Signal::SIGSTOP)?;
    }
    for change in 0..20 {
        let revision = router.etcd.put(key("n2"), format!("127.0.0.1:{} down", 1 + change)).await?;
        router.nginx.applied(revision).await?;
    }
    let began = Instant::now();
    router.nginx.reload().await?;
    router.etcd.delete(&key("n2")).await?;
    router.settled().await?;
    // The new cycle has a process of its own for files.
    folder.wait_for_keys(&["n0", "n1"]).await?;
    for writer in router.nginx.file_processes()? {
        signal(writer, Signal::SIGSTOP)?;
    }
    router.etcd.put(key("n3"), "127.0.0.1:1 down").await?;
    router.nginx.end(Signal::SIGQUIT).await?;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    router.nginx.check_log()
}

/// Changes one peer without pause.
async fn change(etcd: Etcd, stop: CancellationToken) -> Result<Etcd> {
    let mut number = 0;
    while !stop.is_cancelled() {
        number += 1;
        etcd.put(key("changing"), format!("127.0.0.1:{} down", 1 + number % 60_000)).await?;
    }
    Ok(etcd)
}

/// The list is one that etcd had: all the peers that never change, and one or none that does.
fn check_is_one_of_etcds(state: &SavedState) -> Result<()> {
    let others = state.peers.iter().filter(|peer| &*peer.key != "changing").count();
    ensure!(others == PEERS && state.peers.len() <= PEERS + 1, "{} peers", state.peers.len());
    Ok(())
}

/// How long nobody may write: nine times as long as the last write took, which on a busy disk are
/// seconds.
const PAUSES: Duration = Duration::from_secs(120);

/// The process that is writing now, by the name of its temporary file.
async fn writer(folder: &StateFolder) -> Result<i32> {
    let deadline = Instant::now() + PAUSES;
    while Instant::now() < deadline {
        let writer = folder.names()?.into_iter().find_map(|name| {
            let (writer, _) = name.strip_prefix("firehose.peers.new-")?.split_once('-')?;
            writer.parse().ok()
        });
        if let Some(writer) = writer.filter(|writer| running(*writer)) {
            return Ok(writer);
        }
        tokio::task::yield_now().await;
    }
    Err("nobody writes".into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_during_a_write_leaves_a_whole_list() -> Result<()> {
    let folder = StateFolder::new()?;
    let etcd = Etcd::start().await?;
    let node = Node::start("n0").await?;
    etcd.put_all((0..PEERS).map(|number| (key(&format!("n{number}")), node.address().to_string())))
        .await?;
    let configuration = folder.with(&etcd, "hold=0", "");
    let mut nginx = Nginx::start(configuration.clone()).await?;
    nginx.applied(etcd.revision().await?).await?;
    let stop = CancellationToken::new();
    let changing = tokio::spawn(change(etcd, stop.clone()));
    let mut mid_write = 0;
    for kill in 0..KILLS {
        // Where nginx's master has a process for files that is the first one; from then on the
        // worker writes that watches.
        let victim = writer(&folder).await.map_err(|error| format!("kill {kill}: {error}"))?;
        let moment = Instant::now() + Duration::from_micros((kill * 97 % 50 * 40) as u64);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        signal(victim, Signal::SIGKILL)?;
        eventually(SOON, "it is dead", async || {
            ensure!(!running(victim), "it runs");
            Ok(())
        })
        .await?;
        let left = format!(".new-{victim}-");
        mid_write += usize::from(folder.names()?.iter().any(|name| name.contains(&left)));
        if let Some(state) = folder.state()? {
            check_is_one_of_etcds(&state).map_err(|error| format!("kill {kill}: {error}"))?;
        }
    }
    println!("{mid_write} of {KILLS} were killed in the middle of a write");
    assert!(mid_write > 0);
    stop.cancel();
    let mut etcd = changing.await??;
    nginx.applied(etcd.revision().await?).await?;
    // Who writes next takes away what the killed have left.
    etcd.delete(&key("changing")).await?;
    eventually(PAUSES, "the last list is in the file, and nothing beside it", async || {
        let state = folder.state()?.ok_or("no file")?;
        ensure!(folder.names()?.len() == 1, "{:?}", folder.names()?);
        ensure!(state.peers.len() == PEERS, "{} peers", state.peers.len());
        check_is_one_of_etcds(&state)
    })
    .await?;
    etcd.stop().await?;
    for worker in nginx.workers()? {
        signal(worker, Signal::SIGKILL)?;
    }
    nginx.end(Signal::SIGTERM).await?;
    let nginx = Nginx::start(configuration).await?;
    assert_eq!(nginx.upstream().await?.keys().len(), PEERS);
    assert_eq!(nginx.get("/").await?.node(), "n0");
    Ok(())
}
