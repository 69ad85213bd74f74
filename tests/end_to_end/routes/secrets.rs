//! Values that are secrets are never shown.

use harness::*;
use nix::sys::signal::Signal;
use serde_json::Value as Json;

use super::{ROUTES, fails, routes, value, with_input};

const SECRET: &str = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";

#[tokio::test]
async fn secrets_are_read_from_standard_input_and_shown_by_length() -> Result<()> {
    let etcd = Etcd::start().await?;
    let set = ["set", "shop.example.com", "-", "--secret", "--hostnames"];
    let mut all = String::new();
    let mut run = async |arguments: &[&str], input: &str, expected: i32| -> Result<String> {
        let (code, said) = with_input(&etcd.url(), arguments, input).await?;
        ensure!(code == expected, "{arguments:?}: {code}: {said}");
        all += &said;
        Ok(said)
    };
    let said = run(&set, SECRET, 0).await?;
    let length = SECRET.len();
    assert!(said.contains(&format!("is added with the value ({length} bytes)")), "{said}");
    assert_eq!(value(&etcd, "shop.example.com").await?.as_deref(), Some(SECRET));
    assert!(run(&set, SECRET, 0).await?.contains(&format!("({length} bytes) already")));
    let longer = format!("{SECRET}{SECRET}");
    let said = run(&set, &longer, 0).await?;
    assert!(said.contains(&format!("from ({length} bytes) to ({} bytes)", 2 * length)), "{said}");
    let absent = [&set[..], &["--if-absent"]].concat();
    assert!(run(&absent, SECRET, 1).await?.contains("exists, with the value ("));
    let short = [&set[..], &["--max-length", "61"]].concat();
    assert!(run(&short, SECRET, 1).await?.contains("too long: 62 bytes"));
    // Lists are secrets too.
    etcd.put(format!("{ROUTES}list"), "c2VjcmV0 1, PRIVATE 2").await?;
    let said = run(&["list", "--secret", "--split"], "", 0).await?;
    assert!(said.contains("21 bytes"), "{said}");
    let said = run(&["list", "--secret", "--json"], "", 0).await?;
    let list: Vec<Json> = serde_json::from_str(&said)?;
    let keys = list.iter().find(|key| key["name"] == "shop.example.com").ok_or("a key")?;
    assert_eq!(keys["value"], Json::Null);
    assert_eq!(keys["length"], 2 * length - 1);
    run(&["remove", "shop.example.com", "--secret"], "", 0).await?;
    for part in ["PRIVATE", "c2VjcmV0"] {
        assert!(!all.contains(part), "{all}");
    }
    Ok(())
}

#[tokio::test]
async fn secrets_are_not_taken_from_the_command_line() -> Result<()> {
    let etcd = Etcd::start().await?;
    let words = "write it to standard input, and give \"-\" as VALUE";
    fails(&etcd, &["set", "a", "c2VjcmV0", "--secret"], 2, words).await?;
    let (code, said) = routes(&etcd.url(), &["set", "a", "c2VjcmV0", "--secret"]).await?;
    assert!(code == 2 && !said.contains("c2VjcmV0"), "{said}");
    Ok(())
}

#[tokio::test]
async fn plain_values_may_come_from_standard_input() -> Result<()> {
    let etcd = Etcd::start().await?;
    let (code, said) = with_input(&etcd.url(), &["set", "a", "-"], "web\n").await?;
    assert!(code == 0, "{said}");
    assert_eq!(value(&etcd, "a").await?.as_deref(), Some("web\n"));
    Ok(())
}

#[tokio::test]
async fn a_signal_ends_the_wait_for_standard_input() -> Result<()> {
    let etcd = Etcd::start().await?;
    let folder = Folder::new("pipe")?;
    let pipe = folder.path().join("pipe").display().to_string();
    // Nobody writes into it, and it does not end.
    let script = "pipe=$1; shift; mkfifo \"$pipe\"; exec \"$@\" <>\"$pipe\"";
    let by = ["sh", "-c", script, "sh", &pipe];
    let arguments = ["routes", "set", "a", "-"];
    let mut program = Program::start_by(&by, &arguments, &[("ETCD_ENDPOINTS", &*etcd.url())])?;
    let status = format!("/proc/{}/status", program.pid());
    eventually(SOON, "the program receives signals", async || {
        let status = std::fs::read_to_string(&status)?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"));
        let caught = u64::from_str_radix(caught.ok_or("no signals")?, 16)?;
        ensure!(caught >> (Signal::SIGTERM as u32 - 1) & 1 == 1, "{caught:x}");
        Ok(())
    })
    .await?;
    program.signal(Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 128 + Signal::SIGTERM as i32);
    assert_eq!(value(&etcd, "a").await?, None);
    Ok(())
}
