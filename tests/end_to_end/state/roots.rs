//! A folder that only root may write to, while nginx's workers are somebody else.

use std::os::unix::fs::{lchown, symlink};
use std::process::Command;

use super::*;
use nix::unistd::geteuid;

/// An id that neither root nor the workers have, nor anybody else.
const MALLORY: u32 = 54_321;

/// A folder that everybody may enter and only its owner may write to, as `/var/lib/nginx` is.
fn folder_of_roots() -> Result<StateFolder> {
    let folder = StateFolder::new()?;
    set_permissions(folder.0.path(), Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// The file is its owner's alone, and there is nothing beside it.
fn is_roots_alone(folder: &StateFolder) -> Result<()> {
    let file = folder.file().metadata()?;
    ensure!(file.uid() == geteuid().as_raw(), "of the user {}", file.uid());
    ensure!(file.mode() & 0o7777 == 0o600, "mode {:o}", file.mode());
    ensure!(folder.names()?.len() == 1, "{:?}", folder.names()?);
    Ok(())
}

#[tokio::test]
async fn roots_folder_has_the_file_and_upgrades_and_tests_leave_it_whole() -> Result<()> {
    let folder = folder_of_roots()?;
    let configuration = |etcd: &Etcd| folder.configuration(etcd).mode(Mode::Daemon);
    let mut router = Router::with(2, configuration).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    is_roots_alone(&folder)?;
    if geteuid().is_root() {
        for worker in router.nginx.workers()? {
            assert_ne!(std::fs::metadata(format!("/proc/{worker}"))?.uid(), 0);
        }
    }

    let before = folder.identity()?;
    let output = Nginx::test(&folder.configuration(&router.etcd))?;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(folder.identity()?, before);

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
    folder.wait_for_keys(&["n0", "n1", "n2"]).await?;
    router.etcd.delete(&key("n0")).await?;
    folder.wait_for_keys(&["n1", "n2"]).await?;
    is_roots_alone(&folder)?;
    router.nginx.end(Signal::SIGQUIT).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn killed_file_process_leaves_the_file_and_a_reload_starts_another() -> Result<()> {
    let folder = folder_of_roots()?;
    let router = Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    let processes = router.nginx.file_processes()?;
    if processes.is_empty() {
        assert!(!geteuid().is_root());
        println!("skipped: an ordinary user's workers write themselves");
        return Ok(());
    }
    let before = folder.identity()?;
    for process in processes {
        signal(process, Signal::SIGKILL)?;
    }
    router.etcd.put(key("n2"), "127.0.0.1:1 down").await?;
    let gone = "the process \"etcd files\" exited";
    let line = router.nginx.wait_for_log(gone).await?;
    assert!(
        line.contains("[error]") && line.contains("reload nginx to restart the process"),
        "{line}"
    );
    let line = router.nginx.wait_for_log("could not write state file ").await?;
    assert!(line.contains("Permission denied") && line.contains("the old file is kept"), "{line}");
    let trouble = eventually(SOON, "the status has it", async || {
        let state = router.nginx.upstream().await?.state.ok_or("no state in the status")?;
        Ok(state.trouble.ok_or("no trouble")?)
    })
    .await?;
    assert!(trouble.contains("Permission denied"), "{trouble}");
    // The peers in memory do not depend on the file.
    router.nginx.wait_for_keys(&["n0", "n1", "n2"]).await?;
    assert_eq!(folder.identity()?, before);
    is_roots_alone(&folder)?;

    router.nginx.reload().await?;
    folder.wait_for_keys(&["n0", "n1", "n2"]).await?;
    eventually(SOON, "the status has nothing to complain of", async || {
        let state = router.nginx.upstream().await?.state.ok_or("no state in the status")?;
        ensure!(state.trouble.is_none(), "{state:?}");
        Ok(())
    })
    .await?;
    router.nginx.wait_for_log_lines(gone, 1).await?;
    is_roots_alone(&folder)
}

#[tokio::test]
async fn link_of_another_user_leads_to_no_folder_of_roots() -> Result<()> {
    if !geteuid().is_root() {
        println!("skipped: only root can make links of others");
        return Ok(());
    }
    let (folder, links) = (folder_of_roots()?, Folder::new("links")?);
    let link = links.path().join("state");
    symlink(folder.0.path(), &link)?;
    lchown(&link, Some(MALLORY), None)?;
    let upstream = upstream(&format!("state={}/firehose.peers", link.display()), "");
    let configuration =
        |etcd: &Etcd| Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream);
    let router = Router::with(2, configuration).await?;
    let line = router.nginx.wait_for_log("could not write state file ").await?;
    assert!(line.contains("a symbolic link of the user with the id 54321"), "{line}");
    assert!(folder.names()?.is_empty(), "{:?}", folder.names());

    // Root's own lead where they lead. What has failed is tried again soon.
    lchown(&link, Some(0), None)?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    is_roots_alone(&folder)?;
    router.nginx.check_log()
}

/// A small disk in a folder, for as long as this lives.
struct Disk<'a>(&'a StateFolder);

impl<'a> Disk<'a> {
    /// `None` where this process may mount nothing.
    fn mount(folder: &'a StateFolder) -> Result<Option<Self>> {
        let options = ["-t", "tmpfs", "-o", "size=64k,mode=0755", "none"];
        let output = Command::new("mount").args(options).arg(folder.0.path()).output()?;
        Ok(output.status.success().then_some(Self(folder)))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // Lazily: somebody may still write.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.0.path()).status();
    }
}

#[tokio::test]
async fn full_disk_leaves_the_last_list() -> Result<()> {
    let folder = folder_of_roots()?;
    let Some(_disk) = Disk::mount(&folder)? else {
        println!("skipped: only root can mount a disk");
        return Ok(());
    };
    let router = Router::with(2, |etcd| folder.configuration(etcd)).await?;
    folder.wait_for_keys(&["n0", "n1"]).await?;
    let before = folder.identity()?;
    let filling = folder.0.path().join("filling");
    let error = std::fs::write(&filling, vec![0; 1 << 20]).expect_err("larger than the disk");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    router.etcd.put(key("n2"), "127.0.0.1:1 down").await?;
    let line = router.nginx.wait_for_log("could not write state file ").await?;
    assert!(line.contains("No space left") && line.contains("free disk space"), "{line}");
    assert_eq!(folder.identity()?, before);
    assert_eq!(folder.names()?.len(), 2, "{:?}", folder.names());
    std::fs::remove_file(filling)?;
    folder.wait_for_keys(&["n0", "n1", "n2"]).await?;
    is_roots_alone(&folder)?;
    router.nginx.wait_for_log(" written again at revision ").await?;
    router.nginx.check_log()
}
