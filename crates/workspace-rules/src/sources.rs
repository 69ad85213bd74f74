//! The sources of a crate, by module.

use std::{collections::BTreeMap, fs, io, path::Path};

/// A module's path below the crate's root, of which it is empty.
pub(crate) type Module = Vec<String>;

/// The sources of a crate: the text of each of its modules' files.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: BTreeMap<Module, File>,
}

#[derive(Clone, Debug)]
pub(crate) struct File {
    /// As it is shown.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Sources {
    /// Those below a directory (`src`), whose root is `lib.rs` or `main.rs`. Files of tests are
    /// left out.
    ///
    /// # Errors
    ///
    /// Where one cannot be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut sources = Self::default();
        sources.read_below(folder, folder)?;
        Ok(sources)
    }

    fn read_below(&mut self, root: &Path, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.read_below(root, &path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).map_err(io::Error::other)?;
                self.add(&name.to_string_lossy(), &fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }

    /// Adds a file, by its name below the directory, or puts it in the place of one of that name.
    pub fn add(&mut self, name: &str, text: &str) {
        let bare = name.trim_end_matches(".rs");
        let mut module: Module = bare.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "tests") {
            return;
        }
        if matches!(bare, "lib" | "main") {
            module.clear();
        } else if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        self.files.insert(module, File { name: name.to_owned(), text: text.to_owned() });
    }

    /// The name and the text of each file.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.values().map(|file| (file.name.as_str(), file.text.as_str()))
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&Module, &File)> {
        self.files.iter()
    }

    /// The module that a path begins with, and how many of its names that are.
    pub(crate) fn module_of(&self, path: &[String]) -> (&[String], usize) {
        let known = (0..=path.len()).rev().find(|&length| self.files.contains_key(&path[..length]));
        let length = known.unwrap_or_default();
        match self.files.get_key_value(&path[..length]) {
            Some((module, _)) => (module, length),
            None => (&[], 0),
        }
    }
}
