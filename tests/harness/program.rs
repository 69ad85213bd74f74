//! `firehose-router` as a process of its own.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::process::{Process, children};
use crate::{Folder, Result, SOON, ensure, log};

/// The program, and what it says. It is killed when this is dropped, with all that it has started.
#[derive(Debug)]
pub struct Program {
    process: Process,
    folder: Folder,
}

/// The program: what `FIREHOSE_ROUTER` names, or what `make` has built.
///
/// # Errors
///
/// Where there is none.
pub fn firehose_router() -> Result<PathBuf> {
    let path = match std::env::var_os("FIREHOSE_ROUTER") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../build/firehose-router"),
    };
    path.canonicalize().map_err(|error| {
        format!(
            "no firehose-router at {} ({error}): run make firehose-router first, or set \
             FIREHOSE_ROUTER to it",
            path.display()
        )
        .into()
    })
}

impl Program {
    /// Starts it with these arguments and variables, of which it has no others of its own.
    ///
    /// # Errors
    ///
    /// Where there is no such program.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        Self::start_by(&[], arguments, variables)
    }

    /// Starts it by another program, which must become this one: these words stand before its own.
    ///
    /// # Errors
    ///
    /// Where there is no such program.
    pub fn start_by(by: &[&str], arguments: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        let folder = Folder::new("firehose-router")?;
        let output = File::create(folder.path().join("output.log"))?;
        let mut command = match by {
            [] => Command::new(firehose_router()?),
            [program, words @ ..] => {
                let mut command = Command::new(program);
                command.args(words).arg(firehose_router()?);
                command
            }
        };
        let ours = std::env::vars_os().map(|(name, _)| name).filter(|name| {
            let name = name.to_string_lossy();
            ["ETCD_", "FIREHOSE_", "ANNOUNCE_", "DOCKER_", "COREOS_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        });
        for name in ours {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .envs(variables.iter().copied())
            .stdout(output.try_clone()?)
            .stderr(output);
        Ok(Self { process: Process::spawn(&mut command)?, folder })
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// What it started that still runs.
    ///
    /// # Errors
    ///
    /// Those of `/proc`.
    pub fn children(&self) -> Result<Vec<i32>> {
        children(self.pid(), "")
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub fn signal(&self, what: Signal) -> Result<()> {
        self.process.signal(what)
    }

    /// What it has said, on both outputs, and what its children have.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("output.log")).unwrap_or_default()
    }

    /// Its lines that contain this.
    pub fn log_lines(&self, text: &str) -> Vec<String> {
        log::lines(&self.log(), text)
    }

    /// Waits for a line that contains this, and gives the first.
    ///
    /// # Errors
    ///
    /// Where none comes soon.
    pub async fn wait_for_log(&self, text: &str) -> Result<String> {
        log::wait_for_line(text, || self.log()).await
    }

    /// Waits until so many of its lines contain this.
    ///
    /// # Errors
    ///
    /// Where fewer come soon, or there are more.
    pub async fn wait_for_log_lines(&self, text: &str, count: usize) -> Result<()> {
        log::wait_for_lines(text, count, || self.log()).await
    }

    /// Whether it has not ended.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.process.ended()?.is_none())
    }

    /// Waits until it has ended, and gives its exit code, or 128 and the number of its signal.
    ///
    /// # Errors
    ///
    /// Where it does not end in time.
    pub async fn ended(&mut self, deadline: Duration) -> Result<i32> {
        let status = self
            .process
            .wait(deadline)
            .await
            .map_err(|error| format!("{error}; {}", self.log()))?;
        Ok(code(status))
    }

    /// Kills it: nothing that it has started is told.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub async fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        ensure!(self.ended(SOON).await? == 128 + Signal::SIGKILL as i32, "it had ended");
        Ok(())
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("firehose-router has said:\n{}", self.log());
        }
        // What it starts is in groups of their own.
        for child in self.children().unwrap_or_default() {
            let _ = killpg(Pid::from_raw(child), Signal::SIGKILL);
        }
    }
}
