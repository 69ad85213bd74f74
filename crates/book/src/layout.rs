//! Where files of the repository are in the book.

use std::path::{Component, Path, PathBuf};

/// Where files that are not in `docs` are in the book.
const OTHERS: &str = "repository";

/// Whether a file is a page.
pub(crate) fn is_page(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "md")
}

/// The place of a file of the repository in the book.
pub(crate) fn place(file: &Path) -> PathBuf {
    if let Ok(file) = file.strip_prefix("docs") {
        return file.to_path_buf();
    }
    let place = Path::new(OTHERS).join(file);
    // mdBook makes an index of it, and does not change links to it.
    if file.ends_with("README.md") { place.with_file_name("index.md") } else { place }
}

/// The file of the repository that a link of a page leads to; none if it leads elsewhere, or into
/// the page itself.
pub(crate) fn repository_file(page: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split('#').next().unwrap_or_default();
    if path.is_empty() || target.contains(':') {
        return None;
    }
    let mut file = page.parent()?.to_path_buf();
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir => _ = file.pop(),
            Component::Normal(name) => file.push(name),
            _ => {}
        }
    }
    Some(file)
}

/// The link from one file to another between their places in the book, with the anchor of the
/// link in the repository.
pub(crate) fn target_from(page: &Path, file: &Path, link: &str) -> String {
    let (from, to) = (place(page), place(file));
    let up = "../".repeat(from.components().count().saturating_sub(1));
    let anchor = link.find('#').map_or("", |at| &link[at..]);
    format!("{up}{}{anchor}", to.display())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{place, repository_file, target_from};

    #[test]
    fn links_lead_to_the_same_files_in_the_book() {
        for (page, link, file, in_book) in [
            ("docs/a/b.md", "../c/d.md#e", "docs/c/d.md", "../c/d.md#e"),
            ("docs/a/b.md", "../../x.md#y", "x.md", "../repository/x.md#y"),
            (
                "docs/b.md",
                "../nginx-conf/a.conf",
                "nginx-conf/a.conf",
                "repository/nginx-conf/a.conf",
            ),
            ("x.md", "docs/b.md", "docs/b.md", "../b.md"),
            ("x.md", "a/README.md", "a/README.md", "../repository/a/index.md"),
            ("findings/README.md", "a.sh", "findings/a.sh", "../../repository/findings/a.sh"),
        ] {
            let found = repository_file(Path::new(page), link).expect("a file");
            assert_eq!(found, Path::new(file), "{page} {link}");
            assert_eq!(target_from(Path::new(page), &found, link), in_book, "{page} {link}");
        }
        assert_eq!(repository_file(Path::new("docs/b.md"), "#a"), None);
        assert_eq!(repository_file(Path::new("docs/b.md"), "https://nginx.org/"), None);
        assert_eq!(place(Path::new("docs/a.md")), Path::new("a.md"));
    }
}
