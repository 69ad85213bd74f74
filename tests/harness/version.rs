//! Which nginx and etcd are tested, and what is skipped for their versions.

use std::fs::File;
use std::io::Write as _;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

use crate::configuration::nginx;
use crate::{Result, ensure};

/// Names the file to which each test that is skipped writes a line, `TEST: REASON`.
const SKIPPED: &str = "SKIPPED_TESTS";

/// The version of the nginx under test.
///
/// # Errors
///
/// When nginx cannot be run, or says nothing of its version.
pub fn nginx_version() -> Result<[u32; 3]> {
    static VERSION: OnceLock<[u32; 3]> = OnceLock::new();
    if let Some(version) = VERSION.get() {
        return Ok(*version);
    }
    let output = Command::new(nginx()?).env_remove("NGINX").arg("-v").output()?;
    let version = version_in("nginx/", &output.stderr)?;
    Ok(*VERSION.get_or_init(|| version))
}

/// The version of the etcd under test.
///
/// # Errors
///
/// When etcd cannot be run, or says nothing of its version.
pub fn etcd_version() -> Result<[u32; 3]> {
    let output = Command::new("etcd").arg("--version").output()?;
    version_in("etcd Version: ", &output.stdout)
}

/// The version that is said behind these words.
fn version_in(words: &str, said: &[u8]) -> Result<[u32; 3]> {
    let said = String::from_utf8_lossy(said);
    let numbers = said.split_once(words).map(|(_, version)| version).unwrap_or_default();
    let numbers = numbers.split(|byte: char| !byte.is_ascii_digit()).map_while(|n| n.parse().ok());
    let numbers: Vec<u32> = numbers.take(3).collect();
    Ok(numbers.try_into().map_err(|_| format!("no version: {said:?}"))?)
}

/// Whether nginx is this version or a later one. If it is not, the test that calls this is skipped,
/// and says so: nginx has not yet what it tests.
///
/// # Errors
///
/// As with [`nginx_version`] and [`skip`].
pub fn nginx_has(what: &str, since: [u32; 3]) -> Result<bool> {
    let version = nginx_version()?;
    if version >= since {
        return Ok(true);
    }
    let [major, minor, patch] = since;
    skip(&format!("nginx has {what} from {major}.{minor}.{patch} on"))?;
    Ok(false)
}

/// What has nginx open a connection for each request, where it keeps them by default: a directive
/// of an upstream, or nothing.
///
/// # Errors
///
/// As with [`nginx_version`].
pub fn without_keepalive() -> Result<&'static str> {
    Ok(if nginx_version()? >= [1, 29, 7] { "keepalive 0;" } else { "" })
}

/// Takes note that the running test is skipped, and why.
///
/// # Errors
///
/// Those of the file system.
pub fn skip(reason: &str) -> Result<()> {
    println!("skipped: {reason}");
    let Some(path) = std::env::var_os(SKIPPED) else { return Ok(()) };
    // A test runs in a thread of its name.
    let name = thread::current().name().unwrap_or_default().to_owned();
    ensure!(!name.is_empty() && !reason.contains('\n'), "skipped where no test runs: {reason}");
    // In one piece: tests of other processes write there as well.
    let line = format!("{name}: {reason}\n");
    File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())?;
    Ok(())
}
