//! nginx: what it is built with, whether it takes a configuration, and the one that runs.

use std::{
    cell::Cell,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};

use super::{files::TooFew, messages};
use crate::{bound, etcd::PASSWORD_VARIABLE, messages::quoted_path};

/// The module's file.
const MODULE: &str = "ngx_http_upstream_etcd_module.so";

/// Where nginx is on systems whose PATH has it for root only.
const SYSTEM_FOLDERS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// How long `nginx -t` may take: it resolves names, and a name server may be slow.
const TEST: Duration = Duration::from_secs(60);

/// How long nginx may take from its start until it takes signals.
const STARTS: Duration = Duration::from_secs(20);

/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// How long after settings were refused for what may change by itself they are tried again.
const SOON: Duration = Duration::from_secs(5);

/// The same for what takes more to try, or to change.
const LATER: Duration = Duration::from_secs(60);

/// What is wrong with nginx.
#[derive(Debug, Error)]
pub(crate) enum NginxError {
    #[error(
        "cannot find nginx ({path}): install it, or set --nginx to its path",
        path = quoted_path(.0)
    )]
    NoProgram(PathBuf),
    #[error("cannot run {path}: {1}", path = quoted_path(.0))]
    NotRun(PathBuf, io::Error),
    #[error("{path} -V failed: {1}", path = quoted_path(.0))]
    NoVersion(PathBuf, String),
    #[error(
        "the module is not at {path}: copy it there, or set --module to its path",
        path = quoted_path(.0)
    )]
    NoModule(PathBuf),
    #[error("nginx -t failed: {0}")]
    Refused(String),
    #[error("nginx -t did not finish within {} s", TEST.as_secs())]
    TestHangs,
    #[error("{0}")]
    NoRoom(String),
    #[error("{0}")]
    TooFewFiles(TooFew),
    #[error("a test run of these workers failed: {0}")]
    Trial(String),
}

impl NginxError {
    /// Whether it says something of the settings: nginx does not take them, or not now.
    pub(crate) fn is_refusal(&self) -> bool {
        self.is_of_several()
            || matches!(self, Self::Refused(_) | Self::TestHangs | Self::NoRoom(_) | Self::Trial(_))
    }

    /// Whether another setting can change it.
    pub(crate) fn is_of_several(&self) -> bool {
        matches!(self, Self::NoRoom(_) | Self::TooFewFiles(_))
    }

    /// When the same settings may be taken, if they may be later.
    pub(crate) fn retry(&self) -> Option<Duration> {
        match self {
            // Old workers end as their connections do.
            Self::TooFewFiles(TooFew::Beside { .. }) => Some(SOON),
            Self::TestHangs | Self::NoRoom(_) | Self::Trial(_) => Some(LATER),
            _ => None,
        }
    }
}

/// The program.
#[derive(Debug)]
pub(crate) struct Program {
    file: PathBuf,
    /// The process that tests a configuration just now.
    testing: Cell<Option<Pid>>,
}

impl Program {
    /// The program of this name in PATH and where systems have it for root only, or at this place.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub(crate) fn find(name: &Path) -> Result<Self, NginxError> {
        let is_bare =
            name.components().count() == 1 && !name.as_os_str().to_string_lossy().contains('/');
        let found = if is_bare {
            let path = search_path();
            let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
            candidates.find(|file| file.is_file())
        } else {
            std::path::absolute(name).ok().filter(|file| file.is_file())
        };
        let file = found.ok_or_else(|| NginxError::NoProgram(name.to_owned()))?;
        Ok(Self { file, testing: Cell::new(None) })
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        // A user who may read a process's environment need not find the password there as well.
        command.env_remove(PASSWORD_VARIABLE);
        command.stdin(Stdio::null());
        command
    }

    /// Where this nginx has the module.
    ///
    /// # Errors
    ///
    /// Where it has none, or there is no nginx.
    pub(crate) async fn find_module(&self, named: Option<PathBuf>) -> Result<PathBuf, NginxError> {
        let module = match named {
            Some(module) => std::path::absolute(&module).unwrap_or(module),
            None => {
                let mut command = tokio::process::Command::from(self.command());
                let output = command.arg("-V").kill_on_drop(true).output().await;
                let output =
                    output.map_err(|error| NginxError::NotRun(self.file.clone(), error))?;
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                modules_path(&said)
                    .ok_or_else(|| NginxError::NoVersion(self.file.clone(), said))?
                    .join(MODULE)
            }
        };
        if module.is_file() { Ok(module) } else { Err(NginxError::NoModule(module)) }
    }

    /// Asks nginx whether it would take a configuration.
    ///
    /// # Errors
    ///
    /// Where it would not; with its own words.
    pub(crate) async fn test(&self, file: &Path) -> Result<(), NginxError> {
        let mut command = tokio::process::Command::from(self.command());
        command.args(["-q", "-t", "-e", "stderr", "-c"]).arg(file).kill_on_drop(true);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let not_run = |error| NginxError::NotRun(self.file.clone(), error);
        let child = command.spawn().map_err(not_run)?;
        self.tests(child.id());
        let output = timeout(TEST, child.wait_with_output()).await;
        self.tests(None);
        let output = output.map_err(|_| NginxError::TestHangs)?.map_err(not_run)?;
        if output.status.success() {
            return Ok(());
        }
        Err(NginxError::Refused(complaint(&String::from_utf8_lossy(&output.stderr))))
    }

    /// A process that tests something, which somebody waits for; nobody, when that is over.
    pub(crate) fn tests(&self, pid: Option<u32>) {
        self.testing.set(pid.map(|pid| Pid::from_raw(pid.cast_signed())));
    }

    /// Whether [`test`](Self::test) waits for this process.
    pub(crate) fn is_testing(&self, pid: Pid) -> bool {
        self.testing.get() == Some(pid)
    }

    /// Starts nginx, in a process group of its own: what the terminal sends goes to this program,
    /// which hands it on. Where this program is killed nginx ends as its connections do.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub(crate) fn start(&self, file: &Path) -> Result<Running, NginxError> {
        let mut command = self.command();
        command.args(["-e", "stderr", "-c"]).arg(file);
        let mut bound = bound::command(&command, Signal::SIGQUIT, false);
        let child = bound.stdin(Stdio::null()).process_group(0).spawn().or_else(|error| {
            tracing::warn!("{}", messages::nginx_not_bound(error));
            command
                .process_group(0)
                .spawn()
                .map_err(|error| NginxError::NotRun(self.file.clone(), error))
        })?;
        let master = Pid::from_raw(child.id().cast_signed());
        Ok(Running { master, is_ending: Cell::new(false) })
    }
}

/// The nginx that runs.
#[derive(Debug)]
pub(crate) struct Running {
    master: Pid,
    /// Whether it was told to end.
    is_ending: Cell<bool>,
}

impl Running {
    /// Whether a process is nginx's master, for which [`Self::ended`] waits.
    pub(crate) fn is(&self, pid: Pid) -> bool {
        pid == self.master
    }

    /// The master.
    pub(crate) fn master(&self) -> Pid {
        self.master
    }

    /// Waits until the master takes signals, which would end it before: it writes its number once
    /// it does. At most for as long as nginx may take to start.
    pub(crate) async fn takes_signals(&self, pid_file: &Path) {
        let end = Instant::now() + STARTS;
        let own = format!("{}\n", self.master);
        while Instant::now() < end
            && self.runs()
            && std::fs::read_to_string(pid_file).map_or(true, |pid| pid != own)
        {
            sleep(LOOK).await;
        }
    }

    /// Whether the master has not ended. It is not waited for.
    pub(crate) fn runs(&self) -> bool {
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        matches!(waitid(Id::Pid(self.master), peek), Ok(WaitStatus::StillAlive))
    }

    /// Sends a signal to the master. It may have ended meanwhile, which shows elsewhere.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill(self.master, signal);
        if matches!(signal, Signal::SIGQUIT | Signal::SIGTERM | Signal::SIGINT) {
            self.is_ending.set(true);
            // Also to those that no longer hear what the master says. The master knows it before
            // the first of them ends, and starts nobody in its place.
            let _ = killpg(self.master, signal);
        }
    }

    /// Whether the master was told to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.get()
    }

    /// How the master ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        use std::os::unix::process::ExitStatusExt;
        match waitpid(self.master, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => Some(ExitStatus::from_raw((code & 0xff) << 8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(ExitStatus::from_raw(signal as i32)),
            Err(Errno::ECHILD) => Some(ExitStatus::from_raw(0)),
            _ => None,
        }
    }

    /// Ends what a master that was killed has left: nobody else would tell its workers.
    pub(crate) fn end_all(&self) {
        let _ = killpg(self.master, Signal::SIGKILL);
    }
}

fn search_path() -> String {
    format!("{}:{SYSTEM_FOLDERS}", std::env::var("PATH").unwrap_or_default())
}

/// Where `nginx -V` says that modules are.
fn modules_path(said: &str) -> Option<PathBuf> {
    let argument = |name: &str| {
        said.split(' ').find_map(|word| word.trim().trim_matches('\'').strip_prefix(name))
    };
    let prefix = argument("--prefix=").unwrap_or("/usr/local/nginx");
    if !said.contains("configure arguments") {
        return None;
    }
    Some(match argument("--modules-path=") {
        Some(path) => Path::new(prefix).join(path),
        None => Path::new(prefix).join("modules"),
    })
}

/// What nginx says in one line: its errors, without dates.
pub(crate) fn complaint(said: &str) -> String {
    let errors = said.lines().filter_map(|line| {
        let at = ["[emerg]", "[alert]", "[crit]", "[error]"]
            .iter()
            .find_map(|level| line.find(level))?;
        // Behind the level stands "PID#PID: ".
        let behind = line[at..].split_once("] ")?.1;
        Some(behind.split_once(": ").map_or(behind, |(_, message)| message).to_owned())
    });
    let errors: Vec<String> = errors.collect();
    let all = if errors.is_empty() { said.trim().replace('\n', "; ") } else { errors.join("; ") };
    all.chars().take(1_000).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{complaint, modules_path};

    #[test]
    fn where_modules_are() {
        let said = "nginx version: nginx/1.22.1\nconfigure arguments: --with-cc-opt='-g -O2' \
                    --prefix=/usr/share/nginx --modules-path=/usr/lib/nginx/modules \
                    --with-compat\n";
        assert_eq!(modules_path(said).as_deref(), Some(Path::new("/usr/lib/nginx/modules")));
        let said = "nginx version: nginx/1.28.0\nconfigure arguments:";
        assert_eq!(modules_path(said).as_deref(), Some(Path::new("/usr/local/nginx/modules")));
        assert_eq!(modules_path("not nginx"), None);
    }

    #[test]
    fn complaints_in_one_line() {
        let said = "2026/01/01 00:00:00 [emerg] 7#7: host not found in syslog server \"x\" in \
                    /run/a:4\n\
                    nginx: configuration file /run/a test failed\n";
        assert_eq!(complaint(said), "host not found in syslog server \"x\" in /run/a:4");
        assert_eq!(
            complaint("nginx: [emerg] unknown directive \"a\" in /b:1\n"),
            "unknown directive \"a\" in /b:1"
        );
        assert_eq!(complaint("something\nelse\n"), "something; else");
    }
}
