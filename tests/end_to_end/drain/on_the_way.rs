//! What is on its way at the very moment of closing, in both directions.

use std::time::{Duration, Instant};

use harness::*;
use nix::sys::signal::Signal;

use super::{SLACK, draining, hold};

const SESSIONS: usize = 40;
/// Long enough for workers to be halted before it is over, also where the machine is busy.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than from one tick of a worker to the next.
const TICKS: Duration = Duration::from_millis(300);

/// Stops the workers, and waits until they are.
async fn halt(workers: &[i32]) -> Result<()> {
    for worker in workers {
        signal(*worker, Signal::SIGSTOP)?;
    }
    eventually(SOON, "the workers are halted", async || {
        ensure!(workers.iter().all(|worker| state(*worker) == Some('T')), "they run");
        Ok(())
    })
    .await
}

/// Workers are halted until their sessions are due, and until a tick (ten a second) has come,
/// before anything is on its way: it is the first event that they see then, and has them close what
/// has events of its own, still unseen.
#[tokio::test]
async fn data_on_the_way_arrives_and_nothing_is_reset() -> Result<()> {
    let router = Router::with(1, |etcd| draining(etcd, "timeout=3s spread=0", "")).await?;
    let (nginx, node) = (&router.nginx, &router.nodes[0]);
    let fleet = hold(&router, "n0", SESSIONS).await?;
    fleet.echo("hello").await?;
    let begin = Instant::now();
    nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    let workers = nginx.workers()?;
    halt(&workers).await?;
    assert!(begin.elapsed() < TIMEOUT && fleet.open_sessions() == SESSIONS, "halted too late");
    eventually(SOON, "the sessions are due", async || {
        ensure!(begin.elapsed() > TIMEOUT + TICKS, "not yet");
        Ok(())
    })
    .await?;
    let number = node.broadcast(1000);
    for session in fleet.sessions() {
        session.send_text("on its way");
    }
    eventually(SOON, "both sides have sent", async || {
        ensure!(node.sessions().iter().all(|session| session.sent == number), "the node has not");
        ensure!(
            fleet.sessions().iter().all(|session| session.record().said == 2),
            "a client has not"
        );
        Ok(())
    })
    .await?;
    for worker in &workers {
        signal(*worker, Signal::SIGCONT)?;
    }
    fleet.ended(SLACK).await?;
    fleet.in_order()?;
    for session in fleet.sessions() {
        assert_eq!(session.record().last, number, "{:?}", session.record());
    }
    nginx.check_log()
}
