//! Each link of the documentation leads somewhere, and each page is in the table of contents.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use book::{anchors, links, pages, root};

fn read(page: &Path) -> String {
    fs::read_to_string(root().join(page)).expect("a page")
}

/// What is wrong with the link, if anything is.
fn fault(page: &Path, target: &str) -> Option<&'static str> {
    if target.starts_with("https://") {
        return None;
    }
    if target.contains(':') {
        return Some("neither https nor a file");
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if path.is_empty() {
        page.to_path_buf()
    } else {
        page.parent().expect("a folder").join(path)
    };
    if !root().join(&file).exists() {
        return Some("no such file");
    }
    if root().join(&file).is_dir() {
        return Some("a directory, which the site cannot show");
    }
    let is_page = file.extension().is_some_and(|extension| extension == "md");
    if anchor.is_empty() || (is_page && anchors(&read(&file)).iter().any(|a| a == anchor)) {
        return None;
    }
    Some("no such heading")
}

#[test]
fn each_link_leads_to_a_file_and_a_heading() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages(&root()).expect("pages") {
        for link in links(&read(&page)) {
            count += 1;
            if let Some(fault) = fault(&page, &link.target) {
                wrong.push(format!("{}: {}: {fault}", page.display(), link.target));
            }
        }
    }
    assert!(count > 100, "{count} links");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = Path::new("docs/STYLE.md");
    for (target, is_right) in [
        ("README.md", true),
        ("../README.md#versions", true),
        ("#terms", true),
        ("https://nginx.org/", true),
        ("nowhere.md", false),
        ("../nginx-conf", false),
        ("README.md#nowhere", false),
        ("#nowhere", false),
        ("http://nginx.org/", false),
    ] {
        assert_eq!(fault(page, target).is_none(), is_right, "{target}");
    }
}

#[test]
fn each_page_is_in_the_table_of_contents_once() {
    let summary = Path::new("docs/SUMMARY.md");
    let listed: Vec<PathBuf> =
        links(&read(summary)).iter().map(|link| Path::new("docs").join(&link.target)).collect();
    let distinct: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(distinct.len(), listed.len(), "a page is listed twice");
    let pages: BTreeSet<_> = pages(&root())
        .expect("pages")
        .into_iter()
        .filter(|page| page.starts_with("docs") && page != summary)
        .collect();
    assert_eq!(distinct, pages);
}

/// For those who read the files without the book: the same pages, in the same order.
#[test]
fn first_page_lists_each_page_of_the_table_of_contents() {
    let targets = |text: &str| -> Vec<String> {
        let links = links(text).into_iter().map(|link| link.target);
        // Those of the first level are the first page itself, and the style.
        links.filter(|target| target.contains('/')).collect()
    };
    let first = read(Path::new("docs/README.md"));
    let (_, all_pages) = first.split_once("## All pages").expect("its list of pages");
    assert_eq!(targets(all_pages), targets(&read(Path::new("docs/SUMMARY.md"))));
}

#[test]
fn readme_has_at_most_10_kilobytes() {
    let size = read(Path::new("README.md")).len();
    assert!(size <= 10_000, "{size} bytes");
}
