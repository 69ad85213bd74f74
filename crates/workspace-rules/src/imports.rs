//! Which file imports from which other.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    sources::{Module, Sources},
    tokens::{balanced, code_tokens, parts},
};

/// Each file, with the files that it imports something from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imports(pub BTreeMap<String, BTreeSet<String>>);

/// What a file uses of others.
#[derive(Default)]
struct FileUses {
    /// Paths from the root on, of what is used.
    paths: Vec<Module>,
    /// What `use` gives a name to, here and for others.
    names: BTreeMap<String, Module>,
}

impl Imports {
    /// Those of a crate's sources.
    pub fn of(sources: &Sources) -> Self {
        let uses: BTreeMap<&Module, FileUses> = sources
            .files()
            .map(|(module, file)| {
                (module, Reader::new(module, sources).read(&code_tokens(&file.text)))
            })
            .collect();
        let files: BTreeMap<&[String], &str> =
            sources.files().map(|(module, file)| (&module[..], &*file.name)).collect();
        let mut imports = Self::default();
        for (module, file) in sources.files() {
            let of_file = imports.0.entry(file.name.clone()).or_default();
            for path in &uses[module].paths {
                let target = definer(path, sources, &uses);
                if target != &module[..]
                    && let Some(name) = files.get(target)
                {
                    of_file.insert((*name).to_owned());
                }
            }
        }
        imports
    }

    /// The same between directories: `a.rs` and all that is in `a/` are one.
    pub fn of_folders(&self) -> Self {
        let mut folders = Self::default();
        for (file, imported) in &self.0 {
            let own = folder(file);
            let of_folder = folders.0.entry(own.to_owned()).or_default();
            let others = imported.iter().map(|file| folder(file)).filter(|&other| other != own);
            of_folder.extend(others.map(str::to_owned));
        }
        folders
    }
}

/// The directory of the root that a file belongs to: `a` for `a.rs` and for all that is in `a/`.
pub(crate) fn folder(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// The module that defines what a path names, as far as `use` shows it.
fn definer<'a>(
    path: &[String],
    sources: &'a Sources,
    uses: &BTreeMap<&Module, FileUses>,
) -> &'a [String] {
    /// No chain of `use` is longer; one that goes round ends here.
    const MOST_STEPS: usize = 16;
    let mut path = path.to_vec();
    for _ in 0..MOST_STEPS {
        let (module, length) = sources.module_of(&path);
        let passed_on = path.get(length).and_then(|name| uses[&module.to_vec()].names.get(name));
        match passed_on {
            Some(target) => {
                let mut next = target.clone();
                next.extend_from_slice(&path[length + 1..]);
                path = next;
            }
            None => return module,
        }
    }
    sources.module_of(&path).0
}

struct Reader<'a> {
    module: &'a Module,
    sources: &'a Sources,
    uses: FileUses,
    /// Modules inside of the file that are open, with the depth of braces in them.
    inner: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn new(module: &'a Module, sources: &'a Sources) -> Self {
        Self { module, sources, uses: FileUses::default(), inner: Vec::new() }
    }

    fn read(mut self, tokens: &[String]) -> FileUses {
        let (mut at, mut depth) = (0_usize, 0_usize);
        while at < tokens.len() {
            match tokens[at].as_str() {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    self.inner.retain(|&open| open <= depth);
                }
                "mod" if tokens.get(at + 2).is_some_and(|token| token == "{") => {
                    self.inner.push(depth + 1);
                }
                // Who may see it, and not what it uses: `pub(in PATH)`.
                "pub" if tokens.get(at + 2).is_some_and(|token| token == "in") => {
                    at += balanced(&tokens[at + 1..], "(", ")");
                }
                // Not what an opaque type captures.
                "use" if tokens.get(at + 1).is_some_and(|token| token != "<") => {
                    let end =
                        tokens[at..].iter().position(|token| token == ";").unwrap_or_default();
                    self.read_use(&tokens[at + 1..at + end], Vec::new());
                    at += end;
                }
                _ if at == 0 || tokens[at - 1] != "::" => self.read_path(&tokens[at..]),
                _ => {}
            }
            at += 1;
        }
        self.uses
    }

    fn read_use(&mut self, tokens: &[String], prefix: Module) {
        let mut path = prefix;
        let mut at = 0;
        while at < tokens.len() {
            match tokens[at].as_str() {
                "{" => {
                    let end = balanced(&tokens[at..], "{", "}");
                    for part in parts(&tokens[at + 1..at + end - 1]) {
                        self.read_use(part, path.clone());
                    }
                    return;
                }
                "::" => {}
                "as" => {
                    let name = tokens.get(at + 1).cloned().unwrap_or_default();
                    return self.name(name, &path);
                }
                "self" if !path.is_empty() => {}
                token => path.push(token.to_owned()),
            }
            at += 1;
        }
        let name = path.last().cloned().unwrap_or_default();
        self.name(name, &path);
    }

    fn name(&mut self, name: String, path: &[String]) {
        if let Some(path) = self.rooted(path) {
            self.uses.paths.push(path.clone());
            self.uses.names.insert(name, path);
        }
    }

    fn read_path(&mut self, tokens: &[String]) {
        let mut path = vec![tokens[0].clone()];
        let mut rest = &tokens[1..];
        while let [colons, token, further @ ..] = rest
            && colons == "::"
            && token.starts_with(|first: char| first.is_alphabetic() || first == '_')
        {
            path.push(token.clone());
            rest = further;
        }
        if path.len() > 1
            && let Some(path) = self.rooted(&path)
        {
            self.uses.paths.push(path);
        }
    }

    /// A path from the crate's root on; `None` for what is of another crate, or not of a module.
    fn rooted(&self, path: &[String]) -> Option<Module> {
        let mut module = self.module.clone();
        let mut inner = self.inner.len();
        let mut up = |module: &mut Module| match inner {
            0 => {
                module.pop();
            }
            _ => inner -= 1,
        };
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                module.clear();
                rest = &path[1..];
            }
            "self" | "super" => {
                while let Some(token @ ("self" | "super")) = rest.first().map(String::as_str) {
                    if token == "super" {
                        up(&mut module);
                    }
                    rest = &rest[1..];
                }
            }
            first => {
                // A module that the file declares.
                let mut child = module.clone();
                child.push(first.to_owned());
                let (known, _) = self.sources.module_of(&child);
                if known != child {
                    return None;
                }
            }
        }
        module.extend_from_slice(rest);
        Some(module)
    }
}
