//! What can go wrong.

use thiserror::Error;

/// There are more points or slots than a ring can have.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the ring has too many points or slots")]
pub struct TooLarge;

/// Words are not those of a base or a delta, or do not belong together.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the words are not those of a ring, or belong to different rings")]
pub struct Malformed;

/// A server cannot be added.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AddError {
    /// The slot has a server, or something still names the server that it had.
    #[error("slot {0} is in use")]
    InUse(u32),
    /// There would be too many points or slots.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// The slot has no server.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("slot {0} has no server")]
pub struct NoServer(pub u32);

/// A merge cannot go on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MergeError {
    /// The base is not the one that the merge has begun with.
    #[error("the base is another one than at the beginning of the merge")]
    OtherBase,
    /// The slice is too short for the new base.
    #[error("the new base does not fit into its memory")]
    TooShort,
    /// The base does not have the points that the ring says it has.
    #[error("the base has other points than expected")]
    OtherPoints,
    /// The merge has been canceled, or another one has begun since.
    #[error("the merge is no longer the current one")]
    Superseded,
    /// The new base is not complete.
    #[error("the merge is not complete")]
    Incomplete,
}
