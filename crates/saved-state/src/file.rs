//! Files, read at the start.

use std::{
    io::{self, Read},
    path::Path,
};

use thiserror::Error;

use crate::{
    error::{MAX_LENGTH, StateError},
    map::SavedMap,
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

/// The peers in a file; `None` where there is no file.
///
/// # Errors
///
/// [`LoadError`] if the file cannot be read, or is not a state file of peers.
pub fn load(path: &Path) -> Result<Option<SavedState>, LoadError> {
    Ok(read(path)?.map(|bytes| SavedState::parse(&bytes)).transpose()?)
}

/// The entries of a map in a file; `None` where there is no file.
///
/// # Errors
///
/// [`LoadError`] if the file cannot be read, or is not a state file of a map.
pub fn load_map(path: &Path) -> Result<Option<SavedMap>, LoadError> {
    Ok(read(path)?.map(|bytes| SavedMap::parse(&bytes)).transpose()?)
}

/// The bytes of a file; `None` where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, LoadError> {
    let file = match privileged_files::open_to_read(path) {
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
    Ok(Some(bytes))
}
