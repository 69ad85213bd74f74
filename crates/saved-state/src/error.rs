//! Why a file is refused, and how long it may be.

use thiserror::Error;

/// Bytes that a file has at most: some 400 000 peers with short keys, which take a zone of 150 MB,
/// or a million short entries of a map.
pub const MAX_LENGTH: usize = 64 << 20;

/// Why the bytes of a file are not a state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// The file has no bytes.
    #[error("it is empty")]
    Empty,
    /// The file has more than [`MAX_LENGTH`] bytes.
    #[error("it has more than {MAX_LENGTH} bytes")]
    TooLong,
    /// The file does not begin as a state file of peers, or of a map, does.
    #[error("it is not a state file of {0}")]
    NotState(&'static str),
    /// A state file of a version that is not known here.
    #[error("it is of version {0}, which this module does not know")]
    Version(u32),
    /// The first line lacks the version, the checksum or the length.
    #[error("its first line is damaged")]
    FirstLine,
    /// The file has fewer bytes than its first line says.
    #[error("it is cut short")]
    Truncated,
    /// The file has more bytes than its first line says.
    #[error("it is longer than its first line says")]
    TooMuch,
    /// The checksum is not that of the bytes.
    #[error("it is damaged: its checksum is wrong")]
    Checksum,
    /// The checksum is right, but a line is not what this crate writes.
    #[error("line {line} is malformed: {reason}")]
    Malformed {
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong; what it quotes is an [`Excerpt`](upstream_peers::Excerpt).
        reason: String,
    },
}
