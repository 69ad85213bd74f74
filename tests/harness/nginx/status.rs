//! What `etcd_status` says of a running nginx, and waiting for it.

use super::Nginx;
use crate::{Result, SOON, Status, UPSTREAM, Upstream, ensure, eventually, running};

impl Nginx {
    /// What `etcd_status` says.
    ///
    /// # Errors
    ///
    /// Those of HTTP, and JSON of another form.
    pub async fn status(&self) -> Result<Status> {
        let answer = self.get("/etcd").await?;
        ensure!(answer.status == 200, "status {}: {}", answer.status, answer.text());
        serde_json::from_slice(&answer.body)
            .map_err(|error| format!("{error}: {}", answer.text()).into())
    }

    /// What it says of the usual upstream.
    ///
    /// # Errors
    ///
    /// As with [`status`](Self::status).
    pub async fn upstream(&self) -> Result<Upstream> {
        self.upstream_of(UPSTREAM).await
    }

    /// What it says of the upstream with this name.
    ///
    /// # Errors
    ///
    /// As with [`status`](Self::status).
    pub async fn upstream_of(&self, name: &str) -> Result<Upstream> {
        Ok(self.status().await?.upstreams.remove(name).ok_or("not in the status")?)
    }

    /// The pid of the worker that watches etcd; waits for one where there is none just now, as for
    /// a moment after a reload.
    ///
    /// # Errors
    ///
    /// When there is none soon.
    pub async fn watcher(&self) -> Result<i32> {
        eventually(SOON, "a worker watches", async || {
            let watcher = self.status().await?.watcher_pid.filter(|watcher| running(*watcher));
            watcher.ok_or_else(|| "nobody watches".into())
        })
        .await
    }

    /// Waits until the usual upstream has applied a revision, and gives its status.
    ///
    /// # Errors
    ///
    /// When it does not soon.
    pub async fn applied(&self, revision: i64) -> Result<Upstream> {
        self.applied_to(UPSTREAM, revision).await
    }

    /// Waits until the upstream with this name has applied a revision, and gives its status.
    ///
    /// # Errors
    ///
    /// When it does not soon.
    pub async fn applied_to(&self, name: &str, revision: i64) -> Result<Upstream> {
        eventually(SOON, &format!("{name} has revision {revision}"), async || {
            let upstream = self.upstream_of(name).await?;
            ensure!(upstream.revision >= revision, "{}", upstream.summary());
            Ok(upstream)
        })
        .await
    }

    /// Waits until the usual upstream has a peer with this key, and gives its status.
    ///
    /// # Errors
    ///
    /// When it does not soon.
    pub async fn wait_for_peer(&self, key: &str) -> Result<Upstream> {
        eventually(SOON, &format!("there is a peer {key:?}"), async || {
            let upstream = self.upstream().await?;
            ensure!(upstream.peer(key).is_some(), "{upstream:?}");
            Ok(upstream)
        })
        .await
    }

    /// Waits until the usual upstream's keys are these, in this order, and gives its status.
    ///
    /// # Errors
    ///
    /// When they do not soon come to be.
    pub async fn wait_for_keys(&self, keys: &[&str]) -> Result<Upstream> {
        eventually(SOON, &format!("the keys are {keys:?}"), async || {
            let upstream = self.upstream().await?;
            ensure!(
                upstream.keys() == keys,
                "keys {:?}, connected {}",
                upstream.keys(),
                upstream.connected
            );
            Ok(upstream)
        })
        .await
    }
}
