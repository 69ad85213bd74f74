//! Writes about the crates of others in the module and the program to standard output: with the
//! argument `licenses` the texts of their licenses, with `sbom` their software bill of materials.

#![forbid(unsafe_code)]

use std::{
    fs,
    io::{self, Write as _},
};

use third_party::{Crates, SHIPPED, Tree, checksums, report, sbom};

fn main() -> io::Result<()> {
    let crates = Crates::of_workspace()?;
    let text = match std::env::args().nth(1).as_deref() {
        Some("licenses") => {
            report(&crates.foreign_in(&Tree::contained_in(&SHIPPED)?)?)?.into_bytes()
        }
        Some("sbom") => {
            let lock =
                fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"))?;
            sbom("firehose-router", &Tree::linked_into(&SHIPPED)?, &crates, &checksums(&lock))?
        }
        _ => return Err(io::Error::other("usage: third-party licenses|sbom")),
    };
    io::stdout().write_all(&text)
}
