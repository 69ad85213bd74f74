//! The command whose life is bound to the key.

use std::{
    env, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{AccessFlags, Pid, access, getpid},
};
use tokio::{process::Child, time::timeout};

use super::messages;
use crate::{
    bound,
    child::{ended, exit_code, reap_orphans},
    etcd::PASSWORD_VARIABLE,
};

/// The process, if there is a command.
pub(super) struct Command {
    child: Option<Child>,
    /// How it ended.
    status: Option<ExitStatus>,
}

impl Command {
    /// Starts it, in a process group of its own: what the terminal sends goes to the announcer, who
    /// lets the router know first. If the announcer is killed, it is told to end: nobody would
    /// announce it any more, and the next announcer starts another one.
    ///
    /// # Errors
    ///
    /// Where it cannot be started: the code that a shell would exit with.
    pub(super) fn start(words: &[PathBuf]) -> Result<Self, (io::Error, ExitCode)> {
        let [program, arguments @ ..] = words else {
            return Ok(Self { child: None, status: None });
        };
        let failed = |error: io::Error| {
            // As shells have it.
            let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            (error, ExitCode::from(code))
        };
        check_program(program).map_err(failed)?;
        let mut command = std::process::Command::new(program);
        command.args(arguments).env_remove(PASSWORD_VARIABLE);
        let mut bound = bound::command(&command, Signal::SIGTERM, false);
        bound.process_group(0);
        let child = tokio::process::Command::from(bound).spawn().map_err(failed)?;
        Ok(Self { child: Some(child), status: None })
    }

    fn pid(&self) -> Option<Pid> {
        self.child.as_ref()?.id().map(|pid| Pid::from_raw(pid.cast_signed()))
    }

    /// Hands a signal on. Says whether there is somebody to get it.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        self.pid().is_some_and(|pid| kill(pid, signal).is_ok())
    }

    /// Waits until it has ended by itself; for ever, where there is none.
    pub(super) async fn ended(&mut self) {
        match &mut self.child {
            Some(child) if self.status.is_none() => {
                self.status = Some(child.wait().await.unwrap_or_default());
                if let Some(status) = self.status {
                    tracing::info!("{}", messages::command_ended(&ended(status)));
                }
            }
            _ => std::future::pending().await,
        }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.status.is_some()
    }

    /// Ends it: told to first, and killed after `limit`. Returns the code to exit with: its own, or
    /// 0 where there is none.
    pub(super) async fn end(mut self, limit: Duration) -> ExitCode {
        if self.child.is_none() {
            return ExitCode::SUCCESS;
        }
        if self.status.is_none() {
            self.signal(Signal::SIGTERM);
            if timeout(limit, self.ended()).await.is_err() {
                tracing::warn!("{}", messages::command_is_killed(limit));
                self.signal(Signal::SIGKILL);
                self.ended().await;
            }
        }
        self.status.map_or(ExitCode::FAILURE, exit_code)
    }

    /// As the first process of a container: waits for the processes that were left to it.
    pub(super) fn reap_orphans(&self) {
        let own = self.pid();
        if getpid() == Pid::from_raw(1) {
            reap_orphans(|pid| own == Some(pid));
        }
    }
}

/// That there is such a program, as `execvp` looks for one: before it is started, since it is
/// started by another one.
fn check_program(program: &Path) -> io::Result<()> {
    let is_executable = |path: &Path| -> io::Result<()> {
        if path.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(access(path, AccessFlags::X_OK)?)
    };
    if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        return is_executable(program);
    }
    let mut result = Err(io::ErrorKind::NotFound.into());
    for folder in env::split_paths(&env::var_os("PATH").unwrap_or_default()) {
        match is_executable(&folder.join(program)) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            error => result = error,
        }
    }
    result
}
