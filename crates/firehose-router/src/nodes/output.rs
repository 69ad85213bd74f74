//! Standard output.

use std::io::{self, Write};

use super::error::NodesError;

/// A line, or several, for standard output.
pub(super) fn say(text: &str) -> Result<(), NodesError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
