//! A node that is a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::Process;
use crate::{Folder, Result, SOON, ensure, eventually};

/// `demo-node` as a process, for more connections than this one may have descriptors for. Killed
/// when it is dropped.
#[derive(Debug)]
pub struct NodeProcess {
    name: String,
    address: String,
    _process: Process,
}

/// The program: what `DEMO_NODE` names, or what `make` has built.
fn program() -> Result<PathBuf> {
    let path = match std::env::var_os("DEMO_NODE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../build/demo-node"),
    };
    path.canonicalize().map_err(|error| {
        format!(
            "no demo-node at {} ({error}): run make demo-node first, or set DEMO_NODE to it",
            path.display()
        )
        .into()
    })
}

impl NodeProcess {
    /// Starts one on a free port of 127.0.0.1, and waits until it listens.
    ///
    /// # Errors
    ///
    /// When there is no such program, or it ends.
    pub async fn start(name: &str) -> Result<Self> {
        let folder = Folder::new("demo-node")?;
        let output = folder.write("address", "")?;
        let mut command = Command::new(program()?);
        command
            .args(["--listen", "127.0.0.1:0", "--name", name])
            .stdout(Stdio::from(std::fs::File::options().write(true).open(&output)?));
        let mut process = Process::spawn(&mut command)?;
        let address = eventually(SOON, &format!("{name} listens"), async || {
            if process.ended()?.is_some() {
                return Ok(String::new());
            }
            let text = std::fs::read_to_string(&output)?;
            Ok(text.strip_suffix('\n').ok_or("it says nothing yet")?.to_owned())
        })
        .await?;
        ensure!(!address.is_empty(), "{name} has ended");
        Ok(Self { name: name.to_owned(), address, _process: process })
    }

    /// The name that it answers with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens; what nginx and etcd take.
    pub fn address(&self) -> &str {
        &self.address
    }
}
