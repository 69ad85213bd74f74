//! Builds the documentation as a site with mdBook, into `build/docs`, and checks its links.
//!
//! Pages of `docs/` link to files elsewhere in the repository. Of these, Markdown files become
//! pages of the site, and others are copied.

#![forbid(unsafe_code)]

mod layout;
mod site;

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use book::{links, pages, root};
use mdbook_driver::{MDBook, config::Config};

use crate::layout::{is_page, place, repository_file, target_from};

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
    let others = copy_pages(root, source.path())?;
    add_to_summary(&source.path().join("SUMMARY.md"), &others)?;
    for picture in fs::read_dir(root.join("docs/images"))? {
        let picture = picture?;
        let copy = source.path().join("images").join(picture.file_name());
        write(&copy, &read(&picture.path())?)?;
    }
    let site = std::path::absolute(root.join("build/docs"))?;
    let mut config = Config::from_disk(root.join("docs/book.toml"))?;
    config.build.build_dir.clone_from(&site);
    MDBook::load_with_config(source.path(), config)?.build()?;
    let dead = site::dead_links(&site)?;
    if !dead.is_empty() {
        return Err(format!("dead links:\n{}", dead.join("\n")).into());
    }
    Ok(fs::canonicalize(site)?.join("index.html"))
}

/// Copies the pages of `docs/` and all files that they lead to, with links between the copies.
/// Returns the pages that are not in `docs/`.
fn copy_pages(root: &Path, source: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut files: Vec<PathBuf> =
        pages(root)?.into_iter().filter(|page| page.starts_with("docs")).collect();
    let mut seen: BTreeSet<PathBuf> = files.iter().cloned().collect();
    while let Some(file) = files.pop() {
        let bytes = read(&root.join(&file))?;
        if !is_page(&file) {
            write(&source.join(place(&file)), &bytes)?;
            continue;
        }
        let text =
            String::from_utf8(bytes).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut copy = text.clone();
        // From the end, so that a change moves nothing that is still to come.
        for link in links(&text).into_iter().rev() {
            let Some(target) = repository_file(&file, &link.target) else { continue };
            let new = target_from(&file, &target, &link.target);
            // A reference stands apart from its definition, which keeps its target.
            let old = &text[link.range.clone()];
            copy.replace_range(link.range, &old.replace(&link.target, &new));
            if seen.insert(target.clone()) {
                files.push(target);
            }
        }
        write(&source.join(place(&file)), copy.as_bytes())?;
    }
    Ok(seen.into_iter().filter(|file| is_page(file) && !file.starts_with("docs")).collect())
}

/// Adds pages to the end of the table of contents, without which mdBook does not make them.
fn add_to_summary(summary: &Path, others: &BTreeSet<PathBuf>) -> Result<()> {
    let mut text = fs::read_to_string(summary)?;
    for page in others {
        text += &format!("\n[{}]({})\n", page.display(), place(page).display());
    }
    Ok(fs::write(summary, text)?)
}

/// Reads a file of any kind: a picture need not be text.
fn read(file: &Path) -> Result<Vec<u8>> {
    Ok(fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?)
}

fn write(file: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(file, content)?)
}
