//! Builds the documentation as a site: `docs/` with mdBook, into `build/docs`.
//!
//! Links of a page may lead to files of the repository that are not pages, such as a configuration.
//! They are copied, and the links lead to the copies.

#![forbid(unsafe_code)]

use std::{
    error::Error,
    fs,
    path::{Component, Path, PathBuf},
    process::ExitCode,
};

use book::{links, pages, root};
use mdbook_driver::MDBook;

/// Where files that are not pages are copied to, in the book.
const FILES: &str = "files";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match build(&root()) {
        Ok(site) => {
            println!("{}", site.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: the documentation is not built: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the site, and returns its first page.
fn build(root: &Path) -> Result<PathBuf> {
    let source = tempfile::tempdir()?;
    for page in pages(root)? {
        let Ok(name) = page.strip_prefix("docs") else { continue };
        let text = read(&root.join(&page))?;
        write(&source.path().join(name), &with_copies(root, source.path(), &page, &text)?)?;
    }
    copy_folder(&root.join("docs/images"), &source.path().join("images"))?;
    let site = root.join("build/docs");
    let mut book = MDBook::load_with_config(
        source.path(),
        mdbook_driver::config::Config::from_disk(root.join("docs/book.toml"))?,
    )?;
    book.config.build.build_dir = std::path::absolute(&site)?;
    book.build()?;
    Ok(fs::canonicalize(site)?.join("index.html"))
}

/// The page with links to copies of what is outside of the book.
fn with_copies(root: &Path, source: &Path, page: &Path, text: &str) -> Result<String> {
    let mut result = text.to_owned();
    // From the end, so that what is replaced moves nothing that is still to come.
    for link in links(text).into_iter().rev() {
        let Some(file) = outside_of_book(page, &link.target) else { continue };
        let copy = Path::new(FILES).join(&file);
        if root.join(&file).is_dir() {
            copy_folder(&root.join(&file), &source.join(&copy))?;
        } else {
            write(&source.join(&copy), &read(&root.join(&file))?)?;
        }
        let depth = page.components().count().saturating_sub(2);
        let target = format!("{}{}", "../".repeat(depth), copy.display());
        let old = &text[link.range.clone()];
        result.replace_range(link.range, &old.replace(&link.target, &target));
    }
    Ok(result)
}

/// The file, from the root of the repository, that a link of a page leads to, if it is one and not
/// in `docs`.
fn outside_of_book(page: &Path, target: &str) -> Option<PathBuf> {
    if target.contains("://") || target.starts_with('#') || target.starts_with("mailto:") {
        return None;
    }
    let path = target.split('#').next().unwrap_or_default();
    let mut file = page.parent()?.to_path_buf();
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir => _ = file.pop(),
            Component::Normal(name) => file.push(name),
            _ => {}
        }
    }
    (!file.starts_with("docs")).then_some(file)
}

fn read(file: &Path) -> Result<String> {
    Ok(fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let entries = fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::create_dir_all(to)?;
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(file, text)?)
}
