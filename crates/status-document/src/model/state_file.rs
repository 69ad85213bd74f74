//! A state file in the document.

/// The file of `state=`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateFile {
    /// Its path.
    pub file: String,
    /// The revision of the list in it; `None` if it was not read or written yet, or could not be
    /// used.
    pub revision: Option<u64>,
    /// Why it could not be read or written, and what to do about it; `None` after a successful
    /// write.
    pub trouble: Option<String>,
}
