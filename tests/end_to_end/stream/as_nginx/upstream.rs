//! Which peers sessions go to: weights, failures, backups, hashes, and the fewest connections.

use std::net::Ipv4Addr;

use harness::*;

use super::dead;
use crate::stream::source::{Client, Route, SOURCES, count, nodes_of};

#[tokio::test]
async fn sessions_are_balanced_by_weights_past_dead_peers_and_to_backups() -> Result<()> {
    let (a, b) = tokio::try_join!(TcpNode::start("a"), TcpNode::start("b"))?;
    // At a port that nobody is given while it is stopped.
    let mut late = TcpNode::listen("late", &dead()?).await?;
    late.stop().await;
    let [a, b, dead] = [a.address(), b.address(), dead()?];
    for source in SOURCES {
        let routes = [
            Route::new("even", "", [(&a, ""), (&b, "")]),
            Route::new("past", "", [(&dead, "down"), (&dead, ""), (&a, ""), (&b, "")]),
            Route::new("weight", "", [(&a, ""), (&b, "weight=2")]),
            Route::new("spare", "", [(&late.address(), "fail_timeout=1s"), (&a, "backup")]),
        ];
        let rig = source.start(&routes, "proxy_connect_timeout 2s;").await?;
        let even = [("a", 15), ("b", 15)].into();
        assert_eq!(count(&rig.ask("even", 30).await?), even, "{source:?}");
        assert_eq!(count(&rig.ask("past", 30).await?), even, "{source:?}");
        let heavy = [("a", 10), ("b", 20)].into();
        assert_eq!(count(&rig.ask("weight", 30).await?), heavy, "{source:?}");
        assert_eq!(count(&rig.ask("spare", 30).await?), [("a", 30)].into(), "{source:?}");

        // One attempt at the dead one, with the first or the second session.
        let tried = rig.lines("past")?;
        let dead_tried = tried.iter().filter(|(.., tried)| tried.contains(&dead)).count();
        assert_eq!(dead_tried, 1, "{source:?}: {tried:?}");
        let spare = rig.lines("spare")?;
        assert_eq!(spare[0].2, format!("{}, {a}", late.address()), "{source:?}");

        late.restart().await?;
        eventually(SOON, "the one that came late serves", async || {
            let nodes = rig.ask("spare", 2).await?;
            ensure!(count(&nodes) == [("late", 2)].into(), "{nodes:?}");
            Ok(())
        })
        .await?;
        let held = rig.hold("spare", 30).await?;
        assert_eq!(count(&nodes_of(&held)), [("late", 30)].into(), "{source:?}");
        late.stop().await;
        rig.nginx.check_log()?;
    }
    Ok(())
}

/// With `max_fails=0` a dead peer is tried by each session that comes to it: as many as its weight
/// says, whatever the second tries of others do. These are spread over all others.
#[tokio::test]
async fn a_dead_peer_is_tried_first_no_more_often_than_its_weight_says() -> Result<()> {
    const SESSIONS: usize = 120;
    let nodes = start_tcp_nodes(2).await?;
    let nobody = dead()?;
    let [first, second] = [nodes[0].address(), nodes[1].address()];
    let clients: Vec<Client> = vec![(None, String::new()); SESSIONS];
    for source in SOURCES {
        let once = "max_fails=0";
        let routes = [
            Route::new("one", "", [(&nobody, once), (&first, once)]),
            Route::new("heavy", "", [(&nobody, "max_fails=0 weight=3"), (&first, once)]),
            Route::new("middle", "", [(&first, once), (&nobody, once), (&second, once)]),
            Route::new("least", "least_conn", [(&first, once), (&nobody, once), (&second, once)]),
        ];
        let rig = source.start(&routes, "proxy_connect_timeout 2s;").await?;
        for (route, weights, dead) in [
            ("one", vec![1, 1], 0),
            ("heavy", vec![3, 1], 0),
            ("middle", vec![1, 1, 1], 1),
            ("least", vec![1, 1, 1], 1),
        ] {
            let ways = rig.ways(route, &clients).await?;
            assert!(ways.iter().all(|(status, _)| *status == 200), "{source:?}, {route}: {ways:?}");
            let total: usize = weights.iter().sum();
            for (number, &weight) in weights.iter().enumerate() {
                let tried = |at: usize| {
                    ways.iter().filter(|(_, tried)| tried.get(at) == Some(&number)).count()
                };
                let due = SESSIONS * weight / total;
                // nginx's own second tries put first ones off.
                let rounding = usize::from(number != dead);
                let is_due = tried(0).abs_diff(due) <= rounding;
                assert!(is_due, "{source:?}, {route}, {number}: {ways:?}");
                // Of two that live, each has some of the second tries of 40 sessions.
                assert_eq!(tried(1) > 0, number != dead, "{source:?}, {route}, {number}: {ways:?}");
            }
        }
        rig.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn bytes_of_each_peer_that_was_tried_are_logged() -> Result<()> {
    let (node, dead) = (TcpNode::start("n").await?, dead()?);
    for source in SOURCES {
        let routes = [Route::new("u", "", [(dead.clone(), ""), (node.address(), "backup")])
            .server("access_log logs/bytes.log bytes;")];
        let format = "log_format bytes '$upstream_addr!$upstream_bytes_sent!\
                      $upstream_bytes_received!$status!$protocol!$bytes_received!$bytes_sent';";
        let rig = source.start(&routes, format).await?;
        let mut session = TcpSession::open(&rig.address("u")).await?;
        session.echo("four").await?;
        session.finish().await?;
        let log = std::fs::read_to_string(rig.nginx.folder().path().join("logs/bytes.log"))?;
        let expected = format!("{dead}, {}!0, 4!0, 6!200!TCP!4!6\n", node.address());
        assert_eq!(log, expected, "{source:?}");
    }
    Ok(())
}

#[tokio::test]
async fn no_live_peer_is_logged_with_the_upstreams_name() -> Result<()> {
    for source in SOURCES {
        let routes =
            [Route::new("u", "", [("127.0.0.1:9", "down"), ("127.0.0.2:9", "backup down")])];
        let rig = source.start(&routes, "").await?;
        assert_eq!(rig.ask("u", 1).await?, [""], "{source:?}");
        let lines = rig.lines("u")?;
        assert_eq!((lines[0].1, lines[0].2.as_str()), (502, "u"), "{source:?}");
        assert_eq!(rig.nginx.log_lines("no live upstreams").len(), 1, "{source:?}");
    }
    Ok(())
}

#[tokio::test]
async fn hash_of_a_client_leads_to_one_node_and_an_empty_key_to_all() -> Result<()> {
    let nodes = start_tcp_nodes(2).await?;
    let peers = || nodes.iter().map(|node| (node.address(), ""));
    for source in SOURCES {
        let rig = source
            .start(
                &[
                    Route::new("hash", "hash $remote_addr", peers()),
                    Route::new("ring", "hash $remote_addr consistent", peers()),
                    Route::new("none", "hash $proxy_protocol_addr", peers()),
                    Route::new("no_ring", "hash $proxy_protocol_addr consistent", peers()),
                ],
                "",
            )
            .await?;
        for route in ["hash", "ring"] {
            let nodes = rig.ask(route, 10).await?;
            assert_eq!(count(&nodes).len(), 1, "{source:?}, {route}: {nodes:?}");
            let clients: Vec<_> = (1..=40)
                .map(|last| (Some(Ipv4Addr::new(127, 1, 1, last).into()), String::new()))
                .collect();
            let ways = rig.ways(route, &clients).await?;
            for peer in 0..2 {
                assert!(ways.contains(&(200, vec![peer])), "{source:?}, {route}: {ways:?}");
            }
            assert_eq!(rig.ways(route, &clients).await?, ways, "{source:?}, {route}");
        }
        for route in ["none", "no_ring"] {
            let nodes = rig.ask(route, 4).await?;
            assert_eq!(count(&nodes), [("n0", 2), ("n1", 2)].into(), "{source:?}, {route}");
        }
        rig.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn least_conn_leaves_out_who_has_a_session() -> Result<()> {
    let nodes = start_tcp_nodes(2).await?;
    let peers = || nodes.iter().map(|node| (node.address(), ""));
    for source in SOURCES {
        let rig = source.start(&[Route::new("u", "least_conn", peers())], "").await?;
        let nodes = rig.ask("u", 10).await?;
        assert_eq!(count(&nodes), [("n0", 5), ("n1", 5)].into(), "{source:?}");
        let held = rig.hold("u", 1).await?;
        let other = if held[0].node() == "n0" { "n1" } else { "n0" };
        assert_eq!(count(&rig.ask("u", 10).await?), [(other, 10)].into(), "{source:?}");
        drop(held);
        rig.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn upstream_is_chosen_by_a_variable_in_proxy_pass() -> Result<()> {
    let nodes = start_tcp_nodes(3).await?;
    let address = |number: usize| nodes[number].address();
    for source in SOURCES {
        let other = free_port()?;
        let routes = [
            Route::new("one", "", [(address(0), "")]),
            Route::new("two", "", [(address(1), ""), (address(2), "")]),
        ];
        let further = format!(
            "map $remote_addr $which {{ default one; 127.0.0.2 two; }}
             server {{ listen 127.0.0.1:{other}; proxy_pass $which; }}"
        );
        let rig = source.start(&routes, &further).await?;
        let other = format!("127.0.0.1:{other}");
        for node in ["n0", "n0"] {
            assert_eq!(TcpSession::open(&other).await?.node(), node, "{source:?}");
        }
        let second = Some(Ipv4Addr::new(127, 0, 0, 2).into());
        for node in ["n1", "n2"] {
            let session = TcpSession::open_from(second, &other, b"").await?;
            assert_eq!(session.node(), node, "{source:?}");
        }
        rig.nginx.check_log()?;
    }
    Ok(())
}
