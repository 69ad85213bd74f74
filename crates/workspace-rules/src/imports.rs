//! Which file imports from which other.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    sources::{Module, Sources},
    words::{balanced, words},
};

/// Each file, with the files that it imports something from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imports(pub BTreeMap<String, BTreeSet<String>>);

/// What a file says of others.
#[derive(Default)]
struct Said {
    /// Paths from the root on, of what is used.
    paths: Vec<Module>,
    /// What `use` gives a name to, here and for others.
    names: BTreeMap<String, Module>,
}

impl Imports {
    /// Those of a crate's sources.
    pub fn of(sources: &Sources) -> Self {
        let said: BTreeMap<&Module, Said> = sources
            .files()
            .map(|(module, file)| (module, Reader::new(module, sources).read(&words(&file.text))))
            .collect();
        let files: BTreeMap<&[String], &str> =
            sources.files().map(|(module, file)| (&module[..], &*file.name)).collect();
        let mut imports = Self::default();
        for (module, file) in sources.files() {
            let of_file = imports.0.entry(file.name.clone()).or_default();
            for path in &said[module].paths {
                let target = definer(path, sources, &said);
                if target != &module[..]
                    && let Some(name) = files.get(target)
                {
                    of_file.insert((*name).to_owned());
                }
            }
        }
        imports
    }

    /// The same between folders: `a.rs` and all that is in `a/` are one.
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

fn folder(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// The module that defines what a path names, as far as `use` shows it.
fn definer<'a>(
    path: &[String],
    sources: &'a Sources,
    said: &BTreeMap<&Module, Said>,
) -> &'a [String] {
    /// No chain of `use` is longer; one that goes round ends here.
    const MOST_STEPS: usize = 16;
    let mut path = path.to_vec();
    for _ in 0..MOST_STEPS {
        let (module, length) = sources.module_of(&path);
        let passed_on = path.get(length).and_then(|name| said[&module.to_vec()].names.get(name));
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
    said: Said,
    /// Modules inside of the file that are open, with the depth of braces in them.
    inner: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn new(module: &'a Module, sources: &'a Sources) -> Self {
        Self { module, sources, said: Said::default(), inner: Vec::new() }
    }

    fn read(mut self, words: &[String]) -> Said {
        let (mut at, mut depth) = (0_usize, 0_usize);
        while at < words.len() {
            match words[at].as_str() {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    self.inner.retain(|&open| open <= depth);
                }
                "mod" if words.get(at + 2).is_some_and(|word| word == "{") => {
                    self.inner.push(depth + 1);
                }
                // Who may see it, and not what it uses: `pub(in PATH)`.
                "pub" if words.get(at + 2).is_some_and(|word| word == "in") => {
                    at += balanced(&words[at + 1..], "(", ")");
                }
                // Not what an opaque type captures.
                "use" if words.get(at + 1).is_some_and(|word| word != "<") => {
                    let end = words[at..].iter().position(|word| word == ";").unwrap_or_default();
                    self.read_use(&words[at + 1..at + end], Vec::new());
                    at += end;
                }
                _ if at == 0 || words[at - 1] != "::" => self.read_path(&words[at..]),
                _ => {}
            }
            at += 1;
        }
        self.said
    }

    fn read_use(&mut self, words: &[String], prefix: Module) {
        let mut path = prefix;
        let mut at = 0;
        while at < words.len() {
            match words[at].as_str() {
                "{" => {
                    let end = balanced(&words[at..], "{", "}");
                    for part in parts(&words[at + 1..at + end - 1]) {
                        self.read_use(part, path.clone());
                    }
                    return;
                }
                "::" => {}
                "as" => {
                    let name = words.get(at + 1).cloned().unwrap_or_default();
                    return self.name(name, &path);
                }
                "self" if !path.is_empty() => {}
                word => path.push(word.to_owned()),
            }
            at += 1;
        }
        let name = path.last().cloned().unwrap_or_default();
        self.name(name, &path);
    }

    fn name(&mut self, name: String, path: &[String]) {
        if let Some(path) = self.rooted(path) {
            self.said.paths.push(path.clone());
            self.said.names.insert(name, path);
        }
    }

    fn read_path(&mut self, words: &[String]) {
        let mut path = vec![words[0].clone()];
        let mut rest = &words[1..];
        while let [colons, word, further @ ..] = rest
            && colons == "::"
            && word.starts_with(|first: char| first.is_alphabetic() || first == '_')
        {
            path.push(word.clone());
            rest = further;
        }
        if path.len() > 1
            && let Some(path) = self.rooted(&path)
        {
            self.said.paths.push(path);
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
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    up(&mut module);
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

/// What commas part.
fn parts(words: &[String]) -> Vec<&[String]> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 0 => {
                parts.push(&words[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&words[start..]);
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}
