//! What is said of a key that was written.

use super::{
    change::{Changed, Step},
    error::KeysError,
    messages,
    output::say,
    store::Store,
};

/// Says what was done to a key that now has a value.
pub(crate) fn report(store: &Store, key: &str, changed: &Changed) -> Result<(), KeysError> {
    let before = changed.before.as_ref();
    let shown = before.map(|before| store.shown(&before.value)).unwrap_or_default();
    let revision = changed.revision;
    say(&match &changed.step {
        Step::Create(value) => messages::added(key, &store.shown(value.as_bytes()), revision),
        Step::Put(value) => {
            messages::changed(key, &shown, &store.shown(value.as_bytes()), revision)
        }
        Step::Nothing => messages::unchanged(key, &shown),
        Step::Delete => messages::removed(key, &shown, revision),
    })?;
    match before.map_or(0, |before| before.lease) {
        0 => Ok(()),
        lease => say(&messages::has_lease(key, lease)),
    }
}
