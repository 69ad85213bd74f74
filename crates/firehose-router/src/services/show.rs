//! `services show`.

use super::{error::ServicesError, keys_of::keys_of, options::ShowOptions, target::service_name};
use crate::nodes::print_nodes;

/// Lists a service's nodes.
pub(super) async fn run(options: ShowOptions) -> Result<(), ServicesError> {
    let target = options.target.target()?;
    let name = service_name(&target.prefix, &options.name)?;
    let items = keys_of(&target, &name).await?;
    if items.is_empty() {
        let prefix = target.prefix.as_str().to_owned();
        return Err(ServicesError::Missing { name, prefix });
    }
    Ok(print_nodes(&items, &target.reading, options.json)?)
}
