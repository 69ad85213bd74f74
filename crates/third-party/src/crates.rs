//! The crates of the workspace and all that they depend on, from `cargo metadata`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    process::Command,
};

use serde::Deserialize;

use crate::{
    cargo::{cargo, output},
    tree::{Name, Tree},
};

/// A crate in one version.
#[derive(Debug, Deserialize)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The expression of its license.
    pub license: Option<String>,
    /// Where its source is published.
    pub repository: Option<String>,
    /// Where it comes from: `None` for those of this workspace.
    source: Option<String>,
    manifest_path: PathBuf,
}

impl Crate {
    pub(crate) fn key(&self) -> Name {
        (self.name.clone(), self.version.clone())
    }

    /// Whether it is from somebody else.
    pub fn is_foreign(&self) -> bool {
        self.source.is_some()
    }

    /// The texts of its licenses and notices, in the order of the names of their files.
    pub fn texts(&self) -> io::Result<Vec<String>> {
        let folder = self.manifest_path.parent().expect("a manifest is in a directory");
        let mut files = BTreeSet::new();
        for entry in folder.read_dir()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().to_uppercase();
            let is_text = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"]
                .iter()
                .any(|start| name.starts_with(start));
            if is_text && entry.path().is_file() {
                files.insert(entry.path());
            }
        }
        files.iter().map(|file| Ok(std::fs::read_to_string(file)?.trim().to_owned())).collect()
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Crate>,
}

/// All crates that the workspace is built and tested with on this kind of machine.
pub struct Crates(BTreeMap<Name, Crate>);

impl Crates {
    /// Asks cargo, for the machine that this runs on.
    pub fn of_workspace() -> io::Result<Self> {
        let about = output(Command::new("rustc").arg("-vV"))?;
        let host = about
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .ok_or_else(|| io::Error::other("rustc -vV names no host"))?;
        let metadata = output(
            cargo("metadata").args(["--format-version", "1"]).args(["--filter-platform", host]),
        )?;
        let metadata: Metadata = serde_json::from_str(&metadata).map_err(io::Error::other)?;
        Ok(Self(metadata.packages.into_iter().map(|found| (found.key(), found)).collect()))
    }

    /// Those of others in this tree, by name and version.
    pub fn foreign_in(&self, tree: &Tree) -> io::Result<Vec<&Crate>> {
        let found: Vec<&Crate> =
            tree.names().map(|name| self.get(name)).collect::<Result<_, _>>()?;
        Ok(found.into_iter().filter(|found| found.is_foreign()).collect())
    }

    /// The crate of this name and version.
    pub fn get(&self, name: &Name) -> io::Result<&Crate> {
        let unknown = || io::Error::other(format!("cargo metadata has no {} {}", name.0, name.1));
        self.0.get(name).ok_or_else(unknown)
    }
}
