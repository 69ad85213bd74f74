//! `least_conn`: whoever has the fewest open connections gets the next.

use harness::*;
use nix::sys::signal::Signal;

const NODES: usize = 3;
/// Sessions of each node, by their weights of 1.
const EACH: usize = 8;

async fn start(workers: usize) -> Result<Router> {
    let directives = "etcd_balance least_conn;";
    Router::with(NODES, |etcd| {
        Configuration::new()
            .workers(workers)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", directives))
    })
    .await
}

async fn open(nginx: &Nginx, count: usize) -> Result<Vec<WebSocket>> {
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(nginx.websocket("/ws").await?);
    }
    Ok(sessions)
}

/// Waits until the status, the nodes and the test are at one about the open sessions.
async fn counted(router: &Router, sessions: &[WebSocket]) -> Result<Vec<usize>> {
    let at = |node: &Node| sessions.iter().filter(|session| session.node() == node.name()).count();
    let expected: Vec<_> = router.nodes.iter().map(at).collect();
    eventually(SOON, "all sessions are counted", async || {
        let upstream = router.nginx.upstream().await?;
        let counts: Vec<_> = upstream.peers.iter().map(|peer| peer.connections as usize).collect();
        let nodes: Vec<_> =
            router.nodes.iter().map(|node| node.counts().websockets as usize).collect();
        ensure!(
            counts == expected && nodes == expected,
            "{counts:?} and {nodes:?} instead of {expected:?}"
        );
        Ok(())
    })
    .await?;
    Ok(expected)
}

#[tokio::test]
async fn new_sessions_go_to_the_peer_with_the_fewest() -> Result<()> {
    let router = start(4).await?;
    let mut sessions = open(&router.nginx, NODES * EACH).await?;
    assert_eq!(counted(&router, &sessions).await?, [EACH; NODES]);

    // Two thirds of one node's end: it gets as many before any other gets one.
    for _ in 0..EACH * 2 / 3 {
        let of_one =
            sessions.iter().position(|session| session.node() == "n1").ok_or("no session of n1")?;
        sessions.remove(of_one).close().await?;
    }
    counted(&router, &sessions).await?;
    for session in open(&router.nginx, EACH * 2 / 3).await? {
        assert_eq!(session.node(), "n1");
        sessions.push(session);
    }

    // A newcomer is filled up first.
    let newcomer = Node::start("n3").await?;
    router.nginx.applied(router.etcd.register(std::slice::from_ref(&newcomer)).await?).await?;
    for session in open(&router.nginx, EACH).await? {
        assert_eq!(session.node(), "n3");
        sessions.push(session);
    }
    router.nginx.check_log()
}

#[tokio::test]
async fn weights_count_in_least_conn() -> Result<()> {
    let router = start(2).await?;
    let values = router.nodes.iter().zip([1, 2, 5]);
    let values = values
        .map(|(node, weight)| (key(node.name()), format!("{} weight={weight}", node.address())));
    router.nginx.applied(router.etcd.put_all(values).await?).await?;
    let sessions = open(&router.nginx, 24).await?;
    assert_eq!(counted(&router, &sessions).await?, [3, 6, 15]);
    router.nginx.check_log()
}

#[tokio::test]
async fn sessions_of_a_killed_worker_count_no_more() -> Result<()> {
    let router = start(4).await?;
    let mut sessions = open(&router.nginx, NODES * EACH).await?;
    // The one that watches, and one that does not.
    for _ in 0..2 {
        let victim = router.nginx.watcher().await?;
        let other = sessions.iter().map(WebSocket::worker).find(|worker| *worker != victim);
        for worker in [Some(victim), other].into_iter().flatten() {
            signal(worker, Signal::SIGKILL)?;
            sessions.retain(|session| session.worker() != worker);
            eventually(SOON, "there are four workers again", async || {
                let workers = router.nginx.workers()?;
                ensure!(workers.len() == 4 && !workers.contains(&worker), "{workers:?}");
                Ok(())
            })
            .await?;
            counted(&router, &sessions).await?;
            let lost = NODES * EACH - sessions.len();
            sessions.extend(open(&router.nginx, lost).await?);
            assert_eq!(counted(&router, &sessions).await?, [EACH; NODES], "{lost} were lost");
        }
    }
    Ok(())
}
