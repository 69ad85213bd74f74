//! What was measured on, and what.

use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use harness::Result;

/// A command's first line, from either stream; empty where it cannot be run.
fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

/// Lines about processors, programs and the commit.
///
/// # Errors
///
/// Those of `/proc`.
pub fn describe() -> Result<String> {
    let information = std::fs::read_to_string("/proc/cpuinfo")?;
    let model =
        information.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let git =
        |arguments: &[&str]| first_line(Command::new("git").arg("-C").arg(project).args(arguments));
    let commit = git(&["rev-parse", "--short", "HEAD"]);
    let is_changed = !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty();
    let nginx = std::env::var("NGINX").unwrap_or_else(|_| {
        let usual = "/usr/sbin/nginx";
        if Path::new(usual).exists() { usual.to_owned() } else { "nginx".to_owned() }
    });
    Ok(format!(
        "{} processors ({}), load {load} at the start\n{}; {}; {}\ncommit {commit}{}\n",
        available_parallelism()?,
        model.trim_start_matches(['\t', ' ', ':']),
        first_line(Command::new(nginx).arg("-v")),
        first_line(Command::new("etcd").arg("--version")),
        first_line(Command::new("valgrind").arg("--version")),
        if is_changed { ", with changes" } else { "" },
    ))
}
