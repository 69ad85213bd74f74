//! The keys of one service.

use etcd_watch::Item;

use super::target::Target;
use crate::keys::KeysError;

/// All keys of the service's nodes, in their order, named from the prefix on: the key of the
/// service's name, and those below it.
pub(super) async fn keys_of(target: &Target, service: &str) -> Result<Vec<Item>, KeysError> {
    let key = target.prefix.key(service);
    let alone = target.store.read(&key).await.map_err(|error| KeysError::Etcd(error.reason))?;
    let alone = alone.map(|stored| Item {
        key: service.as_bytes().to_vec(),
        value: stored.value,
        create_revision: stored.create_revision,
        mod_revision: stored.mod_revision,
        lease: stored.lease,
    });
    let mut items: Vec<_> = alone.into_iter().collect();
    let below = format!("{service}/");
    for item in target.store.list_with_prefix(&format!("{key}/")).await? {
        items.push(Item { key: [below.as_bytes(), &item.key].concat(), ..item });
    }
    Ok(items)
}
