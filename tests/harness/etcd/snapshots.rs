//! What it holds, saved and restored.

use std::path::Path;
use std::process::Command;

use crate::{Etcd, Result, ensure};

impl Etcd {
    /// Saves what it holds to a file in its folder, as for a backup.
    ///
    /// # Errors
    ///
    /// When `etcdctl` fails: what it says.
    pub async fn save(&self) -> Result<()> {
        let file = self.folder.path().join("snapshot");
        etcdctl(&["--endpoints", &self.url(), "snapshot", "save"], &file).await
    }

    /// Has the store that was [saved](Self::save), as a cluster with another id. Not while it runs.
    ///
    /// # Errors
    ///
    /// When `etcdctl` fails: what it says.
    pub async fn restore(&self) -> Result<()> {
        self.wipe()?;
        let data = self.folder.path().join("data").display().to_string();
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        let cluster = format!("test={peer}");
        let arguments = [
            "snapshot",
            "restore",
            "--name",
            "test",
            "--data-dir",
            &data,
            "--initial-cluster",
            &cluster,
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster-token",
            "restored",
        ];
        etcdctl(&arguments, &self.folder.path().join("snapshot")).await
    }
}

async fn etcdctl(arguments: &[&str], file: &Path) -> Result<()> {
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").args(arguments).arg(file);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(output.status.success(), "etcdctl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
