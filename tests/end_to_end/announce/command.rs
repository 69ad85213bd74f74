//! A command whose life is bound to the key.

use harness::*;
use nix::sys::signal::Signal;

use super::{TTL, announce, is_announced, is_gone, value, value_is};

/// A shell that waits, and says which signals it gets; SIGTERM ends it with a code of its own.
const SHELL: &str = "for signal in HUP USR1 USR2 WINCH; do trap \"echo got $signal\" $signal; \
                     done; trap 'echo got TERM; exit 7' TERM; echo ready; while :; do read -r _ \
                     </dev/null; sleep 0.05; done";

fn with_shell(etcd: &Etcd, script: &str, more: &[&str]) -> Result<Program> {
    let arguments = [more, &["--check", "none", "--", "sh", "-c", script]].concat();
    announce(&etcd.url(), "127.0.0.1:7474", &arguments)
}

#[tokio::test]
async fn exit_code_of_the_command_is_handed_on_and_the_key_removed() -> Result<()> {
    let etcd = Etcd::start().await?;
    let folder = Folder::new("command")?;
    let file = folder.path().join("go").display().to_string();
    for (last, code) in [("exit 42", 42), ("exit 0", 0), ("kill -KILL $$", 137)] {
        let _ = std::fs::remove_file(&file);
        let mut program =
            with_shell(&etcd, &format!("while ! [ -e {file} ]; do sleep 0.05; done; {last}"), &[])?;
        value_is(&etcd, "127.0.0.1:7474").await?;
        std::fs::write(&file, "")?;
        assert_eq!(program.ended(SOON).await?, code, "{}", program.log());
        assert_eq!(value(&etcd).await?, None, "{last}");
    }
    Ok(())
}

#[tokio::test]
async fn signals_are_handed_on_and_sigterm_comes_after_the_key_is_removed() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut program = with_shell(&etcd, SHELL, &[])?;
    program.wait_for_log("ready").await?;
    is_announced(&program, &etcd, "127.0.0.1:7474").await?;
    for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH] {
        program.signal(signal)?;
        program.wait_for_log(&format!("got {}", signal.as_str().trim_start_matches("SIG"))).await?;
    }
    program.signal(Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 7);
    let log = program.log();
    let at = |text: &str| log.find(text).ok_or_else(|| format!("no {text:?} in {log}"));
    assert!(at("is removed")? < at("got TERM")?, "{log}");
    assert_eq!(value(&etcd).await?, None);
    Ok(())
}

#[tokio::test]
async fn command_that_does_not_end_is_killed() -> Result<()> {
    let etcd = Etcd::start().await?;
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let mut program = with_shell(&etcd, script, &["--stop-timeout", "200ms"])?;
    program.wait_for_log("ready").await?;
    program.signal(Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 137);
    program.wait_for_log_lines("it is killed", 1).await?;
    Ok(())
}

#[tokio::test]
async fn command_that_cannot_be_started_is_named() -> Result<()> {
    let etcd = Etcd::start().await?;
    for (command, code) in [("/no/such/program", 127), ("/etc/passwd", 126)] {
        let mut program = announce(&etcd.url(), "127.0.0.1:7474", &["--", command])?;
        assert_eq!(program.ended(SOON).await?, code);
        assert!(program.log().contains(command), "{}", program.log());
    }
    assert_eq!(value(&etcd).await?, None);
    Ok(())
}

#[tokio::test]
async fn command_does_not_get_the_password() -> Result<()> {
    let etcd = Etcd::start().await?;
    let arguments = [
        "announce",
        "--key",
        "node",
        "--addr",
        "127.0.0.1:7474",
        "--check",
        "none",
        "--ttl",
        &TTL.to_string(),
    ];
    let arguments = [&arguments[..], &["--", "sh", "-c", "env; exit 3"]].concat();
    let url = etcd.url();
    let variables =
        [("ETCD_ENDPOINTS", url.as_str()), ("ETCD_PASSWORD", "s3cret"), ("ETCD_USER", "x")];
    let mut program = Program::start(&arguments, &variables)?;
    assert_eq!(program.ended(SOON).await?, 3);
    let log = program.log();
    assert!(log.contains("ETCD_ENDPOINTS=") && !log.contains("s3cret"), "{log}");
    Ok(())
}

#[tokio::test]
async fn killed_announcer_leaves_no_node() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut program = with_shell(&etcd, SHELL, &[])?;
    value_is(&etcd, "127.0.0.1:7474").await?;
    program.wait_for_log("ready").await?;
    program.signal(Signal::SIGKILL)?;
    program.ended(SOON).await?;
    eventually(SOON, "the node has been told to end", async || {
        ensure!(program.log().contains("got TERM"), "{}", program.log());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn key_of_a_killed_command_is_removed() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut program = with_shell(&etcd, SHELL, &[])?;
    value_is(&etcd, "127.0.0.1:7474").await?;
    for child in program.children()? {
        signal(child, Signal::SIGKILL)?;
    }
    assert_eq!(program.ended(SOON).await?, 137);
    is_gone(&etcd, SOON).await
}
