//! What the program exits with.

use std::{fmt::Display, io, process::ExitCode};

use super::error::KeysError;

/// What a wrong flag makes the program exit with, as clap has it.
const USAGE: u8 = 2;

/// Why a task has failed.
pub(crate) trait Failure: Display {
    /// The error, if it is one that other tasks have as well.
    fn common(&self) -> Option<&KeysError>;
}

/// The exit code of a task, whose error is said.
pub(crate) fn exit_code<E: Failure>(done: Result<(), E>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    match error.common() {
        // Whoever has read enough is not to be told so.
        Some(KeysError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        _ => eprintln!("error: {error}"),
    }
    ExitCode::from(if error.common().is_some_and(KeysError::is_usage) { USAGE } else { 1 })
}
