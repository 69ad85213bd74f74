//! Files that are compiled as a part of others without an import: `#[path]` and `include!`.

use crate::{
    imports::folder,
    sources::Sources,
    tokens::{attribute, balanced, code_tokens},
};

/// Each `#[path]` that leads out of the directory of its file, or into another directory of the
/// root, and each `include!` of something else than what `build.rs` has written.
pub fn foreign_inclusions(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    for (_, file) in sources.files() {
        let tokens = code_tokens(&file.text);
        for at in 0..tokens.len() {
            let rest = &tokens[at..];
            // Another attribute may have an argument of that name.
            if let Some(length) = attribute(rest)
                && rest.get(2).is_some_and(|name| name == "path" || name == "cfg_attr")
            {
                let paths = rest[..length].windows(3);
                for path in paths.filter(|part| part[0] == "path" && part[1] == "=") {
                    if !stays_in_folder(&file.name, &path[2]) {
                        found.push(format!("{} has #[path = {}]", file.name, path[2]));
                    }
                }
            }
            if let [include, mark, argument @ ..] = rest
                && include == "include"
                && mark == "!"
                && !is_of_build_script(argument)
            {
                found.push(format!("{} has include! of a source", file.name));
            }
        }
    }
    found
}

/// Whether a literal names a file in the directory of the file `name`, and of the same directory of
/// the root.
fn stays_in_folder(name: &str, literal: &str) -> bool {
    let Some(path) = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
    let target = if parent.is_empty() { path.to_owned() } else { format!("{parent}/{path}") };
    let leads_out = path.starts_with('/') || path.contains('\\') || path.contains("..");
    !leads_out && folder(&target) == folder(name)
}

/// Whether the argument of `include!` is `concat!(env!("OUT_DIR"), …)`.
fn is_of_build_script(argument: &[String]) -> bool {
    const BEGIN: [&str; 8] = ["(", "concat", "!", "(", "env", "!", "(", "\"OUT_DIR\""];
    let end = balanced(argument, "(", ")");
    argument.iter().zip(BEGIN).filter(|(token, expected)| token == expected).count() == BEGIN.len()
        && !argument[..end].iter().any(|token| token.contains(".."))
}
