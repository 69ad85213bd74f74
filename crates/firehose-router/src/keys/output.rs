//! Standard output.

use std::io::{self, Write};

use super::error::KeysError;

/// A line, or several, for standard output.
pub(crate) fn say(text: &str) -> Result<(), KeysError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
