//! `firehose-router status --watch`: on a terminal, in a pipe, and its end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use harness::*;
use nix::sys::signal::Signal;

use super::{command, url};

/// Ends what it starts.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Ended {
    /// Waits until it has ended by itself, and gives its exit code.
    async fn code(&mut self) -> Result<i32> {
        eventually(SOON, "it has ended", async || {
            let status = self.0.try_wait()?.ok_or("it runs")?;
            Ok(status.code().unwrap_or(-1))
        })
        .await
    }
}

#[tokio::test]
async fn a_terminal_is_drawn_over_and_left_as_it_was() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let folder = Folder::new("terminal")?;
    let typescript = folder.path().join("typescript");
    let program = firehose_router()?;
    let place = url(&router.nginx);
    // util-linux's script(1) gives it a terminal.
    let words = format!("exec '{}' status --watch=1 --url '{place}'", program.display());
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--flush", "--return", "--command", &words])
        .arg(&typescript)
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut script = Ended(script.spawn()?);
    let shown = || std::fs::read_to_string(&typescript).unwrap_or_default();
    let drawn = |count: usize| {
        let shown = shown();
        ensure!(shown.matches("\x1b[H").count() >= count, "{shown:?}");
        Ok(shown)
    };
    eventually(SOON, "it is drawn twice", async || drawn(2)).await?;
    let node = Node::start("late").await?;
    router.etcd.register(std::slice::from_ref(&node)).await?;
    eventually(SOON, "the new node is shown", async || {
        let shown = shown();
        ensure!(shown.contains("late") && shown.contains("2 of 2 peers serve"), "{shown:?}");
        Ok(())
    })
    .await?;
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", script.0.id()))?;
    let pid: i32 = children.split_whitespace().next().ok_or("no child")?.parse()?;
    signal(pid, Signal::SIGINT)?;
    assert_eq!(script.code().await?, 0, "{:?}", shown());
    let shown = shown();
    let (enter, leave) = (shown.find("\x1b[?1049h"), shown.rfind("\x1b[?1049l"));
    assert!(enter.is_some() && enter < leave, "{shown:?}");
    assert!(shown.contains("\x1b[32mup\x1b[0m"), "no colors: {shown:?}");
    Ok(())
}

#[tokio::test]
async fn a_pipe_gets_everything_again_until_it_is_closed() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let place = url(&router.nginx);
    let mut watching = command(&["--watch=1", "--url", &place])?;
    let mut watching = Ended(watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    let output = watching.0.stdout.take().ok_or("no output")?;
    let reading = tokio::task::spawn_blocking(move || -> Result<(usize, String)> {
        let (mut seen, mut text) = (0, String::new());
        let mut lines = BufReader::new(output).lines();
        let end = Instant::now() + SOON;
        while seen < 2 && Instant::now() < end {
            let line = lines.next().ok_or("the end")??;
            seen += usize::from(line.contains("the only peer serves"));
            text += &line;
        }
        Ok((seen, text))
    });
    let (seen, text) = reading.await??;
    assert!(seen == 2 && !text.contains('\x1b'), "{text:?}");
    // Nobody reads it any more.
    assert_eq!(watching.code().await?, 0);
    let mut error = String::new();
    let mut stderr = watching.0.stderr.take().ok_or("no errors")?;
    std::io::Read::read_to_string(&mut stderr, &mut error)?;
    assert_eq!(error, "");
    Ok(())
}

#[tokio::test]
async fn an_etcd_that_goes_and_comes_back_is_shown() -> Result<()> {
    let mut router = Router::start(1, 1).await?;
    let folder = Folder::new("watching")?;
    let output = folder.path().join("output");
    let place = url(&router.nginx);
    let mut watching = command(&["--watch=1", "--url", &place])?;
    let mut watching = Ended(watching.stdout(std::fs::File::create(&output)?).spawn()?);
    let shown = |text: &str, from: usize| -> Result<usize> {
        let shown = std::fs::read_to_string(&output)?;
        let rest = shown.get(from..).unwrap_or_default();
        ensure!(rest.contains(text), "{rest}");
        Ok(shown.len())
    };
    let at = eventually(SOON, "it is shown", async || shown("the only peer serves", 0)).await?;
    router.etcd.stop().await?;
    let at = eventually(SOON, "etcd is away", async || shown("etcd is not followed", at)).await?;
    router.etcd.restart().await?;
    eventually(SOON, "all is well again", async || shown("the only peer serves", at)).await?;
    signal(i32::try_from(watching.0.id())?, Signal::SIGTERM)?;
    assert_eq!(watching.code().await?, 0);
    Ok(())
}
