//! What holds for the crates of others: see `deny.toml`.

use std::{collections::BTreeMap, io, path::Path};

use third_party::{Crate, Crates, Deny, SHIPPED, Tree, is_allowed, report};

fn crates() -> Crates {
    Crates::of_workspace().expect("cargo knows the crates")
}

/// Those of others that are in a tree.
fn foreign(crates: &Crates, tree: io::Result<Tree>) -> Vec<&Crate> {
    crates.foreign_in(&tree.expect("cargo knows them")).expect("cargo knows them")
}

fn deny() -> Deny {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deny.toml");
    Deny::parse(&std::fs::read_to_string(file).expect("the file"))
}

#[test]
fn each_license_is_in_the_list() {
    let (crates, deny) = (crates(), deny());
    let mut wrong = Vec::new();
    let mut count = 0;
    for found in foreign(&crates, Tree::of_workspace()) {
        count += 1;
        let license = found.license.as_deref().unwrap_or_default();
        if !matches!(is_allowed(license, &deny.licenses), Ok(true)) {
            wrong.push(format!("{} {}: \"{license}\"", found.name, found.version));
        }
    }
    assert!(count > 100, "{count} crates");
    assert!(wrong.is_empty(), "deny.toml does not allow these:\n{}", wrong.join("\n"));
}

#[test]
fn each_duplicate_is_in_the_list() {
    let (crates, deny) = (crates(), deny());
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for found in foreign(&crates, Tree::of_workspace()) {
        versions.entry(&found.name).or_default().push(&found.version);
    }
    let number = |version: &&str| {
        let numbers = version.split(['.', '-', '+']).map_while(|part| part.parse::<u64>().ok());
        numbers.collect::<Vec<_>>()
    };
    let mut older = Vec::new();
    for (name, versions) in &mut versions {
        versions.sort_by_key(number);
        versions.pop();
        older.extend(versions.iter().map(|version| (*name, *version)));
    }
    let is_unknown = |(name, version): &&(&str, &str)| !deny.allows_duplicate(name, version);
    let unknown: Vec<_> = older.iter().filter(is_unknown).collect();
    assert!(unknown.is_empty(), "deny.toml does not have these duplicates: {unknown:?}");
    let alone = |duplicate: &&(String, String)| {
        let deny = Deny { licenses: Vec::new(), duplicates: vec![(*duplicate).clone()] };
        !older.iter().any(|(name, version)| deny.allows_duplicate(name, version))
    };
    let unused: Vec<_> = deny.duplicates.iter().filter(alone).collect();
    assert!(unused.is_empty(), "these duplicates of deny.toml are no longer there: {unused:?}");
}

#[test]
fn report_has_each_contained_crate_with_its_text() {
    let crates = crates();
    let contained = foreign(&crates, Tree::contained_in(&SHIPPED));
    let report = report(&contained).expect("each crate has a text");
    assert!(report.contains("\ntokio "), "{}", &report[..2000]);
    assert!(report.contains("Permission is hereby granted"));
    let tests_only = ["criterion", "mdbook-core", "proptest", "third-party"];
    for name in tests_only {
        assert!(!report.contains(&format!("\n{name} ")), "{name} is not contained");
    }
}
