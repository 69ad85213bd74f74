//! The software bill of materials (SBOM): the crates that are linked into what is shipped.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use cyclonedx_bom::{
    external_models::{spdx::SpdxExpression, uri::Purl},
    models::{
        bom::{Bom, SpecVersion},
        component::{Classification, Component, Components},
        dependency::{Dependencies, Dependency},
        hash::{Hash, HashAlgorithm, HashValue, Hashes},
        license::{LicenseChoice, Licenses},
        metadata::Metadata,
    },
};

use crate::{
    Crate, Crates,
    tree::{Name, Tree},
};

/// A document of CycloneDX 1.5 in JSON about these crates, with their checksums. `project` is the
/// one that they are shipped as: the crates of the workspace are parts of it, and not listed. The
/// document depends on nothing else, so that the same commit makes the same one.
pub fn sbom(
    project: &str,
    tree: &Tree,
    crates: &Crates,
    checksums: &BTreeMap<Name, String>,
) -> io::Result<Vec<u8>> {
    let mut versions = tree.names().filter(|(name, _)| name == project);
    let project = versions.next().ok_or_else(|| io::Error::other(format!("no crate {project}")))?;
    let project = crates.get(project)?;
    let mut shipped = component(Classification::Application, project)?;
    let shipped_as = format!("{}@{}", project.name, project.version);
    shipped.bom_ref = Some(shipped_as.clone());

    let mut listed = Vec::new();
    for found in crates.foreign_in(tree)? {
        let mut listing = component(Classification::Library, found)?;
        let purl = purl(found)?;
        listing.bom_ref = Some(purl.to_string());
        listing.purl = Some(purl);
        let checksum = checksums.get(&found.key()).ok_or_else(|| about(found, "no checksum"))?;
        let content = HashValue(checksum.clone());
        listing.hashes = Some(Hashes(vec![Hash { alg: HashAlgorithm::SHA_256, content }]));
        listed.push(listing);
    }

    let mut dependencies = BTreeMap::from([(shipped_as.clone(), BTreeSet::new())]);
    for (user, used) in tree.dependencies() {
        let user = crates.get(user)?;
        let key = if user.is_foreign() { purl(user)?.to_string() } else { shipped_as.clone() };
        let below = dependencies.entry(key).or_default();
        for name in used {
            let found = crates.get(name)?;
            if found.is_foreign() {
                below.insert(purl(found)?.to_string());
            }
        }
    }
    let dependencies = dependencies.into_iter().map(|(dependency_ref, used)| Dependency {
        dependency_ref,
        dependencies: used.into_iter().collect(),
    });

    let document = Bom {
        serial_number: None,
        metadata: Some(Metadata { component: Some(shipped), ..Metadata::default() }),
        components: Some(Components(listed)),
        dependencies: Some(Dependencies(dependencies.collect())),
        ..Bom::default()
    };
    let mut json = Vec::new();
    document.output_as_json(&mut json, SpecVersion::V1_5).map_err(io::Error::other)?;
    json.push(b'\n');
    Ok(json)
}

/// What each component has.
fn component(kind: Classification, found: &Crate) -> io::Result<Component> {
    let license = found.license.clone().ok_or_else(|| about(found, "no license"))?;
    let license = SpdxExpression::parse_lax(license).map_err(|error| about(found, error))?;
    let mut component = Component::new(kind, &found.name, &found.version, None);
    component.licenses = Some(Licenses(vec![LicenseChoice::Expression(license)]));
    Ok(component)
}

fn purl(found: &Crate) -> io::Result<Purl> {
    Purl::new("cargo", &found.name, &found.version).map_err(|error| about(found, error))
}

fn about(found: &Crate, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{} {}: {error}", found.name, found.version))
}
