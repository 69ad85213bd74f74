//! A key is removed.

use super::{
    change::{Step, change},
    error::KeysError,
    messages,
    output::say,
    store::Store,
};

/// Removes a key, which has to be there, and says so.
pub(crate) async fn remove(store: &Store, key: &str) -> Result<(), KeysError> {
    let changed = change(store, key, |there, is_repeated| match there {
        Some(_) => Ok(Step::Delete),
        // The answer was lost.
        None if is_repeated => Ok(Step::Nothing),
        None => Err(store.missing(key)),
    });
    let changed = changed.await?;
    let before = changed.before.map(|before| before.value).unwrap_or_default();
    say(&messages::removed(key, &store.shown(&before), changed.revision))
}
