//! The links of the site as it was built.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The links of a site's pages that lead to no file of the site, or to no place in a page. Links to
/// other sites are not followed.
///
/// # Errors
///
/// If the site cannot be read.
pub(crate) fn dead_links(site: &Path) -> io::Result<Vec<String>> {
    let mut pages = BTreeMap::new();
    collect(site, &mut pages)?;
    let mut dead = Vec::new();
    for (page, html) in &pages {
        // The whole book on one page, for printing: its anchors are those of all pages.
        if page.ends_with("print.html") {
            continue;
        }
        for link in attributes(html, "href").chain(attributes(html, "src")) {
            // One that begins with a slash leads to the root of whatever serves the site.
            if link.contains(':') || link.starts_with('/') {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if path.is_empty() {
                page.clone()
            } else {
                normalized(&page.parent().unwrap_or(site).join(path))
            };
            let has_anchor = || {
                anchor.is_empty()
                    || pages
                        .get(&file)
                        .is_none_or(|html| attributes(html, "id").any(|id| id == anchor))
            };
            if !file.is_file() || !has_anchor() {
                let page = page.strip_prefix(site).unwrap_or(page);
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    Ok(dead)
}

fn collect(folder: &Path, pages: &mut BTreeMap<PathBuf, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            pages.insert(path.clone(), fs::read_to_string(path)?);
        }
    }
    Ok(())
}

/// The values of an attribute in a page.
fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!(" {name}=\"");
    let values: Vec<&str> = html
        .split(begin.as_str())
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|value| !value.is_empty())
        .collect();
    values.into_iter()
}

/// The path without `..`.
fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => _ = result.pop(),
            std::path::Component::CurDir => {}
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::dead_links;

    #[test]
    fn dead_links_of_a_site_are_found() {
        let site = tempfile::tempdir().expect("a folder");
        let page = "<h1 id=\"top\"></h1> <a href=\"a/b.html#x\"></a> <a href=\"#top\"></a> \
                    <a href=\"https://nginx.org/\"></a>";
        fs::create_dir(site.path().join("a")).expect("a folder");
        fs::write(site.path().join("a/b.html"), "<p id=\"x\"></p> <a href=\"../index.html\">")
            .expect("written");
        fs::write(site.path().join("index.html"), page).expect("written");
        assert_eq!(dead_links(site.path()).expect("read"), [""; 0]);
        let wrong = " <a href=\"none.html\"></a> <a href=\"a/b.html#y\"></a> <a href=\"#z\"></a>";
        fs::write(site.path().join("index.html"), format!("{page}{wrong}")).expect("written");
        assert_eq!(
            dead_links(site.path()).expect("read"),
            ["index.html: none.html", "index.html: a/b.html#y", "index.html: #z"]
        );
    }
}
