//! WebSocket sessions live as long as those who hold them want.

mod buffers;

use harness::*;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const SESSIONS: usize = 200;
const VISITORS: usize = 100;
/// Visitors that are there at the same time.
const TOGETHER: usize = 5;

/// Talks until it is told to stop, once at least, and gives the session back unless it was cut.
async fn talk(mut session: WebSocket, number: usize, stop: CancellationToken) -> Result<WebSocket> {
    // Without a pause 200 sessions would leave nothing of the machine to all else.
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(100));
    for turn in 0.. {
        pace.tick().await;
        session.echo(&format!("session {number}, turn {turn}")).await?;
        if stop.is_cancelled() {
            break;
        }
    }
    Ok(session)
}

async fn stop_talking(
    mut sessions: JoinSet<Result<WebSocket>>,
    stop: &CancellationToken,
) -> Result<Vec<WebSocket>> {
    stop.cancel();
    let mut open = Vec::new();
    while let Some(session) = sessions.join_next().await {
        open.push(session??);
    }
    Ok(open)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_survives_every_change_and_the_removal_of_its_node() -> Result<()> {
    let router = Router::start(2, 1).await?;
    let (nginx, etcd, own) = (&router.nginx, &router.etcd, &router.nodes[0]);
    let (mut sessions, stop) = (JoinSet::new(), CancellationToken::new());
    let mut workers = std::collections::BTreeSet::new();
    for number in 0..SESSIONS {
        let session = nginx.websocket("/ws").await?;
        assert_eq!(session.node(), "n0");
        workers.insert(session.worker());
        sessions.spawn(talk(session, number, stop.clone()));
    }
    assert_eq!(
        workers.into_iter().collect::<Vec<_>>(),
        nginx.workers()?,
        "both workers hold sessions"
    );
    assert_eq!(nginx.upstream().await?.peer("n0").ok_or("no n0")?.connections, SESSIONS as u64);

    let mut visitors = std::collections::VecDeque::new();
    for number in 0..VISITORS {
        let visitor = Node::start(&format!("visitor-{number}")).await?;
        nginx.applied(etcd.register(std::slice::from_ref(&visitor)).await?).await?;
        visitors.push_back(visitor);
        if visitors.len() > TOGETHER {
            let visitor = visitors.pop_front().ok_or("no visitor")?;
            nginx.applied(etcd.delete(&key(visitor.name())).await?).await?;
            visitor.stop().await;
        }
        let answer = nginx.get("/").await?;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let sessions = stop_talking(sessions, &stop).await?;
    assert_eq!(sessions.len(), SESSIONS);
    assert_eq!(own.counts().websockets, SESSIONS as u64);

    let upstream = nginx.applied(etcd.delete(&key("n0")).await?).await?;
    assert!(!upstream.keys().contains(&"n0"));
    let removed = upstream.peers.last().ok_or("no peers")?;
    assert_eq!(
        (removed.state.as_str(), removed.connections),
        ("removed", SESSIONS as u64),
        "{removed:?}"
    );
    let before = own.counts().requests;
    let (mut again, stop) = (JoinSet::new(), CancellationToken::new());
    for (number, session) in sessions.into_iter().enumerate() {
        again.spawn(talk(session, number, stop.clone()));
    }
    for mut connection in nginx.connect_to_each().await? {
        for _ in 0..50 {
            let answer = connection.get("/").await?;
            assert!(answer.status == 200 && answer.node().starts_with("visitor-"), "{answer:?}");
        }
    }
    let sessions = stop_talking(again, &stop).await?;
    assert_eq!(own.counts().requests, before, "no new request reaches the removed node");

    // Memory that nobody uses comes back, a visitor's for one; what the sessions use stays.
    let visitor = visitors.pop_front().ok_or("no visitor")?;
    let used = nginx.upstream().await?.zone.used;
    etcd.delete(&key(visitor.name())).await?;
    let upstream = eventually(SOON, "the visitor's memory is back", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.zone.used < used, "{:?}", upstream.zone);
        Ok(upstream)
    })
    .await?;
    let removed = upstream.peers.last().ok_or("no peers")?;
    assert_eq!(
        (removed.state.as_str(), removed.connections),
        ("removed", SESSIONS as u64),
        "{removed:?}"
    );

    for session in sessions {
        session.close().await?;
    }
    eventually(SOON, "the removed peer is freed", async || {
        let upstream = nginx.upstream().await?;
        ensure!(
            upstream.peers.iter().all(|peer| peer.state != "removed"),
            "{:?}",
            upstream.peers.last()
        );
        Ok(())
    })
    .await?;
    nginx.check_log()
}

#[tokio::test]
async fn removed_node_that_returns_serves_old_and_new_sessions() -> Result<()> {
    let router = Router::start(2, 2).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let mut session = nginx.websocket("/ws").await?;
    let own = session.node().to_owned();
    nginx.applied(etcd.delete(&key(&own)).await?).await?;
    session.echo("removed").await?;
    nginx.applied(etcd.register(&router.nodes).await?).await?;
    session.echo("returned").await?;
    let elsewhere = Node::start("elsewhere").await?;
    nginx.applied(etcd.put(key(&own), elsewhere.address().to_string()).await?).await?;
    session.echo("its key names another node").await?;
    nginx.applied(etcd.register(&router.nodes).await?).await?;
    session.echo("and this one again").await?;
    for _ in 0..2 {
        nginx.websocket("/ws").await?.close().await?;
    }
    assert!(router.nodes.iter().all(|node| node.counts().requests >= 1));
    session.close().await?;
    eventually(SOON, "no connection is counted any more", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.peers.len() == 2, "{upstream:?}");
        ensure!(upstream.peers.iter().all(|peer| peer.connections == 0), "{upstream:?}");
        Ok(())
    })
    .await?;
    nginx.check_log()
}
