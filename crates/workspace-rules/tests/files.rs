//! What holds for every file of Rust: its length, and the names of its tests.

use std::path::{Path, PathBuf};

use workspace_rules::test_names;

const MOST_LINES: usize = 400;

/// A name says the subject and what is expected of it.
const FEWEST_WORDS: usize = 3;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The name and the text of each file.
fn files() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for folder in ["src", "crates", "benches", "tests", "fuzz"] {
        rust_files(&root().join(folder), &mut paths);
    }
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        (name, std::fs::read_to_string(&path).expect("a text"))
    };
    paths.into_iter().map(read).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                rust_files(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let mut long = Vec::new();
    for (name, text) in files() {
        let lines = text.lines().count();
        if lines > MOST_LINES {
            long.push(format!("{name}: {lines} lines"));
        }
    }
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

/// The names of tests that have too few words.
fn short_names(text: &str) -> Vec<String> {
    let is_short =
        |name: &String| name.split('_').filter(|word| !word.is_empty()).count() < FEWEST_WORDS;
    test_names(text).into_iter().filter(is_short).collect()
}

#[test]
fn names_of_tests_have_three_words() {
    let mut short = Vec::new();
    for (file, text) in files() {
        short.extend(short_names(&text).into_iter().map(|name| format!("{file}: {name}")));
    }
    assert!(short.is_empty(), "name the subject and what is expected of it:\n{}", short.join("\n"));
}

#[test]
fn a_short_name_of_a_test_is_found() {
    for planted in [
        "#[test] fn two_words() {}",
        "#[test]\nfn two_words_() {}",
        "#[tokio::test] async fn two_words() -> Result<()> { Ok(()) }",
        "#[tokio::test(start_paused = true)] async fn two_words() {}",
        "#[test] #[ignore = \"slow\"] fn two_words() {}",
        "#[cfg(unix)] #[test] pub(crate) fn two_words() {}",
        "#[test] /* why */ #[should_panic] fn two_words() {}",
        "proptest! { #[test] fn two_words(a in 0..3) { check(a)?; } }",
        "#[cfg(test)] mod tests { #[test] fn it_has_three_words() {} #[test] fn two_words() {} }",
    ] {
        assert_eq!(short_names(planted).len(), 1, "{planted}");
    }
}

#[test]
fn other_short_names_are_not_found() {
    for planted in [
        "#[test] fn it_has_words() {}",
        "#[cfg(test)] fn helper() {}",
        "fn helper() {} #[test] fn it_has_words() { fn helper() {} }",
        "const TEXT: &str = \"#[test] fn helper() {}\";",
        "// #[test] fn helper() {}",
        "#[cfg_attr(test, derive(Debug))] struct A; fn helper() {}",
    ] {
        assert_eq!(short_names(planted), Vec::<String>::new(), "{planted}");
    }
}
