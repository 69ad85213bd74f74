//! `firehose-router serve`: nginx with the nodes and the settings that etcd has.

mod command_line;
mod limits;
mod live_settings;
mod process;
mod publishing;
mod reloads;
mod sent_on;
mod settings;
mod syslog;
mod wiped;
mod without_etcd;

use std::time::Duration;

use harness::*;
use nix::sys::signal::Signal;

/// The prefix of the settings.
const SETTINGS: &str = "/firehose/nginx/";

fn setting(name: &str) -> String {
    format!("{SETTINGS}{name}")
}

/// The story that the original router's README told, with today's etcd: HTTP, a long poll and a
/// WebSocket all through.
#[tokio::test]
async fn story_of_the_readme_works() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(3).await?;
    let [one, two, three] = &nodes[..] else { unreachable!() };
    let mut router = Served::start(&etcd.url(), &[]).await?;
    assert_eq!(router.get("/").await?.status, 502, "nobody is there yet");

    // A node is added by hand, and serves.
    etcd.put(key("firehose-01"), one.address().to_string()).await?;
    router.wait_for_keys(&["firehose-01"]).await?;
    assert_eq!(router.get("/").await?.node(), one.name());
    let load = Load::start(&router.address(), "/", Clients::Fresh, 2);
    let mut session = router.websocket("/ws").await?;
    session.echo("hello").await?;
    // A subscriber waits, for as long as a publisher takes.
    one.set_delay(Duration::from_millis(1500));
    let address = router.address();
    let long_poll = tokio::spawn(async move { get(&address, "/long-poll").await });
    eventually(SOON, "the long poll is with the node", async || {
        let status = router.status()?;
        let peer = status.upstreams["firehose"]
            .peers
            .iter()
            .find(|peer| peer.key.as_deref() == Some("firehose-01"));
        ensure!(peer.is_some_and(|peer| peer.connections >= 2), "{peer:?}");
        Ok(())
    })
    .await?;
    one.set_delay(Duration::ZERO);

    // Another is added by hand, and a third by its announcer.
    etcd.put(key("firehose-02"), two.address().to_string()).await?;
    let address = three.address().to_string();
    let arguments = [
        "announce",
        "--key",
        "firehose-03",
        "--addr",
        &address,
        "--ttl",
        "3",
        "--check-interval",
        "100ms",
    ];
    let mut announcer = Program::start(&arguments, &[("ETCD_ENDPOINTS", &etcd.url())])?;
    router.wait_for_keys(&["firehose-01", "firehose-02", "firehose-03"]).await?;

    // The first is removed: its session and its long poll go on, and nobody new comes.
    etcd.delete(&key("firehose-01")).await?;
    router.wait_for_keys(&["firehose-02", "firehose-03"]).await?;
    session.echo("still here").await?;
    assert_eq!(long_poll.await??.status, 200);
    for _ in 0..10 {
        assert_ne!(router.get("/").await?.node(), one.name());
    }

    // An announcer is killed, and its key goes within its time-to-live.
    announcer.kill().await?;
    router.wait_for_keys(&["firehose-02"]).await?;
    assert_eq!(router.get("/").await?.node(), two.name());
    session.echo("and still").await?;
    load.stop().await?.without_failure()?;
    assert_eq!(router.reloads(), 0);
    session.close().await?;
    assert_eq!(router.end(Signal::SIGTERM).await?, 0);
    Ok(())
}
