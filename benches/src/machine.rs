//! What was measured on, and what.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use harness::Result;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// A command's first line, from either stream; empty where it cannot be run.
fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

/// nginx, as the harness finds it.
fn nginx() -> String {
    std::env::var("NGINX").unwrap_or_else(|_| {
        let usual = "/usr/sbin/nginx";
        if Path::new(usual).exists() { usual.to_owned() } else { "nginx".to_owned() }
    })
}

/// What instruction counts depend on besides this project.
pub type MadeWith = BTreeMap<String, String>;

/// What instructions are counted with: the compiler, nginx, the C library, and the instructions
/// that the C library finds under valgrind.
///
/// # Errors
///
/// Those of `/proc`.
pub fn made_with() -> Result<MadeWith> {
    let information = std::fs::read_to_string("/proc/cpuinfo")?;
    let flags = information.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let best = ["avx2", "avx", "sse4_2"]
        .into_iter()
        .find(|&name| flags.split_whitespace().any(|flag| flag == name));
    let found = [
        ("rustc", first_line(Command::new("rustc").arg("--version").current_dir(PROJECT))),
        ("nginx", first_line(Command::new(nginx()).arg("-v"))),
        ("valgrind", first_line(Command::new("valgrind").arg("--version"))),
        ("libc", first_line(Command::new("getconf").arg("GNU_LIBC_VERSION"))),
        ("processor", format!("{} {}", std::env::consts::ARCH, best.unwrap_or_default())),
    ];
    Ok(found.map(|(name, version)| (name.to_owned(), version)).into())
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
    let git =
        |arguments: &[&str]| first_line(Command::new("git").arg("-C").arg(PROJECT).args(arguments));
    let commit = git(&["rev-parse", "--short", "HEAD"]);
    let is_changed = !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty();
    Ok(format!(
        "{} processors ({}), load {load} at the start\n{}; {}; {}\ncommit {commit}{}\n",
        available_parallelism()?,
        model.trim_start_matches(['\t', ' ', ':']),
        first_line(Command::new(nginx()).arg("-v")),
        first_line(Command::new("etcd").arg("--version")),
        first_line(Command::new("valgrind").arg("--version")),
        if is_changed { ", with changes" } else { "" },
    ))
}
