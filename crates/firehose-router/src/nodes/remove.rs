//! `nodes remove`.

use super::{
    change::{Step, change},
    error::NodesError,
    messages,
    options::KeyOptions,
    output::say,
};

/// Removes a node.
pub(super) async fn run(options: KeyOptions) -> Result<(), NodesError> {
    let target = options.target.target()?;
    let key = target.key(&target.name(&options.key)?);
    let changed = change(&target.store, &key, |there, is_repeated| match there {
        Some(_) => Ok(Step::Delete),
        // The answer was lost.
        None if is_repeated => Ok(Step::Nothing),
        None => Err(NodesError::Missing(key.clone())),
    });
    let changed = changed.await?;
    let before = changed.before.map(|before| before.shown_value()).unwrap_or_default();
    say(&messages::removed(&key, &before, changed.revision))
}
