//! `nodes add`.

use upstream_peers::{KeyContent, Reading, parse_value};

use super::{error::NodesError, options::AddOptions};
use crate::keys::{Step, added, change, say};

/// Adds a node.
pub(super) async fn run(options: AddOptions) -> Result<(), NodesError> {
    let target = options.target.target()?;
    let name = target.name(&options.key)?;
    let (key, value) = (target.key(&name), options.value.join(" "));
    check(&key, &name, &value, &target.reading)?;
    let changed = change(&target.store, &key, |there, is_repeated| match there {
        None => Ok(Step::Create(value.clone())),
        // The answer was lost.
        Some(there) if is_repeated && there.value == value.as_bytes() => Ok(Step::Nothing),
        Some(there) => Err(NodesError::Exists { key: key.clone(), value: there.text() }),
    });
    let shown = target.store.shown(value.as_bytes());
    Ok(say(&added(&key, &shown, changed.await?.revision))?)
}

/// That the router takes it.
fn check(key: &str, name: &str, value: &str, reading: &Reading) -> Result<(), NodesError> {
    match parse_value(name, value.as_bytes(), reading) {
        Ok(KeyContent::Servers { .. } | KeyContent::Setting { .. }) => Ok(()),
        Err(reason) => Err(NodesError::Rejected { key: key.to_owned(), reason }),
    }
}
