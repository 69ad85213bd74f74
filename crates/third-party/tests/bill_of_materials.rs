//! The software bill of materials that `make sbom` writes.

use std::{collections::BTreeSet, fs};

use cyclonedx_bom::{
    models::bom::{Bom, SpecVersion},
    validation::Validate as _,
};
use serde_json::Value;
use third_party::{Crates, SHIPPED, Tree, checksums, sbom};

fn document() -> Vec<u8> {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let checksums = checksums(&fs::read_to_string(lock).expect("Cargo.lock"));
    let tree = Tree::linked_into(&SHIPPED).expect("cargo knows them");
    let crates = Crates::of_workspace().expect("cargo knows the crates");
    sbom("firehose-router", &tree, &crates, &checksums).expect("a document")
}

fn parsed(document: &[u8]) -> Value {
    serde_json::from_slice(document).expect("JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

#[test]
fn the_document_is_valid_cyclonedx() {
    let document = document();
    let bom = Bom::parse_from_json(document.as_slice()).expect("CycloneDX");
    assert_eq!(bom.spec_version, SpecVersion::V1_5);
    let result = bom.validate_version(SpecVersion::V1_5);
    assert!(result.passed(), "{result:?}");
}

#[test]
fn the_same_sources_make_the_same_document() {
    let first = document();
    assert_eq!(first, document());
    let document = parsed(&first);
    assert_eq!(document.get("serialNumber"), None);
    assert_eq!(document["metadata"].get("timestamp"), None);
}

#[test]
fn only_what_is_linked_is_listed() {
    let document = parsed(&document());
    let listed: BTreeSet<&str> = document["components"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|component| text(&component["name"]))
        .collect();
    assert!(listed.len() > 100, "{} crates", listed.len());
    for name in ["etcd-client", "nginx-sys", "serde_json", "tokio"] {
        assert!(listed.contains(name), "{name} is linked");
    }
    // Macros, what builds, what only tests use, and what is ours.
    let others =
        ["serde_derive", "syn", "bindgen", "cc", "proptest", "regex-automata", "etcd-watch"];
    for name in others {
        assert!(!listed.contains(name), "{name} is not linked");
    }
}

#[test]
fn each_component_can_be_looked_up() {
    let document = parsed(&document());
    let project = &document["metadata"]["component"];
    assert_eq!(project["name"], "firehose-router");
    assert_eq!(project["version"], env!("CARGO_PKG_VERSION"));
    let components = document["components"].as_array().expect("a list");
    let mut references = BTreeSet::from([text(&project["bom-ref"])]);
    for component in components {
        let (name, version) = (text(&component["name"]), text(&component["version"]));
        let purl = text(&component["purl"]);
        assert!(purl.starts_with(&format!("pkg:cargo/{name}@")), "{purl}");
        assert!(component["licenses"][0]["expression"].is_string(), "{name} {version}");
        let hash = &component["hashes"][0];
        assert_eq!(hash["alg"], "SHA-256", "{name} {version}");
        assert_eq!(text(&hash["content"]).len(), 64, "{name} {version}");
        assert!(references.insert(text(&component["bom-ref"])), "{name} {version} is listed twice");
    }
    // Each component has an entry about what it depends on, and that is listed.
    let dependencies = document["dependencies"].as_array().expect("a list");
    let users: BTreeSet<&str> = dependencies.iter().map(|entry| text(&entry["ref"])).collect();
    assert_eq!(users, references);
    for entry in dependencies {
        for used in entry["dependsOn"].as_array().into_iter().flatten() {
            assert!(references.contains(text(used)), "{used}");
        }
    }
}
