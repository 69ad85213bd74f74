//! Parts of the documentation that are made from tables in the code. A test of the crate that has
//! the table compares them, and writes them if `WRITE_DOCS` is set, as `make docs` does.
//!
//! A part stands between two lines of a Markdown file:
//!
//! ```text
//! <!-- begin generated: NAME -->
//! <!-- end generated: NAME -->
//! ```

#![forbid(unsafe_code)]

use std::{env, fmt::Write as _, fs, path::Path};

/// The variable that says to write the parts, and not to compare them.
const WRITE: &str = "WRITE_DOCS";

/// A part: its name, and its text, which ends with a line break.
pub type Part = (String, String);

/// Compares the generated parts of a file of the repository with `parts`, or writes them.
///
/// # Panics
///
/// If a part differs, is missing in the file, or is there and not among `parts`.
pub fn check(file: &str, parts: &[Part]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    check_file(&path, parts, env::var_os(WRITE).is_some());
}

/// As [`check`], for a file that is generated as a whole. It need not be there to be written.
///
/// # Panics
///
/// If the file differs.
pub fn check_whole(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return;
    }
    write_or_fail(&path, text, env::var_os(WRITE).is_some());
}

fn write_or_fail(path: &Path, text: &str, writes: bool) {
    let file = path.display();
    assert!(writes, "{file} differs from the tables in the code: run \"make docs\"");
    fs::write(path, text).unwrap_or_else(|error| panic!("{file}: {error}"));
}

fn check_file(path: &Path, parts: &[Part], writes: bool) {
    let file = path.display();
    let old = fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let new = with_parts(&old, parts).unwrap_or_else(|error| panic!("{file}: {error}"));
    if new != old {
        write_or_fail(path, &new, writes);
    }
}

/// The text with these parts in their places.
fn with_parts(text: &str, parts: &[Part]) -> Result<String, String> {
    let mut result = String::new();
    let mut lines = text.lines();
    let mut names = Vec::new();
    while let Some(line) = lines.next() {
        let _ = writeln!(result, "{line}");
        let Some(name) = marked(line, "begin") else { continue };
        let (_, part) = parts
            .iter()
            .find(|(part, _)| part == name)
            .ok_or_else(|| format!("nothing is generated for \"{name}\""))?;
        result += part;
        let end = lines
            .by_ref()
            .find(|line| marked(line, "end") == Some(name))
            .ok_or_else(|| format!("\"{name}\" has no end"))?;
        let _ = writeln!(result, "{end}");
        names.push(name);
    }
    match parts.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        Some((name, _)) => Err(format!("no line \"<!-- begin generated: {name} -->\"")),
        None => Ok(result),
    }
}

/// The name in a line that marks the begin or the end of a part.
fn marked<'a>(line: &'a str, what: &str) -> Option<&'a str> {
    line.strip_prefix("<!-- ")?
        .strip_prefix(what)?
        .strip_prefix(" generated: ")?
        .strip_suffix(" -->")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Part, check_file, with_parts};

    fn parts(parts: &[(&str, &str)]) -> Vec<Part> {
        parts.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    const TEXT: &str = "a\n<!-- begin generated: x -->\nold\n<!-- end generated: x -->\nb\n";

    #[test]
    fn a_part_is_replaced_in_its_place() {
        assert_eq!(
            with_parts(TEXT, &parts(&[("x", "new\nlines\n")])).expect("replaced"),
            "a\n<!-- begin generated: x -->\nnew\nlines\n<!-- end generated: x -->\nb\n"
        );
    }

    #[test]
    fn what_has_no_place_or_no_text_is_an_error() {
        for (text, given) in [
            (TEXT, parts(&[])),
            (TEXT, parts(&[("x", ""), ("y", "")])),
            ("<!-- begin generated: x -->\n", parts(&[("x", "")])),
        ] {
            assert!(with_parts(text, &given).is_err(), "{text} {given:?}");
        }
    }

    #[test]
    fn a_file_is_written_only_if_that_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("page.md");
        fs::write(&file, TEXT).expect("written");
        let new = parts(&[("x", "new\n")]);
        let refused = std::panic::catch_unwind(|| check_file(&file, &new, false));
        assert!(refused.is_err());
        assert_eq!(fs::read_to_string(&file).expect("read"), TEXT);
        check_file(&file, &new, true);
        check_file(&file, &new, false);
    }
}
