//! The task that follows keys of etcd, beside the one that takes in what it tells.

use std::panic::resume_unwind;

use etcd_watch::{Cluster, Keys, Limits, Update, follow};
use tokio::{
    sync::mpsc::Sender,
    task::{JoinHandle, spawn_local},
};

/// Ends the task as it is dropped.
pub(super) struct Following(JoinHandle<()>);

impl Following {
    /// Follows `keys` within `limits`; what is told goes to `sender`.
    pub(super) fn start(
        cluster: Cluster,
        keys: Keys,
        limits: Limits,
        sender: Sender<Update>,
    ) -> Self {
        let following = follow(cluster, keys, limits, sender);
        #[cfg(feature = "injected-faults")]
        let following = super::faults::or_panic(following);
        Self(spawn_local(following))
    }

    /// Waits for the end, and goes on with its panic if it ended that way, which nobody would hear
    /// of otherwise.
    pub(super) async fn ended(&mut self) {
        if let Err(error) = (&mut self.0).await
            && let Ok(panic) = error.try_into_panic()
        {
            resume_unwind(panic);
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}
