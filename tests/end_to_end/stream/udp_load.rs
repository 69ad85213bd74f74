//! Ten thousand datagrams a second while nodes come and go, beside nginx's own upstream of the same
//! nodes.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use harness::*;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

const TIME: Duration = Duration::from_secs(1);
const PER_SECOND: u64 = 10_000;
/// Clients, each with a socket of its own.
const CLIENTS: u64 = 20;
/// Nodes, of which the first stays.
const NODES: usize = 6;
/// Datagrams of a client that are sent and not answered.
const ON_THE_WAY: usize = 8;
/// What has not been answered after this time is lost.
const LOST: Duration = Duration::from_secs(1);
/// Of so many datagrams, one may be lost with etcd that is not with lines: what a busy machine
/// loses differs from run to run.
const ROUNDING: u64 = 3_000;

/// Whether the kernel has room to remember all of the datagrams, twice: each is a flow of its own,
/// and what cannot be remembered is not sent.
fn has_room() -> Result<bool> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/netfilter/{name}"));
    let (Ok(most), Ok(count)) = (read("nf_conntrack_max"), read("nf_conntrack_count")) else {
        return Ok(true);
    };
    let room = most.trim().parse::<u64>()?.saturating_sub(count.trim().parse()?);
    Ok(room > 4 * TIME.as_secs() * PER_SECOND)
}

/// What the clients have sent, and what was answered.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    answered: AtomicU64,
}

/// Sends a client's share of the datagrams, at an even pace, or as fast as a busy machine answers:
/// no more are on their way than the sockets' buffers hold, so that none is lost for want of room.
async fn send(address: &str, counts: &Counts) -> Result<()> {
    let client = UdpClient::open(address).await?;
    let total = TIME.as_secs() * PER_SECOND / CLIENTS;
    let (room, is_over) = (Semaphore::new(ON_THE_WAY), Cell::new(false));
    let mut pace = interval(Duration::from_secs(1) * CLIENTS as u32 / PER_SECOND as u32 * 4);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let sending = async {
        for number in 0..total {
            // Four at a time: the clock of timers has milliseconds.
            if number % 4 == 0 {
                pace.tick().await;
            }
            room.acquire().await?.forget();
            client.send("word").await?;
            counts.sent.fetch_add(1, Ordering::Relaxed);
        }
        is_over.set(true);
        Result::<()>::Ok(())
    };
    let receiving = async {
        let mut answered = 0;
        loop {
            match client.receive(LOST).await? {
                Some(_) => {
                    answered += 1;
                    room.add_permits(1);
                }
                None => {
                    // Those that are on their way are lost, and others may be sent.
                    let missing = ON_THE_WAY.saturating_sub(room.available_permits());
                    if missing == 0 && is_over.get() {
                        break;
                    }
                    room.add_permits(missing);
                }
            }
        }
        counts.answered.fetch_add(answered, Ordering::Relaxed);
        Result::<()>::Ok(())
    };
    tokio::try_join!(sending, receiving)?;
    Ok(())
}

/// Sends all of them, and gives how many were sent and how many lost.
async fn load(address: &str) -> Result<(u64, u64)> {
    let counts = Counts::default();
    try_join_all((0..CLIENTS).map(|_| send(address, &counts))).await?;
    let (sent, answered) = (counts.sent.into_inner(), counts.answered.into_inner());
    Ok((sent, sent.saturating_sub(answered)))
}

const SERVER: &str = "proxy_timeout 10s; proxy_requests 1; proxy_responses 1;";

/// Removes nodes one after the other, looks whether they hear anything after the publish, and adds
/// them again; gives how many changes there were.
async fn changes(nginx: &Nginx, etcd: &Etcd, nodes: &[UdpNode], begin: Instant) -> Result<u64> {
    let mut changes = 0;
    let mut workers = nginx.connect_to_each().await?;
    while begin.elapsed() < TIME {
        let node = &nodes[1 + changes as usize / 2 % (NODES - 1)];
        let revision = etcd.delete(&key(node.name())).await?;
        nginx.applied_to(SESSIONS, revision).await?;
        // A worker that answers has sent on what it had picked the node for before, and a node that
        // answers has read what was in its socket.
        for worker in &mut workers {
            worker.get("/worker").await?;
        }
        UdpClient::open(&node.address()).await?.ask("are you done").await?;
        let (before, all) = (node.received(), nodes.iter().map(UdpNode::received).sum::<u64>());
        eventually(SOON, "others hear something", async || {
            let now: u64 = nodes.iter().map(UdpNode::received).sum();
            ensure!(now >= all + 20 || begin.elapsed() > TIME, "{now}, then {all}");
            Ok(())
        })
        .await?;
        let heard = node.received() - before;
        ensure!(heard == 0, "{} heard {heard} after its removal", node.name());
        let revision = etcd.put(key(node.name()), node.address()).await?;
        nginx.applied_to(SESSIONS, revision).await?;
        changes += 2;
    }
    Ok(changes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_datagrams_a_second_lose_no_more_than_with_lines() -> Result<()> {
    if !has_room()? {
        return skip("the kernel has no room to remember so many datagrams (nf_conntrack_max)");
    }
    let starts = (0..NODES).map(async |number| UdpNode::start(&format!("u{number}")).await);
    let nodes = try_join_all(starts).await?;
    let port = free_port()?;
    let lines: String = nodes.iter().map(|node| format!("server {};", node.address())).collect();
    let stock = Configuration::stock()
        .http(&format!("upstream {UPSTREAM} {{ server 127.0.0.1:9; }}"))
        .stream(&format!("upstream {SESSIONS} {{ zone sessions 64k; {lines} }}"))
        .stream(&stream_server(port, "udp reuseport", &format!("proxy_pass {SESSIONS}; {SERVER}")));
    let stock = Nginx::start(stock).await?;
    let (sent, lost_with_lines) = load(&format!("127.0.0.1:{port}")).await?;
    stock.check_log()?;
    drop(stock);

    let (etcd, port) = (Etcd::start().await?, free_port()?);
    let pairs = nodes.iter().map(|node| (key(node.name()), node.address()));
    let revision = etcd.put_all(pairs).await?;
    let ours = StreamRouter::without_server(&etcd)
        .stream(&sessions("zone=1m", ""))
        .stream(&stream_server(port, "udp reuseport", &format!("proxy_pass {SESSIONS}; {SERVER}")));
    let ours = Nginx::start(ours).await?;
    ours.applied_to(SESSIONS, revision).await?;
    let address = format!("127.0.0.1:{port}");
    let ((_, lost), changes) =
        tokio::try_join!(load(&address), changes(&ours, &etcd, &nodes, Instant::now()))?;
    println!("of {sent} each: {lost} lost with {changes} changes, {lost_with_lines} with lines");
    assert!(changes > 1, "{changes}");
    assert!(lost <= lost_with_lines + sent / ROUNDING, "{lost}, and {lost_with_lines} with lines");
    ours.check_log()
}
