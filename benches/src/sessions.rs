//! Open WebSockets, and drains of the peers that they are open to.

use std::ops::Range;
use std::time::Duration;

use harness::{ListenAddress, Node, OpenSockets, Result};
use tokio::time::{MissedTickBehavior, interval};

use crate::fleet::Fleet;
use crate::setup::{Setup, peer_key};

/// The location that takes them.
pub const PATH: &str = "/ws";
/// The times are longer than any part takes: nothing is closed.
pub const DRAIN: &str = "etcd_drain timeout=1h spread=10s;";
/// Peers that are drained and called off again.
pub const VISITORS: usize = 4;
/// Sessions to these: so many that each worker has some of each of them, whatever chance does.
const OF_VISITORS: usize = 16 * VISITORS;
/// Peers beside these, which hold the other sessions.
const OTHERS: usize = 10;
/// How often each.
const ROUNDS: usize = 10;
/// From one change to the next: two of a worker's ticks, at each of which it looks at the peers
/// that are left.
const PACE: Duration = Duration::from_millis(200);

/// The port of a node.
///
/// # Errors
///
/// Where it listens on none.
pub fn port(node: &Node) -> Result<u16> {
    match node.address() {
        ListenAddress::Ip(address) => Ok(address.port()),
        other => Err(format!("{other} has no port").into()),
    }
}

fn peers(
    numbers: Range<usize>,
    fleet: &Fleet,
    port: u16,
    parameters: &str,
) -> Vec<(String, String)> {
    numbers
        .map(|number| (peer_key(number), format!("{} {parameters}", fleet.address(number, port))))
        .collect()
}

async fn put(setup: &Setup, peers: Vec<(String, String)>) -> Result<()> {
    let revision = setup.etcd()?.put_all(peers).await?;
    setup.nginx.wait_for_log(&format!("), revision {revision}")).await?;
    Ok(())
}

/// Opens sessions to the peers that are to be drained, which are the fleet, and then as many as
/// `others` says to others.
///
/// # Errors
///
/// Those of etcd and of opening.
pub async fn open(
    setup: &Setup,
    fleet: &Fleet,
    port: u16,
    others: usize,
) -> Result<[OpenSockets; 2]> {
    let own = OpenSockets::open(&setup.address, PATH, OF_VISITORS).await?;
    put(setup, peers(0..VISITORS, fleet, port, "down")).await?;
    put(setup, peers(VISITORS..VISITORS + OTHERS, fleet, port, "")).await?;
    Ok([own, OpenSockets::open(&setup.address, PATH, others).await?])
}

/// Drains those peers and calls it off again, several times, and gives how many changes there were.
///
/// # Errors
///
/// Those of etcd.
pub async fn drain(setup: &Setup, fleet: &Fleet, port: u16) -> Result<usize> {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace.tick().await;
    for _ in 0..ROUNDS {
        for parameters in ["drain", ""] {
            put(setup, peers(0..VISITORS, fleet, port, parameters)).await?;
            pace.tick().await;
        }
    }
    Ok(2 * ROUNDS)
}
