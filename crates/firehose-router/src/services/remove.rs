//! `services remove`.

use etcd_watch::Item;
use tokio::time::{Instant, sleep};

use super::{
    error::ServicesError,
    keys_of::keys_of,
    options::RemoveOptions,
    routed::routes_to,
    target::{Target, service_name},
};
use crate::keys::{
    CONFLICTS, KeysError, LOOK, Seen, WRITTEN_BACK, removed, say, service_removed, settings_stay,
};

/// Removes all nodes of a service.
pub(super) async fn run(options: RemoveOptions) -> Result<(), ServicesError> {
    let target = options.target.target()?;
    let name = service_name(&target.prefix, &options.name)?;
    // Before anything is removed: where etcd does not answer, nothing was changed.
    let settings = match options.settings {
        Some(prefix) => with_settings(&target, prefix, &name).await?,
        None => None,
    };
    let guard = options.routes.as_deref().filter(|_| !options.force);
    let gone = remove(&target, &name, guard).await?;
    for item in &gone.items {
        let key = target.prefix.key(&String::from_utf8_lossy(&item.key));
        say(&removed(&key, &target.store.shown(&item.value), gone.revision))?;
    }
    say(&service_removed(&name, gone.items.len(), gone.revision))?;
    if let Some(key) = settings {
        say(&settings_stay(&name, &key))?;
    }
    settle(&target, &name, &gone.items).await
}

/// The key of the service's settings, if it has some.
async fn with_settings(
    target: &Target,
    prefix: String,
    name: &str,
) -> Result<Option<String>, KeysError> {
    let key = target.settings_prefix(prefix)?.key(name);
    let there = target.store.read(&key).await.map_err(|error| KeysError::Etcd(error.reason))?;
    Ok(there.map(|_| key))
}

/// What was removed.
struct Gone {
    items: Vec<Item>,
    /// 0 if the answer that names it was lost.
    revision: i64,
}

/// Removes the keys in one transaction, if they are as they were read, and no route below `guard`
/// has changed since none of these led to the service.
async fn remove(target: &Target, name: &str, guard: Option<&str>) -> Result<Gone, ServicesError> {
    let key = target.prefix.key(name);
    let (mut conflicts, mut failures) = (0, 0);
    let mut before = Vec::new();
    loop {
        let read = |error| match (failures, error) {
            (0, error) => error,
            (_, KeysError::Etcd(reason)) => target.store.unknown(reason),
            (_, error) => error,
        };
        let items = keys_of(target, name).await.map_err(read)?;
        if items.is_empty() {
            // The answer was lost.
            if failures > 0 {
                return Ok(Gone { items: before, revision: 0 });
            }
            let prefix = target.prefix.as_str().to_owned();
            return Err(ServicesError::Missing { name: name.to_owned(), prefix });
        }
        let seen = match guard {
            Some(prefix) => {
                let routes = target.store.list_with_prefix(prefix).await.map_err(read)?;
                let leading = routes_to(&routes, name);
                if !leading.is_empty() {
                    let routes = leading.iter().map(|route| format!("{prefix}{route}")).collect();
                    return Err(ServicesError::Routed { name: name.to_owned(), routes });
                }
                Some(Seen { prefix, newest: newest(&routes) })
            }
            None => None,
        };
        match target.store.delete_all(&key, newest(&items), seen.as_ref()).await {
            Ok(Some(revision)) => return Ok(Gone { items, revision }),
            Ok(None) if conflicts == CONFLICTS => {
                return Err(ServicesError::Contended { name: name.to_owned(), times: conflicts });
            }
            Ok(None) => conflicts += 1,
            Err(error) if error.is_refusal && failures == 0 => {
                return Err(KeysError::Refused(error.reason).into());
            }
            Err(error) => {
                failures += 1;
                if failures >= target.store.attempts() {
                    return Err(target.store.unknown(error.reason).into());
                }
            }
        }
        before = items;
    }
}

/// The revision of the last put of any of them.
fn newest(items: &[Item]) -> i64 {
    items.iter().map(|item| item.mod_revision).max().unwrap_or_default()
}

/// Sees whether keys with leases stay away: a program that watches its key writes it again at once.
async fn settle(target: &Target, name: &str, gone: &[Item]) -> Result<(), ServicesError> {
    if gone.iter().all(|item| item.lease == 0) {
        return Ok(());
    }
    let end = Instant::now() + WRITTEN_BACK;
    while Instant::now() < end {
        sleep(LOOK).await;
        // The keys are removed: that they cannot be looked at is no failure of it.
        let Ok(now) = keys_of(target, name).await else { return Ok(()) };
        let is_back = |item: &&Item| gone.iter().any(|other| other.key == item.key);
        let back = now.iter().filter(is_back);
        let keys: Vec<_> =
            back.map(|item| target.prefix.key(&String::from_utf8_lossy(&item.key))).collect();
        if !keys.is_empty() {
            return Err(ServicesError::WrittenBack { name: name.to_owned(), keys });
        }
    }
    Ok(())
}
