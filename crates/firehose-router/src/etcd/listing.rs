//! All keys below a prefix, read once.

use std::time::Duration;

use etcd_watch::{Cluster, Item, Keys, Limits, Update, follow};
use tokio::{sync::mpsc, time::timeout};

/// How long listing all keys may take.
const LISTING: Duration = Duration::from_secs(60);

/// All these keys, in their order, without their prefix. They are read in pages, all at one
/// revision.
///
/// # Errors
///
/// Why they cannot be read, in one line.
pub(crate) async fn list(cluster: &Cluster, keys: Keys) -> Result<Vec<Item>, String> {
    let (sender, mut updates) = mpsc::channel(1);
    let following = tokio::spawn(follow(cluster.clone(), keys, Limits::default(), sender));
    let listed = timeout(LISTING, async {
        loop {
            match updates.recv().await {
                Some(Update::Listed { items, .. }) => return Ok(items),
                Some(Update::Lost { reason, .. }) => return Err(reason),
                Some(_) => {}
                None => return Err("cannot list the keys".to_owned()),
            }
        }
    });
    let listed = listed.await;
    following.abort();
    listed
        .unwrap_or_else(|_| Err(format!("the keys were not listed within {} s", LISTING.as_secs())))
}
