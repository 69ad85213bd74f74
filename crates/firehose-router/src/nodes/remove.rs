//! `nodes remove`.

use super::{error::NodesError, options::KeyOptions};
use crate::keys::remove;

/// Removes a node.
pub(super) async fn run(options: KeyOptions) -> Result<(), NodesError> {
    let target = options.target.target()?;
    let key = target.key(&target.name(&options.key)?);
    Ok(remove(&target.store, &key).await?)
}
