//! `etcd_check` in `stream {}`: sessions reach only nodes that answer as expected.

use harness::*;

/// Time enough for a busy machine; an answer that is not expected is waited for as long.
const PING: &str = "etcd_check tcp send=PING expect=+PONG interval=50ms timeout=1s;";

/// Waits until a peer has a state.
async fn becomes(nginx: &Nginx, key: &str, state: &str) -> Result<()> {
    eventually(SOON, &format!("{key} is {state}"), async || {
        let upstream = nginx.upstream_of(SESSIONS).await?;
        let peer = upstream.peer(key).ok_or("no such peer")?;
        ensure!(peer.state == state, "{peer:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn sessions_reach_only_redis_that_answers_as_expected() -> Result<()> {
    let (etcd, port) = (Etcd::start().await?, free_port()?);
    let (open, locked) =
        (Redis::start(&[]).await?, Redis::start(&["--requirepass", "pepper"]).await?);
    etcd.put(key("open"), open.address()).await?;
    let revision = etcd.put(key("locked"), locked.address()).await?;
    let nginx = Nginx::start(StreamRouter::configuration(&etcd, port, PING)).await?;
    nginx.applied_to(SESSIONS, revision).await?;
    becomes(&nginx, "locked", "unhealthy").await?;
    let fails = format!(
        "upstream \"{SESSIONS}\": peer \"locked\" ({}) is unhealthy: unexpected answer \"-NOAUTH",
        locked.address()
    );
    nginx.wait_for_log(&fails).await?;
    let address = format!("127.0.0.1:{port}");
    for _ in 0..8 {
        assert_eq!(redis_command(&address, "PING").await?, "+PONG");
    }
    // Another one takes over.
    assert_eq!(open.command("CONFIG SET requirepass pepper").await?, "+OK");
    becomes(&nginx, "open", "unhealthy").await?;
    drop(locked);
    let third = Redis::start(&[]).await?;
    let revision = etcd.put(key("locked"), third.address()).await?;
    nginx.applied_to(SESSIONS, revision).await?;
    becomes(&nginx, "locked", "up").await?;
    for _ in 0..8 {
        assert_eq!(redis_command(&address, "PING").await?, "+PONG");
    }
    nginx.check_log()
}
