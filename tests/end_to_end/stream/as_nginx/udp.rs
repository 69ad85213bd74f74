//! UDP: what is a session, and which peer has it.

use std::time::Duration;

use harness::*;

use super::dead;
use crate::stream::source::{Route, SOURCES, count};

/// For a datagram that is not to come.
const MOMENT: Duration = Duration::from_millis(200);

/// The nodes of as many clients, each of which says one word.
async fn nodes_of(address: &str, clients: usize) -> Result<Vec<String>> {
    let mut nodes = Vec::new();
    for _ in 0..clients {
        nodes.push(UdpClient::open(address).await?.ask("word").await?);
    }
    Ok(nodes)
}

async fn two() -> Result<(UdpNode, UdpNode)> {
    tokio::try_join!(UdpNode::start("a"), UdpNode::start("b"))
}

#[tokio::test]
async fn clients_of_udp_are_balanced_by_weights_and_to_backups() -> Result<()> {
    let (a, b) = two().await?;
    let dead = dead()?;
    for source in SOURCES {
        let routes = [
            Route::new("even", "", [(a.address(), ""), (b.address(), "")]),
            Route::new("weight", "", [(a.address(), ""), (b.address(), "weight=2")]),
            Route::new("spare", "", [(dead.clone(), "down"), (a.address(), "backup")]),
            Route::new("hash", "hash $remote_addr", [(a.address(), ""), (b.address(), "")]),
            Route::new(
                "ring",
                "hash $remote_addr consistent",
                [(a.address(), ""), (b.address(), "")],
            ),
        ]
        .map(|route| route.listen("udp"));
        let rig = source.start(&routes, "proxy_responses 1; proxy_timeout 5s;").await?;
        for (name, clients, expected) in [
            ("even", 10, [("a", 5), ("b", 5)].into()),
            ("weight", 9, [("a", 3), ("b", 6)].into()),
            ("spare", 10, [("a", 10)].into()),
        ] {
            let nodes = nodes_of(&rig.address(name), clients).await?;
            assert_eq!(count(&nodes), expected, "{source:?}, {name}");
        }
        for name in ["hash", "ring"] {
            let nodes = nodes_of(&rig.address(name), 10).await?;
            assert_eq!(count(&nodes).len(), 1, "{source:?}, {name}");
        }
        rig.nginx.check_log()?;
    }
    Ok(())
}

/// There is no second try with UDP: the datagram is lost, and the peer has failed.
#[tokio::test]
async fn datagram_to_a_dead_peer_is_lost_and_counts_as_its_failure() -> Result<()> {
    let (a, b) = two().await?;
    let dead = dead()?;
    for source in SOURCES {
        let peers = [(dead.clone(), ""), (a.address(), ""), (b.address(), "")];
        let routes = [Route::new("u", "", peers).listen("udp")];
        let rig = source.start(&routes, "proxy_responses 1; proxy_timeout 5s;").await?;
        let mut nodes = Vec::new();
        let mut lost = 0;
        for _ in 0..11 {
            let client = UdpClient::open(&rig.address("u")).await?;
            client.send("word").await?;
            match client.receive(if lost == 0 { MOMENT } else { SOON }).await? {
                // Some versions pass the failure on as an empty datagram.
                Some(answer) if answer.is_empty() => lost += 1,
                Some(answer) => nodes.push(answer.split(' ').next().unwrap_or_default().to_owned()),
                None => lost += 1,
            }
        }
        assert_eq!((lost, count(&nodes)), (1, [("a", 5), ("b", 5)].into()), "{source:?}");
        let lines = rig.lines("u")?;
        let failed = lines.iter().filter(|(.., tried)| *tried == dead);
        assert_eq!(failed.count(), 1, "{source:?}: {lines:?}");
        rig.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn least_conn_leaves_out_who_has_not_answered() -> Result<()> {
    let (a, b) = two().await?;
    for source in SOURCES {
        let routes =
            [Route::new("u", "least_conn", [(a.address(), ""), (b.address(), "")]).listen("udp")];
        let rig = source.start(&routes, "proxy_responses 1; proxy_timeout 60s;").await?;
        a.set_answers(0);
        b.set_answers(0);
        let (before, both) = (a.received(), a.received() + b.received());
        let waiting = UdpClient::open(&rig.address("u")).await?;
        waiting.send("word").await?;
        assert_eq!(waiting.receive(MOMENT).await?, None, "{source:?}");
        eventually(SOON, "a node has it", async || {
            ensure!(a.received() + b.received() > both, "neither");
            Ok(())
        })
        .await?;
        let other = if a.received() > before { "b" } else { "a" };
        a.set_answers(1);
        b.set_answers(1);
        let nodes = nodes_of(&rig.address("u"), 4).await?;
        assert_eq!(count(&nodes), [(other, 4)].into(), "{source:?}");
        rig.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn proxy_responses_is_how_many_datagrams_a_session_waits_for() -> Result<()> {
    let (a, _) = two().await?;
    for source in SOURCES {
        let routes = [
            ("none", "proxy_responses 0;"),
            ("one", "proxy_responses 1;"),
            ("two", "proxy_responses 2;"),
            ("many", ""),
        ]
        .map(|(name, server)| {
            Route::new(name, "", [(a.address(), "")]).listen("udp").server(server)
        });
        let rig = source.start(&routes, "proxy_timeout 5s;").await?;
        for (name, answers, expected) in
            [("none", 1, 0), ("one", 1, 1), ("two", 2, 2), ("many", 3, 3)]
        {
            a.set_answers(answers);
            let client = UdpClient::open(&rig.address(name)).await?;
            client.send("word").await?;
            for number in 0..expected {
                let answer = client.receive(SOON).await?;
                assert_eq!(answer.as_deref(), Some("a word"), "{source:?}, {name}, {number}");
            }
            let more = client.receive(MOMENT).await?;
            assert_eq!(more, None, "{source:?}, {name}");
            // The session is over with its last answer, or goes on.
            eventually(SOON, "it is over, or goes on", async || {
                let ended = rig.lines(name)?.len();
                ensure!(ended == usize::from(name != "many"), "{source:?}, {name}: {ended}");
                Ok(())
            })
            .await?;
        }
        a.set_answers(1);
        rig.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn empty_datagrams_are_passed_in_both_directions() -> Result<()> {
    let node = UdpNode::start("").await?;
    for source in SOURCES {
        let routes = [Route::new("u", "", [(node.address(), "")]).listen("udp")];
        let rig = source.start(&routes, "proxy_responses 1; proxy_timeout 5s;").await?;
        for text in ["", "word", ""] {
            let client = UdpClient::open(&rig.address("u")).await?;
            assert_eq!(client.ask(text).await?, "", "{source:?}");
        }
        rig.nginx.check_log()?;
    }
    Ok(())
}

/// A session keeps its socket and its peer until it has had so many datagrams, or has been silent
/// for so long.
#[tokio::test]
async fn session_of_udp_lasts_for_proxy_requests_and_proxy_timeout() -> Result<()> {
    for source in SOURCES {
        let (a, b) = two().await?;
        let peers = || [(a.address(), ""), (b.address(), "")];
        let routes = [
            Route::new("bound", "", peers()),
            Route::new("each", "", peers()).server("proxy_requests 1;"),
            Route::new("pairs", "", peers()).server("proxy_requests 2;"),
            Route::new("silent", "", peers()).server("proxy_timeout 1s;"),
        ]
        .map(|route| route.listen("udp"));
        let rig = source.start(&routes, "proxy_timeout 5s;").await?;
        for (name, expected) in [
            ("bound", ["a", "a", "a", "a"]),
            ("each", ["a", "b", "a", "b"]),
            ("pairs", ["a", "a", "b", "b"]),
        ] {
            let before = a.sessions() + b.sessions();
            let client = UdpClient::open(&rig.address(name)).await?;
            for node in expected {
                assert_eq!(client.ask("word").await?, node, "{source:?}, {name}");
            }
            let sessions = a.sessions() + b.sessions() - before;
            let wanted = match name {
                "bound" => 1,
                "each" => 4,
                _ => 2,
            };
            assert_eq!(sessions, wanted, "{source:?}, {name}");
        }
        let client = UdpClient::open(&rig.address("silent")).await?;
        assert_eq!(client.ask("word").await?, "a", "{source:?}");
        eventually(SOON, "the session ends", async || {
            ensure!(rig.lines("silent")?.len() == 1, "it is open");
            Ok(())
        })
        .await?;
        assert_eq!(client.ask("word").await?, "b", "{source:?}");
        rig.nginx.check_log()?;
    }
    Ok(())
}

/// With both, a session takes so many datagrams and waits for the answers to all of them.
#[tokio::test]
async fn session_of_udp_ends_with_the_answers_to_its_last_datagram() -> Result<()> {
    for source in SOURCES {
        let (a, b) = two().await?;
        a.set_answers(2);
        b.set_answers(2);
        let peers = [(a.address(), ""), (b.address(), "")];
        let routes = [Route::new("u", "", peers)
            .listen("udp")
            .server("proxy_requests 2; proxy_responses 2;")];
        let rig = source.start(&routes, "proxy_timeout 60s;").await?;
        let client = UdpClient::open(&rig.address("u")).await?;
        let answered = async |node: &str, of: usize| -> Result<()> {
            for number in 0..of {
                let answer = client.receive(SOON).await?;
                ensure!(answer == Some(format!("{node} word")), "{answer:?}, {number} of {of}");
            }
            Ok(())
        };
        // After one datagram and its answers the session is open, after two and theirs it is over.
        for (number, node) in ["a", "a", "b", "b", "a", "a"].into_iter().enumerate() {
            client.send("word").await?;
            answered(node, 2).await?;
            eventually(SOON, "the sessions are over", async || {
                let ended = rig.lines("u")?.len();
                ensure!(ended == number.div_ceil(2), "{source:?}: {ended} after {number}");
                Ok(())
            })
            .await?;
        }
        assert_eq!((a.sessions(), b.sessions()), (2, 1), "{source:?}");
        assert_eq!((a.received(), b.received()), (4, 2), "{source:?}");

        // An answer too few: the next datagram begins a session all the same, and the old one is
        // open until its time is up.
        b.set_answers(1);
        for _ in 0..2 {
            client.send("word").await?;
            answered("b", 1).await?;
        }
        for _ in 0..2 {
            client.send("word").await?;
            answered("a", 2).await?;
        }
        eventually(SOON, "the last session is over", async || {
            let ended = rig.lines("u")?.len();
            ensure!(ended == 4, "{source:?}: {ended}");
            Ok(())
        })
        .await?;
        assert_eq!((a.sessions(), b.sessions()), (3, 2), "{source:?}");
        assert_eq!((a.received(), b.received()), (6, 4), "{source:?}");
        rig.nginx.check_log()?;
    }
    Ok(())
}
