//! Processes that end with their test.

use std::fs::read_to_string;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid};

use crate::{Result, ensure, eventually};

/// A process in a process group of its own, killed with all of its group when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    _group: Group,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        raise_file_limit()?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let group = Group::guard(child.id() as i32)?;
        Ok(Self { child, _group: group })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub(crate) fn signal(&self, what: Signal) -> Result<()> {
        signal(self.pid(), what)
    }

    /// How it ended, if it has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    pub(crate) async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("process {} ends", self.pid());
        eventually(deadline, &what, async || self.ended()?.ok_or("it runs".into())).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Not through the group alone: the child must not be left a zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills a process group when it is dropped, and also when this whole process is killed: a shell
/// waits for the end of a pipe whose only other end is here. (PR_SET_PDEATHSIG would not reach
/// nginx's workers, the children of a child.)
#[derive(Debug)]
pub(crate) struct Group {
    shell: Child,
}

impl Group {
    pub(crate) fn guard(group: i32) -> Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", r#"read -r line; kill -s KILL -- "-$0" 2>/dev/null"#, &group.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { shell })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Hundreds of sessions have both their ends in this process; those that it starts inherit the
/// limit.
fn raise_file_limit() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

/// How long a process that is killed or halted may take to be: the processors that its threads run
/// on have to take notice.
const NOTICED: Duration = Duration::from_secs(10);

/// Sends a signal. After SIGKILL the process is gone, and after SIGSTOP all of its threads are
/// halted, so that nobody takes it for one that lives or works.
///
/// # Errors
///
/// When there is no such process, or it can neither be killed nor halted.
pub fn signal(pid: i32, what: Signal) -> Result<()> {
    // Zero and negative numbers would mean whole groups of processes.
    ensure!(pid > 1, "no pid: {pid}");
    kill(Pid::from_raw(pid), what).map_err(|error| format!("{what} to {pid}: {error}"))?;
    let end = Instant::now() + NOTICED;
    let is_effective = || match what {
        Signal::SIGKILL => !running(pid),
        // One that has ended has no threads to look at.
        Signal::SIGSTOP => !running(pid) || halted(pid).unwrap_or(false),
        _ => true,
    };
    while !is_effective() {
        ensure!(Instant::now() < end, "{pid} runs in spite of {what}");
        yield_now();
    }
    Ok(())
}

/// Whether the process runs; one that has ended and was not yet waited for does not.
pub fn running(pid: i32) -> bool {
    state(pid).is_some_and(|state| state != 'Z' && state != 'X')
}

/// The process's state letter, as in `/proc/PID/stat`.
pub fn state(pid: i32) -> Option<char> {
    stat(pid)?.0.into()
}

/// Whether all threads of a process are stopped.
fn halted(pid: i32) -> Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = read_to_string(thread?.path().join("stat"))?;
        if fields(&text).is_none_or(|(state, _)| state != 'T') {
            return Ok(false);
        }
    }
    Ok(true)
}

/// State and parent of a process.
fn stat(pid: i32) -> Option<(char, i32)> {
    fields(&read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// State and parent in a line of `stat`. The name before them is in parentheses and may itself hold
/// anything.
fn fields(text: &str) -> Option<(char, i32)> {
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The children of a process that run and whose title begins with `title`, lowest pid first.
pub(crate) fn children(parent: i32, title: &str) -> Result<Vec<i32>> {
    titled(title, |_, its_parent| its_parent == parent)
}

/// The processes of a group that run and whose title begins with `title`, lowest pid first.
pub(crate) fn group(leader: i32, title: &str) -> Result<Vec<i32>> {
    let is_of_group =
        |pid, _| getpgid(Some(Pid::from_raw(pid))).is_ok_and(|group| group.as_raw() == leader);
    titled(title, is_of_group)
}

fn titled(title: &str, which: impl Fn(i32, i32) -> bool) -> Result<Vec<i32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if stat(pid).is_some_and(|(state, parent)| state != 'Z' && which(pid, parent))
            && read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.starts_with(title))
        {
            found.push(pid);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// For how long the process's first thread has been running on a processor: for a worker of nginx's
/// its event loop (proc(5), `/proc/PID/task/TID/schedstat`).
///
/// # Errors
///
/// When there is no such process.
pub fn processor_time(pid: i32) -> Result<Duration> {
    let text = read_to_string(format!("/proc/{pid}/task/{pid}/schedstat"))?;
    let nanoseconds = text.split(' ').next().ok_or("no time")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// For how long all threads of the process that it has now have been running on a processor.
///
/// # Errors
///
/// When there is no such process.
pub fn processor_time_of_threads(pid: i32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let nanoseconds = text.split(' ').next().ok_or("no time")?.parse()?;
        sum += Duration::from_nanos(nanoseconds);
    }
    Ok(sum)
}

/// Memory of a process that is its own, in bytes: what it wrote to, without what it shares with
/// others (`Private_Dirty` of `/proc/PID/smaps_rollup`).
///
/// # Errors
///
/// When there is no such process.
pub fn memory(pid: i32) -> Result<u64> {
    let text = read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kilobytes: u64 =
        line.and_then(|line| line.split_whitespace().next()).ok_or("no Private_Dirty")?.parse()?;
    Ok(kilobytes * 1024)
}

/// The address space of a process, in bytes (`VmSize` of `/proc/PID/status`).
///
/// # Errors
///
/// When there is no such process.
pub fn address_space(pid: i32) -> Result<u64> {
    let text = read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes: u64 =
        line.and_then(|line| line.split_whitespace().next()).ok_or("no VmSize")?.parse()?;
    Ok(kilobytes * 1024)
}

/// Limits the address space of a process, and of those that it starts from now on (RLIMIT_AS).
///
/// # Errors
///
/// When util-linux's `prlimit` cannot do so.
pub fn limit_address_space(pid: i32, bytes: u64) -> Result<()> {
    let status = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--as={bytes}")])
        .status()?;
    ensure!(status.success(), "prlimit: {status}");
    Ok(())
}

/// Limits how many files a process of the same user may have open from now on, for as long as
/// nobody sets another limit (RLIMIT_NOFILE).
///
/// # Errors
///
/// When util-linux's `prlimit` cannot do so.
pub fn limit_files(pid: i32, count: u64) -> Result<()> {
    let status = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--nofile={count}:")])
        .status()?;
    ensure!(status.success(), "prlimit: {status}");
    Ok(())
}

/// How many files a process has open.
///
/// # Errors
///
/// When there is no such process.
pub fn open_files(pid: i32) -> Result<u64> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64)
}
