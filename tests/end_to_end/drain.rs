//! `etcd_drain`: how the open connections of a node that is left come to an end.

mod causes;
mod evenly;
mod in_order;
mod live;
mod old_workers;
mod on_the_way;
mod rate;
mod requests;
mod returns;
mod slow_reader;
mod sticky;
mod with_tls;

use std::time::{Duration, Instant};

use harness::*;

/// How much later than promised something may be seen: clients, nodes and nginx share a machine
/// with whatever else it does.
const SLACK: Duration = Duration::from_secs(3);

/// How much later than at a peer's leaving its time may be said to begin: the unit of these moments
/// in the zone, and a moment's rounding.
const UNIT: Duration = Duration::from_millis(20);

/// How long a connection that is due waits for what its peer is sending
/// (`src/upstream/drains/open.rs`).
const PATIENCE: Duration = Duration::from_secs(10);

/// Clients that talk do so this often: at any moment of a drain some are just about to.
const CHATTER: Duration = Duration::from_millis(50);

/// The usual upstream with `etcd_drain`, and further directives.
fn draining(etcd: &Etcd, drain: &str, directives: &str) -> Configuration {
    let directives = format!("etcd_drain {drain}; {directives}");
    Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("zone=1m", &directives))
}

/// nginx before one node, `n0`.
async fn start(drain: &str, directives: &str) -> Result<Router> {
    Router::with(1, |etcd| draining(etcd, drain, directives)).await
}

/// Opens sessions, which all come to be with one node: the only one there is.
async fn hold(router: &Router, node: &str, count: usize) -> Result<Fleet> {
    let fleet = Fleet::open(&router.nginx.address(), "/ws", count).await?;
    let elsewhere = fleet.sessions().iter().filter(|session| session.node() != node).count();
    ensure!(elsewhere == 0, "{elsewhere} sessions are not with {node}");
    Ok(fleet)
}

/// Starts a further node, and waits until nginx has it.
async fn join(router: &Router, name: &str) -> Result<Node> {
    let node = Node::start(name).await?;
    router.nginx.applied(router.etcd.register(std::slice::from_ref(&node)).await?).await?;
    Ok(node)
}

/// Writes the key of `n0` with these words behind its address.
async fn put(router: &Router, words: &str) -> Result<i64> {
    router.etcd.put(key("n0"), format!("{} {words}", router.nodes[0].address())).await
}

/// Waits until the status of a peer is as it should be.
async fn peer_is(nginx: &Nginx, key: &str, what: &str, is: impl Fn(&Peer) -> bool) -> Result<Peer> {
    eventually(SOON, &format!("{key} is {what}"), async || {
        let upstream = nginx.upstream().await?;
        let peer = upstream.peer(key).ok_or("no such peer")?;
        ensure!(is(peer), "{peer:?}");
        Ok(peer.clone())
    })
    .await
}

/// The most of these moments that lie within any window of this length.
fn most_within(moments: &[Duration], window: Duration) -> usize {
    let count = |(index, from): (usize, &Duration)| {
        moments[index..].partition_point(|moment| *moment < *from + window)
    };
    moments.iter().enumerate().map(count).max().unwrap_or(0)
}

/// When sessions ended, counted from `begin`, which must have come before.
fn moments(ends: &[End], begin: Instant) -> Vec<Duration> {
    ends.iter().map(|end| end.at.duration_since(begin)).collect()
}

/// How many connections to a peer the workers said that they were closing, all together.
fn announced(nginx: &Nginx, peer: &str) -> Result<usize> {
    let said = format!("etcd: upstream \"{UPSTREAM}\": peer \"{peer}\": closing ");
    let lines = nginx.log_lines(&said);
    ensure!(lines.iter().all(|line| line.contains("[notice]")), "{lines:?}");
    let count = |line: &String| -> Option<usize> {
        line.split(&said).nth(1)?.strip_suffix(" connections")?.parse().ok()
    };
    lines.iter().map(count).sum::<Option<usize>>().ok_or_else(|| format!("{lines:?}").into())
}
