//! `--check` by a line and by TLS: Redis is announced while it answers as it should.

use nix::sys::signal::Signal;

use super::*;

const PING: [&str; 2] = ["--check", "send=PING expect=+PONG"];

/// A Redis, and its announcer, in a moment at which the key is there.
async fn announced(etcd: &Etcd, redis: &Redis, check: &[&str]) -> Result<Program> {
    let program = announce(&etcd.url(), &redis.address(), check)?;
    is_announced(&program, etcd, &redis.address()).await?;
    Ok(program)
}

#[tokio::test]
async fn redis_is_announced_while_it_answers_as_expected() -> Result<()> {
    let (etcd, redis) = (Etcd::start().await?, Redis::start(&[]).await?);
    let address = redis.address();
    let program = announced(&etcd, &redis, &PING).await?;
    // It answers, but not so.
    assert_eq!(redis.command("CONFIG SET requirepass pepper").await?, "+OK");
    is_gone(&etcd, SOON).await?;
    let reason = r#"unexpected answer "-NOAUTH Authentication required.\r\n""#;
    program.wait_for_log(&format!("the node does not answer: {reason}")).await?;
    drop(redis);
    let port = address.rsplit_once(':').ok_or("no port")?.1.parse()?;
    let redis = Redis::listen(port, &[]).await?;
    value_is(&etcd, &address).await?;
    // It accepts connections, and says nothing.
    redis.signal(Signal::SIGSTOP)?;
    is_gone(&etcd, SOON).await?;
    redis.signal(Signal::SIGCONT)?;
    value_is(&etcd, &address).await?;
    Ok(())
}

#[tokio::test]
async fn redis_behind_tls_is_announced_by_its_handshake() -> Result<()> {
    let (etcd, authority) = (Etcd::start().await?, Authority::new("nobody's")?);
    let redis = Redis::with_tls(&authority, "redis.internal").await?;
    for check in ["tls", "tls name=redis.internal send=PING expect=+PONG"] {
        let mut program = announced(&etcd, &redis, &["--check", check]).await?;
        program.signal(Signal::SIGTERM)?;
        assert_eq!(program.ended(SOON).await?, 0);
        is_gone(&etcd, SOON).await?;
    }
    let program = announce(&etcd.url(), &redis.address(), &PING)?;
    program.wait_for_log("the node does not answer yet").await?;
    drop(redis);
    assert_eq!(value(&etcd).await?, None);
    Ok(())
}
