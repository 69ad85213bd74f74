//! Which pages there are.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The repository's directory.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Markdown files at the top of a directory and, below `docs` and `findings`, at any depth;
/// each by its path from that directory, in the order of their names.
///
/// # Errors
///
/// If a directory cannot be read.
pub fn pages(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    let mut folders = vec![PathBuf::from("docs"), PathBuf::from("findings")];
    collect(root, Path::new(""), &mut pages, &mut Vec::new())?;
    while let Some(folder) = folders.pop() {
        collect(root, &folder, &mut pages, &mut folders)?;
    }
    pages.sort_unstable();
    Ok(pages)
}

fn collect(
    root: &Path,
    folder: &Path,
    pages: &mut Vec<PathBuf>,
    folders: &mut Vec<PathBuf>,
) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            folders.push(path);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    Ok(())
}
