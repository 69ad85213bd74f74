//! Style and script, and the hashes of them.

/// What the page's `style` element contains.
pub(crate) const STYLE: &str = include_str!(concat!(env!("OUT_DIR"), "/style"));
/// What the page's `script` element contains.
pub(crate) const SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/script"));
