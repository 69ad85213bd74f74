//! What happens to a session's bytes and ends, and when a second peer is tried.

use std::time::Duration;

use harness::*;

use super::dead;
use crate::stream::source::{Route, SOURCES};

#[tokio::test]
async fn end_of_either_side_is_passed_on_after_all_bytes() -> Result<()> {
    let node = TcpNode::start("n0").await?;
    for source in SOURCES {
        let routes = [
            Route::new("whole", "", [(node.address(), "")]),
            Route::new("half", "", [(node.address(), "")]).server("proxy_half_close on;"),
        ];
        let rig = source.start(&routes, "").await?;
        let long = "0123456789".repeat(50_000);
        for name in ["whole", "half"] {
            let before = node.accepted();
            let mut session = TcpSession::open(&rig.address(name)).await?;
            session.echo(&long).await?;
            session.finish().await?;
            let seen = eventually(SOON, "the node sees the end", async || {
                let seen = node.sessions()[before].clone();
                ensure!(seen.end.is_some(), "{seen:?}");
                Ok(seen)
            })
            .await?;
            assert_eq!(
                (seen.received, seen.end),
                (long.len() as u64, Some(Ending::Eof)),
                "{source:?}, {name}"
            );
        }
        rig.nginx.check_log()?;
    }
    Ok(())
}

/// A client that has said its last still gets what the node says after that.
#[tokio::test]
async fn half_closed_session_goes_on_in_the_other_direction() -> Result<()> {
    let port = free_port()?;
    let _socat = Socat::start(&[
        &format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr"),
        // It speaks when it has heard the end.
        "SYSTEM:echo s0; wc -c",
    ])?;
    let address = format!("127.0.0.1:{port}");
    eventually(SOON, "socat listens", async || TcpSession::open(&address).await).await?;
    for source in SOURCES {
        let routes =
            [Route::new("half", "", [(address.clone(), "")]).server("proxy_half_close on;")];
        let rig = source.start(&routes, "").await?;
        let mut session = TcpSession::open(&rig.address("half")).await?;
        session.send(b"12345").await?;
        session.shut().await?;
        let (end, rest) = session.ended(SOON).await?;
        assert_eq!((end.how, rest.trim_ascii()), (Ending::Eof, &b"5"[..]), "{source:?}");
        rig.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn connect_timeout_is_no_limit_of_a_session() -> Result<()> {
    let node = TcpNode::start("n0").await?;
    for source in SOURCES {
        let routes = [
            Route::new("long", "", [(node.address(), "")]).server("proxy_connect_timeout 200ms;"),
            Route::new("short", "", [(node.address(), "")]).server("proxy_timeout 1s;"),
        ];
        let rig = source.start(&routes, "").await?;
        let mut session = TcpSession::open(&rig.address("long")).await?;
        assert!(session.is_quiet(Duration::from_millis(500)).await, "{source:?}");
        session.echo("still there").await?;
        let mut session = TcpSession::open(&rig.address("short")).await?;
        let (end, _) = session.ended(SOON).await?;
        assert_eq!(end.how, Ending::Eof, "{source:?}");
        rig.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn next_peer_is_tried_where_it_may_be() -> Result<()> {
    let node = TcpNode::start("n0").await?;
    let (one, two, live) = (dead()?, dead()?, node.address());
    let peers = |backup: &'static str| {
        [(one.clone(), "max_fails=0"), (two.clone(), "max_fails=0"), (live.clone(), backup)]
    };
    for source in SOURCES {
        let routes = [
            Route::new("off", "", peers("backup")).server("proxy_next_upstream off;"),
            Route::new("on", "", peers("backup")).server("proxy_next_upstream on;"),
            Route::new("by_default", "", peers("backup")),
            Route::new("tries", "", peers("backup")).server("proxy_next_upstream_tries 2;"),
            Route::new("down", "", [(one.clone(), ""), (live.clone(), "down")]),
        ];
        let rig = source.start(&routes, "proxy_connect_timeout 2s;").await?;
        for (name, tries, status) in [
            ("off", 1, 502),
            ("on", 3, 200),
            ("by_default", 3, 200),
            ("tries", 2, 502),
            ("down", 1, 502),
        ] {
            let node = rig.ask(name, 1).await?.remove(0);
            assert_eq!(node, if status == 200 { "n0" } else { "" }, "{source:?}, {name}");
            let (_, logged, tried) = rig.lines(name)?.remove(0);
            let tried = tried.split(", ").count();
            assert_eq!((logged, tried), (status, tries), "{source:?}, {name}");
        }
        rig.nginx.check_log()?;
    }
    Ok(())
}

/// One that failed is left out for its `fail_timeout`; `max_fails=0` leaves nobody out.
#[tokio::test]
async fn failed_peer_is_left_out_for_its_fail_timeout() -> Result<()> {
    let nodes = start_tcp_nodes(2).await?;
    for source in SOURCES {
        let peers = |words| [(dead().unwrap_or_default(), words), (nodes[0].address(), "")];
        let routes = [
            Route::new("once", "", peers("fail_timeout=60s")),
            Route::new("thrice", "", peers("max_fails=3 fail_timeout=60s")),
            Route::new("always", "", peers("max_fails=0")),
            Route::new("soon", "", peers("fail_timeout=1s")),
        ];
        let rig = source.start(&routes, "").await?;
        let tried = |name: &str| -> Result<usize> {
            let lines = rig.lines(name)?;
            Ok(lines.iter().filter(|(.., tried)| tried.contains(", ")).count())
        };
        // With two peers each retry may take the turn of the next session.
        for (name, expected) in [("once", 1..=1), ("thrice", 3..=3), ("always", 9..=20)] {
            rig.ask(name, 20).await?;
            let tried = tried(name)?;
            assert!(expected.contains(&tried), "{source:?}, {name}: {tried}");
        }
        eventually(SOON, "it is tried again when its time is over", async || {
            rig.ask("soon", 2).await?;
            ensure!(tried("soon")? > 1, "not yet");
            Ok(())
        })
        .await?;
        rig.nginx.check_log()?;
    }
    Ok(())
}

/// What nginx says first to a peer that wants the PROXY protocol, is for the peer that is taken.
#[tokio::test]
async fn proxy_protocol_and_a_bound_address_reach_the_peer() -> Result<()> {
    for source in SOURCES {
        let seen = free_port()?;
        let routes = [Route::new("u", "", [(format!("127.0.0.1:{seen}"), "")])
            .server("proxy_protocol on; proxy_bind 127.0.0.7;")];
        let further = format!(
            "server {{ listen 127.0.0.1:{seen} proxy_protocol;
             return '$remote_addr $proxy_protocol_addr $proxy_protocol_port\\n'; }}"
        );
        let rig = source.start(&routes, &further).await?;
        let session = TcpSession::open(&rig.address("u")).await?;
        let expected = format!("127.0.0.7 127.0.0.1 {}", session.local().port());
        assert_eq!(session.node(), expected, "{source:?}");
        rig.nginx.check_log()?;
    }
    Ok(())
}
