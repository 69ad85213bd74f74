//! A whole fleet is replaced, node after node, as docs/how-to/roll-a-fleet.md says, while clients
//! use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use harness::*;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::random::Random;

const NODES: usize = 20;
/// Sessions at any time: each node's share.
const SHARE: u64 = 20;
const SESSIONS: u64 = NODES as u64 * SHARE;
/// How much a node's sessions may differ from its share in the end: a tenth.
const UNEVENNESS: u64 = SHARE / 10;
/// Who asks over HTTP without pause.
const CLIENTS: usize = 4;
/// For how long (ms) a client stays, at least, and how much longer at most: the coming and going of
/// any fleet, without which nobody would ever return to the node that was rolled last.
const STAY: (u64, u64) = (1_000, 3_000);

/// What the clients have seen.
#[derive(Debug, Default)]
struct Seen {
    opened: AtomicU64,
    /// Ended by the client.
    left: AtomicU64,
    /// Ended by the router, in order.
    drained: AtomicU64,
}

/// Holds one session after the other, each to its client's own end or the router's.
async fn come_and_go(
    address: String,
    seed: u64,
    seen: Arc<Seen>,
    stop: CancellationToken,
) -> Result<()> {
    let mut random = Random::new(seed);
    while !stop.is_cancelled() {
        let session = Session::open(&address, "/ws").await?;
        seen.opened.fetch_add(1, Relaxed);
        // On a busy machine its node may be left before this comes back, and its turn be the first:
        // the end below tells.
        let greeting = session.echo("hello").await;
        ensure!(greeting.is_ok() || !session.is_open(), "{greeting:?}");
        let stay = Duration::from_millis(STAY.0 + random.below(STAY.1));
        let end = tokio::select! {
            // Cancel safe: both only wait.
            () = stop.cancelled() => None,
            end = timeout(stay, session.ended(stay * 2)) => end.ok(),
        };
        let node = session.node().to_owned();
        let (how, count) = match end {
            Some(end) => (end?.how, &seen.drained),
            // Unless the router ends it in the same moment.
            None => match session.close().await {
                Ok(()) => (Ending::Eof, &seen.left),
                Err(error) if error.to_string().contains("Eof") => (Ending::Eof, &seen.drained),
                Err(error) => return Err(format!("to {node}: {error}").into()),
            },
        };
        ensure!(how == Ending::Eof, "the session to {node} ended with {how:?}");
        count.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// Says `drain`, waits until nobody is left, and puts another node in the place.
async fn roll(router: &mut Router, index: usize) -> Result<()> {
    let Router { nginx, nodes, etcd } = router;
    let name = nodes[index].name().to_owned();
    etcd.put(key(&name), format!("{} drain", nodes[index].address())).await?;
    eventually(SOON, &format!("nobody is left at {name}"), async || {
        let upstream = nginx.upstream().await?;
        let peer = upstream.peer(&name).ok_or("not listed")?;
        ensure!(peer.state == "drain" && peer.connections == 0, "{peer:?}");
        Ok(())
    })
    .await?;
    // It hears of each end a moment after nginx has made it.
    eventually(SOON, &format!("{name} itself has nobody left"), async || {
        let counts = nodes[index].counts();
        ensure!((counts.websockets, counts.plain_open) == (0, 0), "{counts:?}");
        Ok(())
    })
    .await?;
    let successor = Node::start(&name).await?;
    std::mem::replace(&mut nodes[index], successor).stop().await;
    etcd.put(key(&name), nodes[index].address().to_string()).await?;
    eventually(SOON, &format!("{name} has sessions again"), async || {
        let counts = nodes[index].counts();
        ensure!(counts.websockets > 0, "{counts:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_a_fleet_fails_no_request() -> Result<()> {
    let mut random = Random::from_environment();
    let mut router = Router::with(NODES, |etcd| {
        let directives = "etcd_balance least_conn; etcd_drain timeout=500ms spread=500ms;";
        Configuration::new()
            .workers(2)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", directives))
    })
    .await?;
    let address = router.nginx.address();
    let (seen, stop, mut clients) =
        (Arc::new(Seen::default()), CancellationToken::new(), JoinSet::new());
    for _ in 0..SESSIONS {
        clients.spawn(come_and_go(address.clone(), random.next(), seen.clone(), stop.clone()));
    }
    let load = Load::start(&address, "/", Clients::KeepAlive, CLIENTS);
    for index in 0..NODES {
        roll(&mut router, index).await?;
    }
    eventually(SOON * 3, "the sessions are even again", async || {
        let sessions: Vec<u64> = router.nodes.iter().map(|node| node.counts().websockets).collect();
        ensure!(sessions.iter().all(|count| count.abs_diff(SHARE) <= UNEVENNESS), "{sessions:?}");
        Ok(())
    })
    .await?;
    stop.cancel();
    while let Some(client) = clients.join_next().await {
        client??;
    }
    load.stop().await?.without_failure()?;
    println!("{seen:?}");
    let drained = router.nginx.upstream().await?.drained;
    assert!(drained >= SESSIONS / 2, "{drained} were closed by drains");
    assert_eq!(seen.opened.load(Relaxed), seen.left.load(Relaxed) + seen.drained.load(Relaxed));
    router.nginx.check_log()
}
