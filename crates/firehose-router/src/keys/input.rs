//! Standard input.

use std::io::{self, Read};

use super::error::KeysError;

/// The value that words make up, or what standard input has where there is only a `-`: of that at
/// most so many bytes.
///
/// # Errors
///
/// Where standard input cannot be read.
pub(crate) async fn read_value(words: &[String], most: u64) -> Result<Vec<u8>, KeysError> {
    if words != ["-"] {
        return Ok(words.join(" ").into_bytes());
    }
    // Where nobody writes, a signal can end the program.
    let reading = tokio::task::spawn_blocking(move || {
        let mut value = Vec::new();
        io::stdin().lock().take(most).read_to_end(&mut value).map(|_| value)
    });
    let read = reading.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map_err(KeysError::Input)
}
