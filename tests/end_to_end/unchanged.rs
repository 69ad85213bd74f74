//! What does not change the list changes nothing.

use harness::*;

#[tokio::test]
async fn same_value_again_does_not_move_the_generation() -> Result<()> {
    let router = Router::start(2, 3).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    nginx.wait_for_log_lines("etcd: upstream", 1).await?;
    let before = nginx.upstream().await?;
    let mut revision = 0;
    for _ in 0..100 {
        revision = etcd.put(key("n1"), router.nodes[1].address().to_string()).await?;
    }
    let after = nginx.applied(revision).await?;
    assert_eq!(after.generation, before.generation);
    // A reader may have kept an old report for a while.
    assert!(after.zone.used <= before.zone.used, "{:?}, before {:?}", after.zone, before.zone);
    nginx.wait_for_log_lines("etcd: upstream", 1).await?;
    // The revision is followed all the same, in every worker.
    for mut connection in nginx.connect_to_each().await? {
        assert!(connection.get("/").await?.revision() >= revision);
    }
    nginx.check_log()
}

#[tokio::test]
async fn change_of_parameters_keeps_the_counters() -> Result<()> {
    let router = Router::start(2, 2).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    for _ in 0..20 {
        assert_eq!(nginx.get("/").await?.status, 200);
    }
    let session = loop {
        let session = nginx.websocket("/ws").await?;
        if session.node() == "n0" {
            break session;
        }
    };
    let before = nginx.upstream().await?;
    let (old, other) = (before.peer("n0").ok_or("no n0")?, before.peer("n1").ok_or("no n1")?);
    assert!(old.requests >= 10 && old.connections == 1, "{old:?}");

    let value = format!("{} weight=5 max_fails=7", router.nodes[0].address());
    let after = nginx.applied(etcd.put(key("n0"), value).await?).await?;
    assert!(after.generation > before.generation);
    let new = after.peer("n0").ok_or("no n0")?;
    assert_eq!((new.weight, new.max_fails), (5, 7));
    assert_eq!((new.requests, new.connections), (old.requests, 1), "{new:?}");
    assert_eq!(after.peer("n1").ok_or("no n1")?.requests, other.requests);

    let mut first = 0;
    for _ in 0..12 {
        first += usize::from(nginx.get("/").await?.node() == "n0");
    }
    assert_eq!(first, 10, "five of six, by weight");
    session.close().await?;
    eventually(SOON, "the session is counted out", async || {
        let upstream = nginx.upstream().await?;
        let peer = upstream.peer("n0").ok_or("no n0")?;
        ensure!(peer.connections == 0 && peer.requests == old.requests + 10, "{peer:?}");
        Ok(())
    })
    .await?;
    nginx.check_log()
}

#[tokio::test]
async fn counters_stay_while_other_peers_come_and_go() -> Result<()> {
    let router = Router::start(2, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    for _ in 0..10 {
        assert_eq!(nginx.get("/").await?.node(), "n0");
    }
    for name in ["a", "z"] {
        nginx.applied(etcd.put(key(name), "127.0.0.1:1 down").await?).await?;
        let upstream = nginx.applied(etcd.delete(&key(name)).await?).await?;
        assert_eq!(upstream.peer("n0").ok_or("no n0")?.requests, 10);
    }
    nginx.check_log()
}
