//! Two announcers of one key, and others who write it.

use harness::*;
use nix::sys::signal::Signal;

use super::{GONE, TTL, announce, value, value_is};

async fn two_nodes() -> Result<(Etcd, [String; 2], [Node; 2])> {
    let nodes = [Node::start("first").await?, Node::start("second").await?];
    let addresses = [nodes[0].address().to_string(), nodes[1].address().to_string()];
    Ok((Etcd::start().await?, addresses, nodes))
}

#[tokio::test]
async fn second_announcer_waits_until_the_first_ends() -> Result<()> {
    let (etcd, [one, two], _nodes) = two_nodes().await?;
    // Of a lease of three seconds that is renewed a moment late etcd tells one that is left: it
    // would pass for one that nobody renews.
    let mut first = announce(&etcd.url(), &one, &["--ttl", "6"])?;
    value_is(&etcd, &one).await?;
    let second = announce(&etcd.url(), &two, &["--ttl", "6"])?;
    let said = second.wait_for_log("is held by another announcer").await?;
    assert!(
        said.contains(&one) && said.contains(&key("node")) && said.contains("--take-over"),
        "{said}"
    );
    // Longer than either's time to live: the first goes on, and the second says it once.
    let began = std::time::Instant::now();
    eventually(GONE + SOON, "their time has passed", async || {
        assert_eq!(value(&etcd).await?.map(|(value, _)| value).as_deref(), Some(one.as_str()));
        ensure!(began.elapsed().as_secs() > 2 * TTL as u64 + 1, "{:?}", began.elapsed());
        Ok(())
    })
    .await?;
    second.wait_for_log_lines("is held by", 1).await?;
    first.signal(Signal::SIGTERM)?;
    assert_eq!(first.ended(SOON).await?, 0);
    value_is(&etcd, &two).await?;
    Ok(())
}

#[tokio::test]
async fn second_announcer_takes_over_from_a_killed_one_without_a_gap() -> Result<()> {
    let (etcd, [one, two], _nodes) = two_nodes().await?;
    // Its whole life is watched: there must be no moment without the key.
    let mut first = announce(&etcd.url(), &one, &["--ttl", "12"])?;
    value_is(&etcd, &one).await?;
    let created = etcd.create_revision(&key("node")).await?;
    let second = announce(&etcd.url(), &two, &["--ttl", "12"])?;
    second.wait_for_log("is held by another announcer").await?;
    first.kill().await?;
    value_is(&etcd, &two).await?;
    assert_eq!(etcd.create_revision(&key("node")).await?, created, "the key was gone");
    second.wait_for_log_lines("has not renewed its lease", 1).await
}

#[tokio::test]
async fn take_over_does_not_wait_and_the_first_does_not_fight() -> Result<()> {
    let (etcd, [one, two], _nodes) = two_nodes().await?;
    let first = announce(&etcd.url(), &one, &["--ttl", "6"])?;
    value_is(&etcd, &one).await?;
    let mut second = announce(&etcd.url(), &two, &["--take-over", "--ttl", "6"])?;
    value_is(&etcd, &two).await?;
    second.wait_for_log("is taken over from another announcer").await?;
    first.wait_for_log("was taken over by another announcer").await?;
    let (revision, began) = (etcd.revision().await?, std::time::Instant::now());
    eventually(GONE + SOON, "nobody fights", async || {
        assert_eq!(etcd.revision().await?, revision);
        ensure!(began.elapsed().as_secs() > 2 * TTL as u64 + 1, "{:?}", began.elapsed());
        Ok(())
    })
    .await?;
    // The first one's turn comes again.
    second.signal(Signal::SIGTERM)?;
    assert_eq!(second.ended(SOON).await?, 0);
    value_is(&etcd, &one).await?;
    Ok(())
}

#[tokio::test]
async fn key_without_a_lease_is_waited_for() -> Result<()> {
    let (etcd, [one, two], _nodes) = two_nodes().await?;
    etcd.put(key("node"), &two).await?;
    let program = announce(&etcd.url(), &one, &[])?;
    let said = program.wait_for_log("is held by somebody, without a lease").await?;
    assert!(said.contains(&two), "{said}");
    etcd.delete(&key("node")).await?;
    value_is(&etcd, &one).await?;
    Ok(())
}
