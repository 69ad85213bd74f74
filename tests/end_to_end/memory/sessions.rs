//! What an open session takes of the workers' memory, with the configurations that are shipped.

use harness::*;

/// Opened and closed before the measurement: by then the allocator has taken what it keeps.
const WARM_UP: usize = 40;
const SESSIONS: usize = 800;
/// nginx's own structures for a request and two connections take 12 to 13 kB. Each of the two
/// buffers of `proxy_buffer_size` would be 4 kB more.
const MOST: u64 = 14_500;

fn total(workers: &[i32]) -> Result<u64> {
    workers.iter().map(|&pid| memory(pid)).sum()
}

/// Opens sessions that all echo, and fails if one takes more than [`MOST`].
async fn check(name: &str, address: &str, workers: &[i32]) -> Result<()> {
    for _ in 0..WARM_UP {
        let mut session = WebSocket::open(address, "/channel").await?;
        session.echo("hello").await?;
        session.close().await?;
    }
    let before = total(workers)?;
    let mut open = Vec::new();
    for number in 0..SESSIONS {
        let mut session = WebSocket::open(address, "/channel").await?;
        session.echo(&format!("session {number}")).await?;
        open.push(session);
    }
    for session in &mut open {
        session.echo("again").await?;
    }
    let taken = total(workers)?.saturating_sub(before) / SESSIONS as u64;
    println!("{name}: {taken} bytes for a session");
    ensure!(taken <= MOST, "{name}: {taken} bytes for a session");
    for session in &mut open {
        session.echo("still there").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_session_takes_little_memory_with_shipped_configurations() -> Result<()> {
    for (name, prefix) in
        [("firehose.conf", PREFIX), ("drain.conf", PREFIX), ("sessions.conf", "/app/upstream/")]
    {
        let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
        etcd.put(format!("{prefix}node"), node.address().to_string()).await?;
        let nginx = Nginx::start(Configuration::shipped(name, &etcd)?).await?;
        eventually(SOON, "the node serves", async || {
            let answer = nginx.get("/").await?;
            ensure!(answer.status == 200, "{answer:?}");
            Ok(())
        })
        .await?;
        check(name, &nginx.address(), &nginx.workers()?).await?;
        nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_session_takes_little_memory_with_serve() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    check("serve", &router.address(), &router.workers()?).await
}
