//! `state=`: the values are in a file, and nginx starts with them where there is no etcd.

use std::{
    fs::{Permissions, read, set_permissions, write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
};

use harness::*;
use nix::sys::signal::Signal;
use saved_state::{SavedMap, load_map};

use super::{all_say, configuration, route, shown, with_map};

/// A folder for a state file.
struct StateFolder(Folder);

impl StateFolder {
    fn new() -> Result<Self> {
        let folder = Folder::new("state")?;
        // nginx's workers, who may be another user, write there.
        set_permissions(folder.path(), Permissions::from_mode(0o777))?;
        Ok(Self(folder))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("routes.state")
    }

    fn configuration(&self, etcd: &Etcd, parameters: &str) -> Configuration {
        configuration(etcd, &format!("state={} {parameters}", self.file().display()))
    }

    fn map(&self) -> Result<SavedMap> {
        Ok(load_map(&self.file())?.ok_or("no file")?)
    }

    /// Waits until the file has these entries.
    async fn wait_for(&self, expected: &[(&str, &str)]) -> Result<()> {
        eventually(SOON, &format!("the file has {expected:?}"), async || {
            let map = self.map()?;
            let entries = map.entries.iter().map(|(key, value)| {
                (String::from_utf8_lossy(key).into_owned(), String::from_utf8_lossy(value))
            });
            let entries: Vec<_> = entries.collect();
            let same =
                entries.iter().map(|(key, value)| (&**key, &**value)).eq(expected.iter().copied());
            ensure!(same, "{entries:?}");
            Ok(())
        })
        .await
    }

    /// nginx with these entries, which are in the file then, and its end.
    async fn saved(&self, parameters: &str, entries: &[(&str, &str)]) -> Result<Etcd> {
        let etcd = Etcd::start().await?;
        let mut nginx = Nginx::start(self.configuration(&etcd, parameters)).await?;
        for (key, value) in entries {
            etcd.put(route(key), *value).await?;
        }
        self.wait_for(entries).await?;
        nginx.end(Signal::SIGQUIT).await?;
        nginx.check_log()?;
        Ok(etcd)
    }
}

/// Waits until the status says this of the file: its revision, and why it cannot be used.
async fn state(
    nginx: &Nginx,
    is_it: impl Fn(Option<i64>, Option<&str>) -> bool,
) -> Result<StateFile> {
    eventually(SOON, "the status says so of the state file", async || {
        let state = shown(nginx).await?.state.ok_or("no state in the status")?;
        ensure!(is_it(state.revision, state.trouble.as_deref()), "{state:?}");
        Ok(state)
    })
    .await
}

#[tokio::test]
async fn start_without_etcd_has_the_values_of_the_file() -> Result<()> {
    let folder = StateFolder::new()?;
    let parameters = "hostnames default=none";
    let entries = [("*.example.com", "web"), ("api.example.com", "a b"), ("www.*", "wild")];
    let mut etcd = folder.saved(parameters, &entries).await?;
    assert_eq!(folder.file().metadata()?.mode() & 0o777, 0o600);
    let revision = folder.map()?.revision;
    // What etcd says is something else by then.
    etcd.put(route("api.example.com"), "changed").await?;
    etcd.delete(&route("www.*")).await?;
    etcd.stop().await?;

    let nginx = Nginx::start(folder.configuration(&etcd, parameters)).await?;
    let hosts = [("x.example.com", "web"), ("API.example.com", "a b"), ("www.x", "wild")];
    all_say(&nginx, &hosts).await?;
    all_say(&nginx, &[("example.com", "none")]).await?;
    let map = shown(&nginx).await?;
    assert_eq!((map.entries, map.revision, map.held), (3, Some(revision), None), "{map:?}");
    let saved = map.state.ok_or("no state in the status")?;
    assert_eq!((saved.file, saved.revision), (folder.file().display().to_string(), Some(revision)));
    assert_eq!(saved.trouble, None);
    let line = format!(
        "etcd: variable \"$service\": 3 entries of revision {revision} loaded from state file \
         \"{}\"",
        folder.file().display()
    );
    nginx.wait_for_log_lines(&line, 1).await?;
    let metrics = nginx.get("/etcd?format=prometheus").await?.text();
    assert!(metrics.contains("nginx_etcd_map_state_file_ok{name=\"$service\"} 1"), "{metrics}");
    // Without etcd they stay, whoever follows it, over reloads as well.
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    nginx.reload().await?;
    all_say(&nginx, &hosts).await?;

    etcd.restart().await?;
    let now = [("x.example.com", "web"), ("api.example.com", "changed"), ("www.x", "none")];
    all_say(&nginx, &now).await?;
    folder.wait_for(&[("*.example.com", "web"), ("api.example.com", "changed")]).await?;
    state(&nginx, |at, trouble| at > Some(revision) && trouble.is_none()).await?;
    assert!(shown(&nginx).await?.held.is_none());
    Ok(())
}

#[tokio::test]
async fn values_of_the_file_outlive_a_wiped_etcd() -> Result<()> {
    let folder = StateFolder::new()?;
    let mut etcd = folder.saved("", &[("one", "first"), ("two", "second")]).await?;
    let before = folder.file().metadata()?.ino();
    etcd.kill().await?;
    etcd.wipe()?;
    etcd.restart().await?;
    let mut nginx = Nginx::start(folder.configuration(&etcd, "")).await?;
    nginx.wait_for_log("etcd was wiped or restored from a backup").await?;
    all_say(&nginx, &[("one", "first"), ("two", "second")]).await?;
    let map = shown(&nginx).await?;
    assert!(map.held.is_some_and(|left| left > 30.0 && left <= 60.0), "{map:?}");
    // What etcd has, which is nothing, does not get into the file, not even at the end.
    nginx.end(Signal::SIGQUIT).await?;
    assert_eq!(folder.file().metadata()?.ino(), before);
    folder.wait_for(&[("one", "first"), ("two", "second")]).await?;
    // What it has of its own, as a whole, does.
    etcd.put(route("three"), "third").await?;
    let nginx = Nginx::start(folder.configuration(&etcd, "")).await?;
    all_say(&nginx, &[("one", ""), ("three", "third")]).await?;
    folder.wait_for(&[("three", "third")]).await
}

#[tokio::test]
async fn every_change_is_written_over_takeovers_reloads_and_compactions() -> Result<()> {
    let folder = StateFolder::new()?;
    let etcd = Etcd::start().await?;
    let mut nginx = Nginx::start(configuration(&etcd, "")).await?;
    etcd.put(route("one"), "1").await?;
    all_say(&nginx, &[("one", "1")]).await?;
    assert!(shown(&nginx).await?.state.is_none());
    // A file that a reload brings has what is there, without a change.
    nginx.configure(folder.configuration(&etcd, ""))?;
    nginx.reload().await?;
    folder.wait_for(&[("one", "1")]).await?;
    etcd.put(route("bad"), b"\xff").await?;
    etcd.put(route("one"), "2").await?;
    folder.wait_for(&[("one", "2")]).await?;
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    etcd.put(route("two"), "x").await?;
    folder.wait_for(&[("one", "2"), ("two", "x")]).await?;
    etcd.compact().await?;
    etcd.delete(&route("one")).await?;
    folder.wait_for(&[("two", "x")]).await?;
    // Another size of the zone: the file is not read, and goes on.
    nginx.configure(folder.configuration(&etcd, "zone=2m"))?;
    nginx.reload().await?;
    state(&nginx, |at, trouble| at.is_some() && trouble.is_none()).await?;
    etcd.delete(&route("two")).await?;
    folder.wait_for(&[]).await?;
    assert!(nginx.log_lines("loaded from state file").is_empty());
    // The last change before the end is in the file, though another was written just before.
    etcd.put(route("three"), "3").await?;
    etcd.put(route("four"), "4").await?;
    all_say(&nginx, &[("three", "3"), ("four", "4")]).await?;
    nginx.end(Signal::SIGQUIT).await?;
    folder.wait_for(&[("four", "4"), ("three", "3")]).await
}

#[tokio::test]
async fn file_that_cannot_be_used_is_ignored_and_replaced() -> Result<()> {
    let folder = StateFolder::new()?;
    let mut etcd = folder.saved("", &[("one", "first")]).await?;
    etcd.stop().await?;
    let good = read(folder.file())?;
    let mut damaged = good.clone();
    *damaged.last_mut().ok_or("an empty file")? ^= 1;
    let other = SavedMap { prefix: "/other/".to_owned(), ..folder.map()? }.encode()?;
    for (bytes, reason) in [
        (&b"<html>"[..], "it is not a state file of a map"),
        (&good[..good.len() - 1], "it is cut short"),
        (&damaged, "it is damaged: its checksum is wrong"),
        (&other, "it is of the prefix \"/other/\" of the cluster \"main\""),
    ] {
        write(folder.file(), bytes)?;
        let nginx = Nginx::start(folder.configuration(&etcd, "default=none")).await?;
        all_say(&nginx, &[("one", "none")]).await?;
        let file = folder.file().display().to_string();
        let line = format!("etcd: variable \"$service\": state file \"{file}\" ignored: {reason}");
        nginx.wait_for_log_lines(&line, 1).await?;
        state(&nginx, |at, trouble| at.is_none() && trouble == Some(reason)).await?;
        let page = nginx.get("/etcd?format=html").await?.text();
        assert!(page.contains("State file ") && page.contains("of $service"), "{page}");
        let metrics = nginx.get("/etcd?format=prometheus").await?.text();
        assert!(metrics.contains("nginx_etcd_map_state_file_ok{name=\"$service\"} 0"), "{metrics}");
    }
    // Somebody else's file is not lost.
    write(folder.file(), "precious = 1\n")?;
    let nginx = Nginx::start(folder.configuration(&etcd, "")).await?;
    etcd.restart().await?;
    all_say(&nginx, &[("one", "first")]).await?;
    folder.wait_for(&[("one", "first")]).await?;
    state(&nginx, |at, trouble| at.is_some() && trouble.is_none()).await?;
    let kept = folder.0.path().join("routes.state.old");
    assert_eq!(read(&kept)?, b"precious = 1\n");
    write(folder.file(), "another\n")?;
    etcd.put(route("two"), "second").await?;
    state(&nginx, |_, trouble| trouble.is_some_and(|text| text.contains("routes.state.old")))
        .await?;
    assert_eq!(
        (read(folder.file())?, read(&kept)?),
        (b"another\n".into(), b"precious = 1\n".into())
    );
    std::fs::remove_file(folder.file())?;
    folder.wait_for(&[("one", "first"), ("two", "second")]).await
}

#[tokio::test]
async fn file_that_cannot_be_written_is_said_so_until_it_can() -> Result<()> {
    let folder = StateFolder::new()?;
    let etcd = folder.saved("", &[("one", "1")]).await?;
    let nginx = Nginx::start(folder.configuration(&etcd, "")).await?;
    all_say(&nginx, &[("one", "1")]).await?;
    let place = folder.0.path().to_owned();
    let elsewhere = place.with_extension("away");
    std::fs::rename(&place, &elsewhere)?;
    let moved_back = async {
        etcd.put(route("one"), "2").await?;
        state(&nginx, |_, trouble| {
            trouble.is_some_and(|trouble| trouble.contains("its directory does not exist"))
        })
        .await?;
        nginx.wait_for_log("could not write state file").await?;
        all_say(&nginx, &[("one", "2")]).await
    }
    .await;
    std::fs::rename(&elsewhere, &place)?;
    moved_back?;
    folder.wait_for(&[("one", "2")]).await?;
    nginx.wait_for_log("written again at revision").await?;
    state(&nginx, |at, trouble| at.is_some() && trouble.is_none()).await?;
    Ok(())
}

/// What the file has and the configuration does not take is left out, and named.
#[tokio::test]
async fn entries_that_are_not_valid_any_more_are_left_out() -> Result<()> {
    let folder = StateFolder::new()?;
    let long = "x".repeat(200);
    let mut etcd = folder.saved("", &[("a", &long), ("b", "short"), ("c", &long)]).await?;
    etcd.stop().await?;
    let nginx = Nginx::start(folder.configuration(&etcd, "max_length=100")).await?;
    all_say(&nginx, &[("a", ""), ("b", "short")]).await?;
    nginx.wait_for_log("1 entries of revision ").await?;
    let line = nginx.wait_for_log("left out: 2, the first is \"a\": ").await?;
    assert!(line.contains("200 bytes, the maximum is 100"), "{line}");
    Ok(())
}

#[tokio::test]
async fn maps_with_the_same_keys_share_a_file() -> Result<()> {
    let folder = StateFolder::new()?;
    let etcd = folder.saved("", &[("one", "1")]).await?;
    let configuration = with_map(
        &etcd,
        &format!(
            "etcd_map $http_x_other $first main /routes/;
             etcd_map $http_x_name $service main /routes/ state={0};
             etcd_map $http_x_third $third main /routes/ default=none state={0};",
            folder.file().display()
        ),
    );
    let configuration = configuration.server("location = /map { return 200 '<$first$service>'; }");
    let mut nginx = Nginx::start(configuration).await?;
    nginx.wait_for_log("1 entries of revision ").await?;
    all_say(&nginx, &[("one", "1")]).await?;
    etcd.put(route("two"), "2").await?;
    folder.wait_for(&[("one", "1"), ("two", "2")]).await?;
    let maps = nginx.status().await?.maps;
    assert!(maps.values().all(|map| map.state.is_some()) && maps.len() == 3, "{maps:?}");
    // The last one with the file goes: nothing is written any more.
    nginx.configure(super::configuration(&etcd, ""))?;
    nginx.reload().await?;
    etcd.put(route("two"), "3").await?;
    all_say(&nginx, &[("two", "3")]).await?;
    assert!(shown(&nginx).await?.state.is_none());
    folder.wait_for(&[("one", "1"), ("two", "2")]).await
}
