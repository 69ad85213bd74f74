//! What crates of the workspace are built of, from `cargo tree`. Unlike `cargo metadata`, it knows
//! which features of a crate these need, and which only others of the workspace do.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use crate::cargo::{cargo, output};

/// A crate's name and version.
pub type Name = (String, String);

/// Crates, each with those that it depends on.
#[derive(Debug, PartialEq, Eq)]
pub struct Tree(BTreeMap<Name, BTreeSet<Name>>);

impl Tree {
    /// All that the workspace is built and tested with.
    pub fn of_workspace() -> io::Result<Self> {
        Self::ask(["--workspace"], "normal,build,dev")
    }

    /// What is in these crates of the workspace, and the macros that have written a part of them.
    /// What they are only built or tested with is not in it.
    pub fn contained_in(crates: &[&str]) -> io::Result<Self> {
        Self::ask(packages(crates), "normal")
    }

    /// What is linked into these crates of the workspace.
    pub fn linked_into(crates: &[&str]) -> io::Result<Self> {
        Self::ask(packages(crates), "normal,no-proc-macro")
    }

    fn ask<'a>(roots: impl IntoIterator<Item = &'a str>, edges: &str) -> io::Result<Self> {
        let mut tree = cargo("tree");
        tree.args(["--edges", edges, "--prefix", "depth", "--format", " {p}"]);
        tree.args(roots);
        let text = output(&mut tree)?;
        Self::parse(&text).ok_or_else(|| io::Error::other("cargo tree prints something else"))
    }

    /// Lines such as `2 name v1.0.0 (proc-macro)`. What a crate depends on follows it with a
    /// greater number, and only the first time that the crate is named.
    fn parse(text: &str) -> Option<Self> {
        let mut tree: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        let mut above: Vec<Name> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let mut words = line.split(' ');
            let depth: usize = words.next()?.parse().ok()?;
            let name = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
            if depth > above.len() {
                return None;
            }
            above.truncate(depth);
            if let Some(user) = above.last() {
                tree.get_mut(user)?.insert(name.clone());
            }
            tree.entry(name.clone()).or_default();
            above.push(name);
        }
        Some(Self(tree))
    }

    /// The crates, by name and version.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }

    /// Each crate with those that it depends on.
    pub fn dependencies(&self) -> impl Iterator<Item = (&Name, &BTreeSet<Name>)> {
        self.0.iter()
    }
}

fn packages<'a>(crates: &[&'a str]) -> impl Iterator<Item = &'a str> {
    crates.iter().flat_map(|name| ["--package", name])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crate_depends_on_is_below_it() {
        let text = "0 a v0.1.0 (/path/to/a)\n1 b v1.0.0\n2 c v2.0.0+3\n1 c v2.0.0+3\n\n\
                    0 d v0.1.0 (/path/to/d)\n1 b v1.0.0 (*)\n";
        let tree = Tree::parse(text).expect("a tree");
        let names = |crates: &BTreeSet<Name>| {
            crates.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
        };
        let found: Vec<_> = tree
            .dependencies()
            .map(|((name, version), crates)| format!("{name} {version}: {}", names(crates)))
            .collect();
        assert_eq!(found, ["a 0.1.0: b c", "b 1.0.0: c", "c 2.0.0+3: ", "d 0.1.0: b"]);
    }

    #[test]
    fn other_text_is_no_tree() {
        for text in ["a v0.1.0", "0 a", "0 a 1.0.0", "1 a v1.0.0", "0 a v1.0.0\n2 b v1.0.0"] {
            assert_eq!(Tree::parse(text), None, "{text}");
        }
    }
}
