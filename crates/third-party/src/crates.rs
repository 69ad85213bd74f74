//! The crates of the workspace and all that they depend on, from `cargo metadata`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    process::Command,
};

use serde::Deserialize;

/// A crate in one version.
#[derive(Debug, Deserialize)]
pub struct Crate {
    id: String,
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
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// All crates that the workspace is built and tested with on this kind of machine.
pub struct Crates {
    crates: BTreeMap<String, Crate>,
    nodes: BTreeMap<String, Vec<Dependency>>,
}

impl Crates {
    /// Asks cargo, for the machine that this runs on.
    pub fn of_workspace() -> io::Result<Self> {
        let about = output(Command::new("rustc").arg("-vV"))?;
        let host = about
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .ok_or_else(|| io::Error::other("rustc -vV names no host"))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        let metadata = output(
            Command::new(cargo)
                .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", host])
                .args(["--manifest-path", manifest]),
        )?;
        let metadata: Metadata = serde_json::from_str(&metadata).map_err(io::Error::other)?;
        Ok(Self {
            crates: metadata.packages.into_iter().map(|found| (found.id.clone(), found)).collect(),
            nodes: metadata.resolve.nodes.into_iter().map(|node| (node.id, node.deps)).collect(),
        })
    }

    /// Those of others.
    pub fn foreign(&self) -> impl Iterator<Item = &Crate> {
        self.crates.values().filter(|found| found.is_foreign())
    }

    /// Those of others that these crates of the workspace contain, by name and version: what is
    /// only built or tested with is in none of them.
    pub fn contained_in(&self, names: &[&str]) -> Vec<&Crate> {
        let is_named = |found: &&Crate| !found.is_foreign() && names.contains(&found.name.as_str());
        let mut open: Vec<&str> =
            self.crates.values().filter(is_named).map(|found| found.id.as_str()).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                let kept = |dependency: &&Dependency| {
                    dependency.dep_kinds.iter().any(|kind| kind.kind.is_none())
                };
                open.extend(self.nodes[id].iter().filter(kept).map(|found| found.pkg.as_str()));
            }
        }
        let mut contained: Vec<_> = seen
            .into_iter()
            .map(|id| &self.crates[id])
            .filter(|found| found.is_foreign())
            .collect();
        contained.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        contained
    }
}

fn output(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}
