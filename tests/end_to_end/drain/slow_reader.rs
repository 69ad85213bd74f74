//! A client that does not read is waited for only so long, and loses nothing of what had come for
//! it.

use std::time::{Duration, Instant};

use harness::*;

use super::{CHATTER, PATIENCE, SLACK, hold, join, start};

/// A broadcast's text.
const TEXT: usize = 64 << 10;
/// Broadcasts from one look at what was sent to the next.
const AT_A_TIME: u64 = 16;
/// The text and the head of its WebSocket frame (RFC 6455, 5.2: two bytes, and eight of length).
const FRAME: u64 = TEXT as u64 + 10;
const TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes that a node has sent and the other side's kernel has not taken, of its only connection:
/// `tx_queue` of `/proc/net/tcp`.
fn unacknowledged(node: &Node) -> Result<u64> {
    let address = node.address().to_string();
    let port: u16 = address.rsplit(':').next().unwrap_or_default().parse()?;
    let own = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    let mut queues = table.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_established = fields.get(1)?.ends_with(&own) && *fields.get(3)? == "01";
        is_established.then(|| fields.get(4)?.split(':').next()).flatten()
    });
    let (queue, further) = (queues.next().ok_or("no connection")?, queues.next());
    ensure!(further.is_none(), "more than one connection");
    Ok(u64::from_str_radix(queue, 16)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_reader_gets_all_that_had_come_before_the_end() -> Result<()> {
    let router = start("timeout=2s spread=0", "").await?;
    let (nginx, node) = (&router.nginx, &router.nodes[0]);
    let fleet = hold(&router, "n0", 1).await?;
    let session = &fleet.sessions()[0];
    session.echo("hello").await?;
    session.stop_reading();
    let mut before = 0;
    let sent = eventually(SOON, "the way to the client is full", async || {
        let number = (0..AT_A_TIME).fold(0, |_, _| node.broadcast(TEXT));
        let sent = node.sessions()[0].sent;
        let is_stuck = sent == std::mem::replace(&mut before, sent) && sent + AT_A_TIME < number;
        // A node that has had no processor for a while looks stuck, too.
        let is_full = is_stuck && sent * FRAME > 1 << 20;
        ensure!(is_full && unacknowledged(node)? > 0, "{sent} of {number}");
        Ok(sent)
    })
    .await?;
    let _other = join(&router, "n1").await?;

    // Nothing moves any more until the client reads.
    let unacknowledged = unacknowledged(node)?;
    let begin = Instant::now();
    router.etcd.delete(&key("n0")).await?;
    // What the node's own kernel still has may never come; what nginx and its kernel have must.
    let taken = (sent * FRAME).saturating_sub(unacknowledged) / FRAME;
    assert!(taken > 0);
    eventually(TIMEOUT + PATIENCE + SLACK, "it is closed after a time", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.drained == 1, "{upstream:?}");
        Ok(())
    })
    .await?;
    assert!(begin.elapsed() >= TIMEOUT + PATIENCE && session.is_open());
    // Clients that do not read may yet talk, and that must not be the end of what is on its way to
    // them.
    session.chatter(CHATTER);
    let said = session.record().said;
    eventually(SOON, "the client has talked", async || {
        ensure!(session.record().said > said + 4, "{:?}", session.record());
        Ok(())
    })
    .await?;
    session.read_on();
    let end = session.ended(SOON).await?;
    let record = session.record();
    assert_eq!((end.how, record.disorder, record.first), (Ending::Eof, None, 1));
    assert!(record.last >= taken, "{} of {taken}", record.last);
    eventually(SOON, "the connection is counted out", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.peers.len() == 1, "{upstream:?}");
        Ok(())
    })
    .await?;
    nginx.check_log()
}
