//! Writes the licenses of all crates that the module and the program contain to standard output.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};

use third_party::{Crates, report};

fn main() -> io::Result<()> {
    let crates = Crates::of_workspace()?;
    let contained = crates.contained_in(&["ngx-http-upstream-etcd-module", "firehose-router"]);
    io::stdout().write_all(report(&contained)?.as_bytes())
}
