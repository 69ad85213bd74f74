//! Lists of names with weights, of which one is chosen by a key.

use thiserror::Error;

/// Names that a list has at most.
pub const MAX_NAMES: usize = 64;

/// The greatest weight.
pub const MAX_WEIGHT: u32 = 1_000_000_000;

/// Why a value is no list. The text is one line, without the value itself, which may be secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ListError {
    /// There are too many names.
    #[error("the list has more than {MAX_NAMES} names")]
    TooMany,
    /// A place between commas is empty.
    #[error("item {0} of the list is empty")]
    Empty(usize),
    /// What stands behind a name is no weight.
    #[error("item {0} of the list is not NAME or NAME WEIGHT, with a weight from 0 to {MAX_WEIGHT}")]
    Weight(usize),
    /// A control character.
    #[error("item {0} of the list contains a control character")]
    ControlCharacter(usize),
    /// A name that stands there already.
    #[error("item {0} of the list has the name of another item")]
    Twice(usize),
}

/// Whether a value is a list such as `web-v1 90, web-v2 10`.
///
/// # Errors
///
/// Where it is not.
pub fn check(_value: &[u8]) -> Result<(), ListError> {
    todo!()
}

/// The name of a list that a key chooses; `None` where no name has a weight, or the value is no
/// list.
#[must_use]
pub fn choose<'v>(_value: &'v [u8], _key: &[u8]) -> Option<&'v [u8]> {
    todo!()
}
