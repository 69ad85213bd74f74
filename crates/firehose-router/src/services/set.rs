//! `services set`.

use super::{
    error::ServicesError,
    keys_of::keys_of,
    options::{SetOptions, UnsetOptions},
    settings::check,
    target::{service_name, settings_prefix, store_of_settings},
};
use crate::{
    keys::{Step, change, no_node, read_value, remove, report, say},
    routing::tally,
};

/// What is read of standard input at most, in bytes: more than settings have, so that a message
/// says how long a file is that was not meant.
const MOST: u64 = 1 << 20;

/// Writes the settings of a service.
pub(super) async fn run(options: SetOptions) -> Result<(), ServicesError> {
    let target = options.target.target_of_settings()?;
    let prefix = target.settings_prefix(options.settings)?;
    let name = service_name(&prefix, &options.name)?;
    let value = read_value(&options.value, MOST).await?;
    let key = prefix.key(&name);
    check(name.as_bytes(), &value, options.stream)
        .map_err(|reason| ServicesError::Rejected { key: key.clone(), reason })?;
    // What is checked is text.
    let value = String::from_utf8(value).unwrap_or_default();
    // Before anything is written: where etcd does not answer, nothing was changed.
    let nodes = tally(&keys_of(&target, &name).await?, &target.reading);
    let changed = change(&target.store, &key, |there, _| match there {
        None => Ok(Step::Create(value.clone())),
        // As it should be, or the answer was lost.
        Some(there) if there.value == value.as_bytes() => Ok(Step::Nothing),
        Some(_) => Ok(Step::Put(value.clone())),
    });
    let changed: Result<_, ServicesError> = changed.await;
    report(&target.store, &key, &changed?)?;
    if nodes.values().all(|service| service.nodes == 0) {
        say(&no_node(&name, target.prefix.as_str()))?;
    }
    Ok(())
}

/// Removes the settings of a service.
pub(super) async fn unset(options: UnsetOptions) -> Result<(), ServicesError> {
    let prefix = settings_prefix(options.settings);
    let name = service_name(&prefix, &options.name)?;
    let store = store_of_settings(options.connection)?;
    Ok(remove(&store, &prefix.key(&name)).await?)
}
