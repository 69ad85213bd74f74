//! `state=`: the last good list is in a file, and nginx starts with it where there is no etcd.

mod files;
mod roots;
mod writes;

use std::collections::BTreeSet;
use std::fs::{Metadata, Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use harness::*;
use nix::sys::signal::Signal;
use saved_state::SavedState;

/// A folder that nginx's workers may write to, for one state file.
struct StateFolder(Folder);

impl StateFolder {
    fn new() -> Result<Self> {
        let folder = Folder::new("state")?;
        set_permissions(folder.path(), Permissions::from_mode(0o777))?;
        Ok(Self(folder))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("firehose.peers")
    }

    /// What the file holds; it is a whole one if it is there.
    fn state(&self) -> Result<Option<SavedState>> {
        Ok(saved_state::load(&self.file())?)
    }

    /// The keys in the file.
    fn keys(&self) -> Result<Vec<String>> {
        let state = self.state()?.ok_or("no file")?;
        Ok(state.peers.iter().map(|peer| peer.key.to_string()).collect())
    }

    /// Waits until the file has these keys.
    async fn wait_for_keys(&self, keys: &[&str]) -> Result<()> {
        eventually(SOON, &format!("the file has {keys:?}"), async || {
            let saved = self.keys()?;
            ensure!(saved == keys, "{saved:?}");
            Ok(())
        })
        .await
    }

    /// What shows that the file is the very same one.
    fn identity(&self) -> Result<impl PartialEq + std::fmt::Debug + use<>> {
        let file: Metadata = self.file().metadata()?;
        Ok((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
    }

    /// What lies in the folder.
    fn names(&self) -> Result<BTreeSet<String>> {
        let entries = self.0.path().read_dir()?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// The usual upstream with this file, with further parameters and directives.
    fn with(&self, etcd: &Etcd, parameters: &str, directives: &str) -> Configuration {
        let parameters = format!("zone=1m state={} {parameters}", self.file().display());
        Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&upstream(&parameters, directives))
    }

    fn configuration(&self, etcd: &Etcd) -> Configuration {
        self.with(etcd, "", "")
    }
}

/// Each worker's first request is served, and every node serves.
async fn all_serve(nginx: &Nginx, nodes: &[&str]) -> Result<()> {
    let mut served = BTreeSet::new();
    for mut connection in nginx.connect_to_each().await? {
        for _ in 0..2 * nodes.len() {
            let answer = connection.get("/").await?;
            ensure!(answer.status == 200, "{answer:?}");
            served.insert(answer.node().to_owned());
        }
    }
    ensure!(served.iter().eq(nodes), "{served:?}, not {nodes:?}");
    Ok(())
}

/// nginx with a list of `n0`, `n1` in its file, and both ended; etcd's changes from then on are
/// news to the next nginx.
async fn saved(folder: &StateFolder) -> Result<(Etcd, Vec<Node>)> {
    let Router { mut nginx, nodes, etcd } =
        Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    nginx.end(Signal::SIGQUIT).await?;
    nginx.check_log()?;
    assert_eq!(folder.names()?.len(), 1, "{:?}", folder.names());
    Ok((etcd, nodes))
}

#[tokio::test]
async fn start_without_etcd_serves_from_the_file_until_etcd_has_a_list() -> Result<()> {
    let folder = StateFolder::new()?;
    let (mut etcd, nodes) = saved(&folder).await?;
    let revision = folder.state()?.ok_or("no file")?.revision;
    let mode = folder.file().metadata()?.mode();
    assert_eq!(mode & 0o777, 0o600);

    // What etcd says is another list by then: one of the two is gone, and a third one has come.
    etcd.delete(&key("n0")).await?;
    etcd.put(key("n2"), nodes[0].address().to_string()).await?;
    etcd.stop().await?;
    let nginx = Nginx::start(folder.configuration(&etcd)).await?;
    all_serve(&nginx, &["n0", "n1"]).await?;
    let upstream = nginx.upstream().await?;
    assert_eq!((upstream.keys(), upstream.revision), (vec!["n0", "n1"], revision), "{upstream:?}");
    assert!(!upstream.connected && upstream.seconds_since_last_word.is_none(), "{upstream:?}");
    let state = upstream.state.ok_or("no state in the status")?;
    assert_eq!((state.file, state.revision), (folder.file().display().to_string(), Some(revision)));
    assert_eq!(state.trouble, None);
    let line = format!(
        "etcd: upstream \"{UPSTREAM}\": 2 peers of revision {revision} loaded from state file \
         \"{}\"",
        folder.file().display()
    );
    nginx.wait_for_log_lines(&line, 1).await?;

    etcd.restart().await?;
    let upstream = nginx.wait_for_keys(&["n1", "n2"]).await?;
    assert_eq!((upstream.resyncs["start"], upstream.resyncs["takeover"]), (1, 0), "{upstream:?}");
    nginx.wait_for_log("2 peers (+1 -1 ~0)").await?;
    folder.wait_for_keys(&["n1", "n2"]).await?;
    nginx.check_log()
}

#[tokio::test]
async fn peers_of_the_file_need_no_first_check_and_cookies_stay_good() -> Result<()> {
    let folder = StateFolder::new()?;
    let directives =
        "etcd_check tcp interval=1h mandatory; etcd_sticky cookie=srv_id secret=pepper;";
    let mut router = Router::with(2, |etcd| folder.with(etcd, "", directives)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    let (cookie, node) = eventually(SOON, "a peer has passed its first check", async || {
        let answer = router.nginx.get("/").await?;
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        ensure!(answer.status == 200 && cookie.starts_with("srv_id="), "{answer:?}");
        Ok((cookie, answer.node().to_owned()))
    })
    .await?;
    router.nginx.end(Signal::SIGQUIT).await?;
    router.etcd.stop().await?;
    let nginx = Nginx::start(folder.with(&router.etcd, "", directives)).await?;
    for mut connection in nginx.connect_to_each().await? {
        for _ in 0..4 {
            let answer = connection.get_with("/", &[("Cookie", &cookie)]).await?;
            assert_eq!((answer.status, answer.node()), (200, &*node));
        }
    }
    nginx.check_log()
}

#[tokio::test]
async fn emptied_prefix_is_written_to_the_file() -> Result<()> {
    let folder = StateFolder::new()?;
    let mut router = Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    router.etcd.delete_all(PREFIX).await?;
    folder.wait_for_keys(&[]).await?;
    router.nginx.end(Signal::SIGQUIT).await?;
    router.etcd.stop().await?;
    let nginx = Nginx::start(folder.configuration(&router.etcd)).await?;
    assert_eq!(nginx.get("/").await?.status, 502);
    nginx.wait_for_log_lines(": 0 peers of revision ", 1).await?;
    nginx.check_log()
}

#[tokio::test]
async fn another_etcd_is_recognized_after_a_restart() -> Result<()> {
    let folder = StateFolder::new()?;
    let (mut etcd, _nodes) = saved(&folder).await?;
    let before = folder.identity()?;
    etcd.kill().await?;
    etcd.wipe()?;
    etcd.restart().await?;
    let mut nginx = Nginx::start(folder.configuration(&etcd)).await?;
    nginx.wait_for_log("etcd was wiped or restored from a backup").await?;
    all_serve(&nginx, &["n0", "n1"]).await?;
    // What it has, which is nothing, does not get into the file, not even at the end.
    nginx.end(Signal::SIGQUIT).await?;
    assert_eq!(folder.identity()?, before);
    assert_eq!(folder.keys()?, ["n0", "n1"]);
    nginx.check_log()
}

#[tokio::test]
async fn reload_does_not_read_the_file() -> Result<()> {
    let folder = StateFolder::new()?;
    let mut router = Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    router.etcd.stop().await?;
    // Nothing may come of what is in there now, nor of a zone of another size.
    std::fs::write(folder.file(), "?")?;
    router.nginx.reload().await?;
    all_serve(&router.nginx, &["n0", "n1"]).await?;
    let other_size = Configuration::new()
        .http(&cluster("main", &router.etcd.url()))
        .http(&upstream(&format!("zone=2m state={}", folder.file().display()), ""));
    router.nginx.configure(other_size)?;
    router.nginx.reload().await?;
    all_serve(&router.nginx, &["n0", "n1"]).await?;
    assert!(router.nginx.log_lines("state file").is_empty(), "{}", router.nginx.log());
    router.nginx.check_log()
}

#[tokio::test]
async fn another_binary_starts_from_the_file_and_leaves_it_whole() -> Result<()> {
    let folder = StateFolder::new()?;
    let configuration = |etcd: &Etcd| folder.configuration(etcd).mode(Mode::Daemon);
    let mut router = Router::with(2, configuration).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    let load = Load::start(&router.nginx.address(), "/", Clients::Fresh, 1);
    let old = router.nginx.upgrade().await?;
    router.nginx.wait_for_log_lines(": 2 peers of revision ", 1).await?;
    router.etcd.put(key("n2"), "127.0.0.1:1 down").await?;
    signal(old, Signal::SIGQUIT)?;
    eventually(SOON, "the old master ends", async || {
        ensure!(!running(old), "it runs");
        folder.state()?.ok_or("no file")?;
        Ok(())
    })
    .await?;
    load.stop().await?.without_failure()?;
    folder.wait_for_keys(&["n0", "n1", "n2"]).await?;
    router.etcd.delete(&key("n0")).await?;
    folder.wait_for_keys(&["n1", "n2"]).await?;
    router.nginx.end(Signal::SIGQUIT).await?;
    assert_eq!(folder.keys()?, ["n1", "n2"]);
    router.nginx.check_log()
}

#[tokio::test]
async fn single_process_writes_the_file() -> Result<()> {
    let folder = StateFolder::new()?;
    let configuration = |etcd: &Etcd| folder.configuration(etcd).mode(Mode::Single);
    let mut router = Router::with(2, configuration).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    router.nginx.signal(Signal::SIGHUP)?;
    router.etcd.delete(&key("n1")).await?;
    folder.wait_for_keys(&["n0"]).await?;
    router.nginx.end(Signal::SIGQUIT).await?;
    router.etcd.stop().await?;
    let nginx = Nginx::start(configuration(&router.etcd)).await?;
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.check_log()
}

#[tokio::test]
async fn folder_writable_by_its_owner_alone_is_enough() -> Result<()> {
    let folder = StateFolder::new()?;
    set_permissions(folder.0.path(), Permissions::from_mode(0o700))?;
    let mut router = Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    router.etcd.delete(&key("n1")).await?;
    folder.wait_for_keys(&["n0"]).await?;
    router.nginx.reload().await?;
    router.etcd.register(&router.nodes).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    router.nginx.end(Signal::SIGQUIT).await?;
    router.etcd.stop().await?;
    let nginx = Nginx::start(folder.configuration(&router.etcd)).await?;
    all_serve(&nginx, &["n0", "n1"]).await?;
    nginx.check_log()
}
