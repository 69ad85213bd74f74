//! Commands of cargo, and what commands print.

use std::{io, process::Command};

/// A command of cargo for the workspace.
pub fn cargo(command: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    cargo.args([command, "--locked", "--manifest-path", manifest]);
    cargo
}

/// What a command prints.
pub fn output(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}
