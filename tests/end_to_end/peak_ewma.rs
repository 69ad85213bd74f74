//! `peak_ewma`: a peer that answers slowly gets less, for as long as it does.

use std::time::Duration;

use futures_util::future::try_join_all;
use harness::*;

const NODES: usize = 4;
/// What an answer takes: so much that what the machine does beside makes no great difference.
const WELL: Duration = Duration::from_millis(50);
/// Far above what the machine may hold up another answer. Forgotten to about [`WELL`] in three
/// half-lives of 8.2 s.
const SLOW: Duration = Duration::from_millis(400);
/// Clients at a time.
const CLIENTS: u64 = 4;
/// Requests that are looked at together.
const REQUESTS: u64 = 80;
/// A quarter is a peer's share where all are alike.
const SHARE: u64 = REQUESTS / NODES as u64;
/// More than the decay takes.
const FORGOTTEN: Duration = Duration::from_secs(40);

/// Asks so many times, and says how many of the requests the first node answered.
async fn ask(router: &Router, times: u64) -> Result<u64> {
    let before = router.nodes[0].counts().requests;
    try_join_all(
        (0..CLIENTS.min(times)).map(|_| ask_in_turn(&router.nginx, times.div_ceil(CLIENTS))),
    )
    .await?;
    Ok(router.nodes[0].counts().requests - before)
}

async fn ask_in_turn(nginx: &Nginx, times: u64) -> Result<()> {
    let mut connection = nginx.connect().await?;
    for _ in 0..times {
        let answer = connection.get("/").await?;
        ensure!(answer.status == 200, "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn slow_peer_gets_less_and_its_share_again_when_it_is_quick() -> Result<()> {
    let router = Router::with(NODES, |etcd| {
        let directives = "etcd_balance peak_ewma;";
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", directives))
    })
    .await?;
    router.nodes.iter().for_each(|node| node.set_delay(WELL));
    router.nodes[0].set_delay(SLOW);
    eventually(SOON, "the slow one is known", async || {
        ensure!(ask(&router, 1).await? == 1, "not asked yet");
        Ok(())
    })
    .await?;
    // Of two that are drawn it is hardly ever the better one. A peer like the others would get so
    // few once in 100 000 times.
    eventually(FORGOTTEN, "it gets less", async || {
        let slow = ask(&router, REQUESTS).await?;
        ensure!(slow <= SHARE / 4, "{slow} of {REQUESTS}");
        Ok(())
    })
    .await?;
    router.nodes[0].set_delay(WELL);
    eventually(FORGOTTEN, "it has its share again", async || {
        let well = ask(&router, REQUESTS).await?;
        ensure!(well >= SHARE * 3 / 4, "{well} of {REQUESTS}");
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}
