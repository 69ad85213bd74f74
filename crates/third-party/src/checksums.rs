//! The checksums of crates in `Cargo.lock`, as cargo writes it: one field a line.

use std::collections::BTreeMap;

use crate::tree::Name;

/// SHA-256 of each crate's archive at crates.io, in hexadecimal digits.
pub fn checksums(lock: &str) -> BTreeMap<Name, String> {
    let field = |package: &str, name: &str| {
        let value = |line: &str| {
            line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
        };
        package.lines().find_map(value)
    };
    let packages = lock.split("[[package]]").skip(1);
    let checksum = |package| {
        let name = (field(package, "name")?, field(package, "version")?);
        Some((name, field(package, "checksum")?))
    };
    packages.filter_map(checksum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_the_workspace_have_none() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                    checksum = \"00ff\"\ndependencies = [\n \"b\",\n]\n\n\
                    [[package]]\nname = \"b\"\nversion = \"0.1.0\"\n";
        let name = ("a".to_owned(), "1.0.0".to_owned());
        assert_eq!(checksums(lock), BTreeMap::from([(name, "00ff".to_owned())]));
    }
}
