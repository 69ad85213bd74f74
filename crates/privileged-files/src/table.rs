//! Which files there are.

use std::path::{Path, PathBuf};

/// What may be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may be read.
    Read,
    /// It may be replaced.
    Replace,
}

/// The files that may be accessed, in an order that client and server share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(Vec<(PathBuf, Access)>);

impl Table {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, unless it is there already.
    pub fn add(&mut self, file: &Path, access: Access) {
        if self.index(file, access).is_none() {
            self.0.push((file.to_owned(), access));
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The index of a file, if this may be done with it.
    pub(crate) fn index(&self, file: &Path, access: Access) -> Option<u32> {
        let index = self.0.iter().position(|(path, allowed)| path == file && *allowed == access)?;
        u32::try_from(index).ok()
    }

    /// The file at an index, if this may be done with it.
    pub(crate) fn file(&self, index: u32, access: Access) -> Option<&Path> {
        let (path, allowed) = self.0.get(usize::try_from(index).ok()?)?;
        (*allowed == access).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Access, Table};

    #[test]
    fn an_index_is_for_one_access_only() {
        let mut table = Table::new();
        assert!(table.is_empty());
        let (a, b) = (Path::new("/a"), Path::new("/b"));
        table.add(a, Access::Read);
        table.add(b, Access::Replace);
        table.add(a, Access::Read);
        assert_eq!(table.index(b, Access::Replace), Some(1));
        assert_eq!(table.index(b, Access::Read), None);
        assert_eq!(table.file(0, Access::Read), Some(a));
        assert_eq!(table.file(0, Access::Replace), None);
        assert_eq!(table.file(2, Access::Read), None);
        assert_eq!(table.file(u32::MAX, Access::Read), None);
    }
}
