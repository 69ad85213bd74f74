//! A program that has the proxies' processor, with all of its processes.

use std::fs::{File, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Result, signal};
use nix::sys::signal::Signal;
use nix::unistd::{SysconfVar, sysconf};

use super::limits::is_divided;
use crate::throughput::time_of;

/// How long a program may take to end before it is killed.
const ENDED: Duration = Duration::from_secs(5);
/// Where it writes what it has to say, in its folder.
const LOG: &str = "log";

/// A program that was started. It ends when this is dropped.
pub struct Process {
    child: Child,
    folder: PathBuf,
}

/// A command that runs a program on the first processor, if others have the rest.
pub fn pinned(program: &Path) -> Command {
    let mut command = if is_divided() {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // To nginx it means sockets to inherit.
    command.env_remove("NGINX");
    command
}

impl Process {
    /// Starts it, with its log in `folder`.
    ///
    /// # Errors
    ///
    /// Those of starting.
    pub fn start(mut command: Command, folder: &Path) -> Result<Self> {
        let log = File::create(folder.join(LOG))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self { child: command.spawn()?, folder: folder.to_owned() })
    }

    /// The process that was started.
    ///
    /// # Errors
    ///
    /// Never, with Linux's numbers of processes.
    pub fn pid(&self) -> Result<i32> {
        Ok(self.child.id().try_into()?)
    }

    /// Whether it has not ended.
    ///
    /// # Errors
    ///
    /// Those of asking.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// The last line that it has said.
    pub fn last_line(&self) -> String {
        let log = read_to_string(self.folder.join(LOG)).unwrap_or_default();
        log.lines().last().unwrap_or_default().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let began = Instant::now();
        if let Ok(pid) = self.pid() {
            let _ = signal(pid, Signal::SIGTERM);
        }
        while began.elapsed() < ENDED && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process and its children.
///
/// # Errors
///
/// Where it has ended.
pub fn family(root: i32) -> Result<Vec<i32>> {
    let children = read_to_string(format!("/proc/{root}/task/{root}/children"))?;
    let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    Ok([root].into_iter().chain(children).collect())
}

/// The processor time of a process and its children so far, with those that have ended.
///
/// # Errors
///
/// Where the first one has.
pub fn spent(root: i32) -> Result<Duration> {
    let stat = read_to_string(format!("/proc/{root}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("no name in stat")?;
    // `cutime` and `cstime`, of children that were waited for: fields 16 and 17 of all.
    let ended: u64 =
        fields.split(' ').skip(13).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)?.ok_or("no CLK_TCK")?;
    let ended = Duration::from_secs_f64(ended as f64 / per_second as f64);
    // A worker of nginx's may end meanwhile.
    Ok(family(root)?.into_iter().filter_map(|pid| time_of(pid).ok()).sum::<Duration>() + ended)
}

/// The memory that a process and its children have written to, in bytes: a page that several of
/// them have counts once.
///
/// # Errors
///
/// Where one has ended, and where Linux does not say so (before 5.12).
pub fn dirty_memory(root: i32) -> Result<u64> {
    family(root)?.into_iter().map(part_of_memory).sum()
}

/// What a process has of it (`Pss_Anon` and `Pss_Shmem` of `/proc/PID/smaps_rollup`), where each
/// page is divided among those that have it.
fn part_of_memory(pid: i32) -> Result<u64> {
    let text = read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let field = |name: &str| -> Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes.ok_or_else(|| format!("no {name}"))?.parse::<u64>()? * 1024)
    };
    Ok(field("Pss_Anon:")? + field("Pss_Shmem:")?)
}
