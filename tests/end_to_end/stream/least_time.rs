//! `least_time` by what a session takes: to the first byte, or to the last.

use std::time::Duration;

use harness::*;

use super::source::{Route, Source, count};

/// What the slow one takes to say its name.
const SLOW: Duration = Duration::from_millis(300);

#[tokio::test]
async fn slow_node_gets_few_sessions_with_least_time() -> Result<()> {
    let nodes = start_tcp_nodes(3).await?;
    nodes[1].set_delay(SLOW);
    let peers = || nodes.iter().map(|node| (node.address(), ""));
    let routes = [
        Route::new("first", "least_time first_byte", peers()),
        Route::new("last", "least_time last_byte", peers()),
        Route::new("inflight", "least_time last_byte inflight", peers()),
        Route::new("connect", "least_time connect", peers()),
    ];
    let rig = Source::Etcd.start(&routes, "").await?;
    for name in ["first", "last", "inflight"] {
        let nodes = rig.ask(name, 60).await?;
        let counts = count(&nodes);
        let slow = counts.get("n1").copied().unwrap_or_default();
        assert!((1..15).contains(&slow) && counts.len() == 3, "{name}: {counts:?}");
        let upstream = rig.nginx.upstream_of(name).await?;
        let times: Vec<_> =
            upstream.peers.iter().map(|peer| peer.response_time.or(peer.header_time)).collect();
        let [Some(fast), Some(slow), Some(_)] = times[..] else {
            return Err(format!("{name}: {:?}", upstream.peers).into());
        };
        assert!(slow > SLOW.as_secs_f64() / 2.0 && fast < slow, "{name}: {times:?}");
    }
    // How long one takes to speak is no matter of its connections.
    let nodes = rig.ask("connect", 30).await?;
    assert!(count(&nodes).get("n1").is_some_and(|count| *count > 1), "{:?}", count(&nodes));
    let upstream = rig.nginx.upstream_of("connect").await?;
    let times: Vec<_> = upstream.peers.iter().filter_map(|peer| peer.header_time).collect();
    assert!(times.len() == 3 && times.iter().all(|time| *time < SLOW.as_secs_f64()), "{times:?}");
    rig.nginx.check_log()
}
