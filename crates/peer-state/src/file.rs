//! A state's file, read at the start.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use thiserror::Error;

use crate::{
    error::{MAX_LENGTH, StateError},
    state::SavedState,
};

/// Why a file has no state to give.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// The path is a directory, a device or a pipe.
    #[error("it is not an ordinary file")]
    NotAFile,
    /// The file is not a state file, or is damaged.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The state in a file; `None` where there is no file.
///
/// # Errors
///
/// [`LoadError`] if the file cannot be read, or is not a state file.
pub fn load(path: &Path) -> Result<Option<SavedState>, LoadError> {
    // A pipe that was put there must not be waited for.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(LoadError::NotAFile);
    }
    let mut bytes = Vec::new();
    // One byte more, so that a file that is too long is not taken for one of that length.
    file.take(MAX_LENGTH as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(SavedState::parse(&bytes)?))
}
