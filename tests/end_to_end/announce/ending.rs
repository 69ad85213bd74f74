//! How an announcer ends: "drain" first, then the key, then the command.

use std::time::{Duration, Instant};

use harness::*;
use nix::sys::signal::Signal;

use super::{GONE, announce, is_announced, is_gone, value, value_is};

#[tokio::test]
async fn sigterm_marks_the_key_drain_waits_and_removes_it() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let address = node.address().to_string();
    let mut program = announce(&etcd.url(), &address, &["--drain", "3s"])?;
    is_announced(&program, &etcd, &address).await?;
    program.signal(Signal::SIGTERM)?;
    let began = Instant::now();
    value_is(&etcd, &format!("{address} drain")).await?;
    is_gone(&etcd, SOON).await?;
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(program.ended(SOON).await?, 0);
    Ok(())
}

#[tokio::test]
async fn second_signal_ends_the_drain_at_once() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let address = node.address().to_string();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut program = announce(&etcd.url(), &address, &["--drain", "1h"])?;
        is_announced(&program, &etcd, &address).await?;
        program.signal(signal)?;
        value_is(&etcd, &format!("{address} drain")).await?;
        program.wait_for_log("is marked").await?;
        program.signal(signal)?;
        assert_eq!(program.ended(SOON).await?, 0);
        assert_eq!(value(&etcd).await?, None);
    }
    Ok(())
}

#[tokio::test]
async fn lease_is_renewed_during_the_drain() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let address = node.address().to_string();
    let mut program = announce(&etcd.url(), &address, &["--drain", "8s"])?;
    is_announced(&program, &etcd, &address).await?;
    program.signal(Signal::SIGTERM)?;
    let draining = format!("{address} drain");
    value_is(&etcd, &draining).await?;
    let (began, longer) = (Instant::now(), Duration::from_secs(super::TTL as u64 + 3));
    eventually(longer + SOON, "it drains for longer than its time-to-live", async || {
        assert_eq!(value(&etcd).await?.map(|(value, _)| value).as_deref(), Some(draining.as_str()));
        ensure!(began.elapsed() > longer, "{:?}", began.elapsed());
        Ok(())
    })
    .await?;
    assert_eq!(program.ended(SOON).await?, 0);
    Ok(())
}

#[tokio::test]
async fn key_of_a_killed_announcer_expires_within_its_ttl() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let mut program = announce(&etcd.url(), &node.address().to_string(), &["--drain", "1h"])?;
    is_announced(&program, &etcd, &node.address().to_string()).await?;
    program.kill().await?;
    is_gone(&etcd, GONE).await
}

#[tokio::test]
async fn sigterm_ends_it_while_etcd_is_away() -> Result<()> {
    let (mut etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let address = node.address().to_string();
    let mut program = announce(&etcd.url(), &address, &["--drain", "1h"])?;
    is_announced(&program, &etcd, &address).await?;
    etcd.kill().await?;
    program.signal(Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 0);
    program.wait_for_log_lines("could not be removed", 1).await?;
    etcd.restart().await?;
    is_gone(&etcd, GONE + SOON).await
}
