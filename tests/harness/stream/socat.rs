//! Nodes that nobody here wrote.

use std::process::{Command, Stdio};

use crate::Result;
use crate::process::Process;

/// A process of `socat`. It is killed when this is dropped, with all that it has started.
#[derive(Debug)]
pub struct Socat {
    _process: Process,
}

impl Socat {
    /// Starts it with two addresses, as socat(1) has them.
    ///
    /// # Errors
    ///
    /// When there is no `socat`.
    pub fn start(addresses: &[&str; 2]) -> Result<Self> {
        let mut command = Command::new("socat");
        command.args(addresses).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { _process: Process::spawn(&mut command)? })
    }
}
