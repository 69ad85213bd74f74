//! A trial of what the workers are to be: an nginx that has as many, with as many connections, and
//! serves nobody. What does not work then would end those that serve.

use std::{os::unix::process::CommandExt, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::{
    io::AsyncReadExt,
    process::Child,
    time::{Instant, sleep, timeout},
};

use super::{
    folders::{self, RunFolder},
    nginx::{NginxError, Program, complaint},
    processes,
};
use crate::bound;

/// How long the workers may take to be there.
const STARTS: Duration = Duration::from_secs(20);

/// How often they are counted, and how long they must be there.
const LOOK: Duration = Duration::from_millis(100);

/// How long nginx may take to end.
const ENDS: Duration = Duration::from_secs(3);

/// What is tried.
pub(crate) struct Wanted<'a> {
    pub(crate) user: Option<&'a str>,
    /// A number, or "auto".
    pub(crate) processes: &'a str,
    pub(crate) connections: &'a str,
    pub(crate) files: Option<&'a str>,
}

impl Wanted<'_> {
    fn configuration(&self, pid_file: &str) -> String {
        let line = |name: &str, value: Option<&str>| {
            value.map_or(String::new(), |value| format!("{name} {value};\n"))
        };
        let (user, files) = (line("user", self.user), line("worker_rlimit_nofile", self.files));
        let Wanted { processes, connections, .. } = self;
        format!(
            "{user}daemon off;\nworker_processes {processes};\n{files}pid {pid_file};\nerror_log \
             stderr alert;\n\
             events {{\n    worker_connections {connections};\n}}\n"
        )
    }
}

/// Has nginx start such workers and end.
///
/// # Errors
///
/// Where they do not run, with nginx's own words.
pub(crate) async fn run(
    program: &Program,
    run_folder: &RunFolder,
    wanted: &Wanted<'_>,
) -> Result<(), NginxError> {
    let file = run_folder.path("trial.conf");
    let text = wanted.configuration(&run_folder.path("trial.pid").display().to_string());
    let failed = |error: std::io::Error| NginxError::Trial(error.to_string());
    folders::write(&file, text.as_bytes(), 0o644).map_err(failed)?;
    let mut command = program.command();
    command.args(["-e", "stderr", "-c"]).arg(&file);
    let mut command = bound::command(&command, Signal::SIGTERM, true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child =
        tokio::process::Command::from(command).kill_on_drop(true).spawn().map_err(failed)?;
    program.tests(child.id());
    let mut group = Group(child.id().map(|pid| Pid::from_raw(pid.cast_signed())));
    let result = watch(&mut child, wanted).await;
    end(&mut child).await;
    group.0 = None;
    program.tests(None);
    result
}

/// The trial's processes, killed if it is given up: workers do not end with their master.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(master) = self.0 {
            let _ = killpg(master, Signal::SIGKILL);
        }
    }
}

/// Waits until all workers are there, and stay for a moment.
async fn watch(child: &mut Child, wanted: &Wanted<'_>) -> Result<(), NginxError> {
    let Some(master) = child.id().map(|pid| Pid::from_raw(pid.cast_signed())) else {
        return Err(NginxError::Trial("it has ended at once".to_owned()));
    };
    // How many "auto" are is nginx's to say.
    let expected = wanted.processes.parse().unwrap_or(1);
    let mut errors = child.stderr.take();
    let mut said = Vec::new();
    let end = Instant::now() + STARTS;
    let mut looks = 0;
    while Instant::now() < end {
        // To drop the read is safe: what was not read waits in the pipe.
        let is_over = match &mut errors {
            Some(errors) => timeout(LOOK, errors.read_buf(&mut said))
                .await
                .is_ok_and(|read| read.is_ok_and(|count| count == 0)),
            None => true,
        };
        let text = String::from_utf8_lossy(&said);
        let is_bad =
            ["[emerg]", "[alert]"].iter().any(|level| text.contains(level)) && text.ends_with('\n');
        if is_over || is_bad {
            return Err(NginxError::Trial(complaint(&text)));
        }
        looks = if processes::workers(master).len() >= expected { looks + 1 } else { 0 };
        if looks > 1 {
            return Ok(());
        }
        sleep(LOOK / 4).await;
    }
    Err(NginxError::Trial(format!("the workers did not start within {} s", STARTS.as_secs())))
}

async fn end(child: &mut Child) {
    let Some(master) = child.id().map(|pid| Pid::from_raw(pid.cast_signed())) else { return };
    let _ = kill(master, Signal::SIGTERM);
    if timeout(ENDS, child.wait()).await.is_err() {
        let _ = killpg(master, Signal::SIGKILL);
        let _ = child.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    #[test]
    fn nothing_is_listened_to() {
        let wanted =
            Wanted { user: Some("www-data"), processes: "2", connections: "64", files: Some("99") };
        let text = wanted.configuration("/run/x/trial.pid");
        assert!(text.starts_with(
            "user www-data;\ndaemon off;\nworker_processes 2;\nworker_rlimit_nofile 99;\n"
        ));
        assert!(text.contains("worker_connections 64;") && !text.contains("listen"), "{text}");
    }
}
