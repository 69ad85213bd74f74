//! What the image says about itself: its labels, and the files about what it contains.

use harness::*;

#[test]
fn labels_name_version_commit_license_and_base() -> Result<()> {
    let image = image("TEST_IMAGE")?;
    let label = |name: &str| {
        let template = format!("{{{{index .Config.Labels \"org.opencontainers.image.{name}\"}}}}");
        docker(&["image", "inspect", "-f", &template, &image])
    };
    assert_eq!(label("title")?, "firehose-router");
    assert_eq!(label("version")?, env!("CARGO_PKG_VERSION"));
    assert_eq!(label("licenses")?, "Apache-2.0");
    assert_eq!(label("revision")?, self::image("TEST_REVISION")?);
    assert_eq!(label("base.name")?, self::image("TEST_BASE")?);
    let description = label("description")?;
    assert!(description.starts_with("Routes HTTP and WebSocket"), "{description}");
    Ok(())
}

#[test]
fn licenses_and_sbom_are_in_the_image() -> Result<()> {
    let image = image("TEST_IMAGE")?;
    let read = |name: &str| {
        let path = format!("/usr/share/doc/firehose-router/{name}");
        docker(&["run", "--rm", "--entrypoint", "cat", &image, &path])
    };
    let licenses = read("third-party.txt")?;
    assert!(licenses.contains("\ntokio 1."), "{}", licenses.get(..1000).unwrap_or(&licenses));
    let sbom: serde_json::Value = serde_json::from_str(&read("sbom.cdx.json")?)?;
    assert_eq!(sbom["bomFormat"], "CycloneDX");
    assert_eq!(sbom["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    Ok(())
}
