//! `rate=N/s`: no second closes more, whichever worker's they are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use harness::*;

use super::{CHATTER, SLACK, draining, hold, join};

const RATE: usize = 50;
const SESSIONS: usize = 150;
/// Of three times in milliseconds.
const ROUNDING: Duration = Duration::from_millis(3);
const SECOND: Duration = Duration::from_secs(1);
/// Two moments between which a session was closed.
struct Closed {
    /// nginx's time of the event that the close was part of.
    logged: SystemTime,
    /// When the client was woken for it.
    seen: SystemTime,
}

/// The most sessions that were certainly closed within any window of a second.
fn most_in_a_second(closed: &[Closed]) -> usize {
    let within = |from: SystemTime| {
        closed
            .iter()
            .filter(|session| session.logged >= from && session.seen < from + SECOND)
            .count()
    };
    closed.iter().map(|session| within(session.logged)).max().unwrap_or(0)
}

/// When nginx closed the connections to nodes, by the worker and path of their sessions. A request
/// is logged when its client has closed as well; but what it took, and what the node took of that,
/// are known to the millisecond.
fn logged(nginx: &Nginx) -> Result<BTreeMap<(i32, String), SystemTime>> {
    let text = std::fs::read_to_string(nginx.folder().path().join("logs/ends.log"))?;
    let mut sessions = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let ["101", worker, path, end, whole, of_node] = fields[..] else { continue };
        let [end, whole, of_node]: [f64; 3] = [end.parse()?, whole.parse()?, of_node.parse()?];
        let time =
            SystemTime::UNIX_EPOCH + Duration::from_secs_f64(end - whole + of_node) - ROUNDING;
        sessions.insert((worker.parse()?, path.to_owned()), time);
    }
    Ok(sessions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_holds_in_each_second_over_all_workers() -> Result<()> {
    let router = Router::with(1, |etcd| {
        draining(etcd, "timeout=0 rate=50/s", "")
            .workers(4)
            .http(
                "log_format ends '$status $pid $request_uri $msec $request_time \
                 $upstream_response_time';",
            )
            .server("access_log logs/ends.log ends;")
    })
    .await?;
    let nginx = &router.nginx;
    let old = hold(&router, "n0", SESSIONS / 2).await?;
    nginx.reload().await?;
    let new = hold(&router, "n0", SESSIONS / 2).await?;
    assert!(!nginx.old_workers()?.is_empty());
    let _other = join(&router, "n1").await?;
    for fleet in [&old, &new] {
        fleet.chatter(5, CHATTER);
    }
    nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    let longest = SECOND * (SESSIONS / RATE) as u32 + SLACK;
    let (of_old, _) = tokio::try_join!(old.ended(longest), new.ended(longest))?;
    assert_eq!(of_old.len(), SESSIONS / 2);
    old.in_order()?;
    new.in_order()?;

    let logged = eventually(SOON, "all are logged", async || {
        let logged = logged(nginx)?;
        ensure!(logged.len() == SESSIONS, "{}", logged.len());
        Ok(logged)
    })
    .await?;
    let (instant, time) = (Instant::now(), SystemTime::now());
    let mut closed = Vec::new();
    for session in old.sessions().iter().chain(new.sessions()) {
        let end = session.record().end.ok_or("open")?;
        let logged = logged[&(session.worker(), session.path().to_owned())];
        closed.push(Closed { logged, seen: time - instant.duration_since(end.at) });
    }
    assert!(closed.iter().all(|session| session.logged <= session.seen), "two clocks");
    let most = most_in_a_second(&closed);
    assert!(most <= RATE, "{most} in a second");
    // Neither are they slower than need be.
    assert!(most >= RATE / 2, "{most} in a second");
    nginx.check_log()
}
