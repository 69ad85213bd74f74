//! Cookies of a peer that drains: honoured until its time is over.

use std::time::{Duration, Instant};

use harness::*;

use super::{SLACK, join, put, start};

const TIMEOUT: Duration = Duration::from_secs(1);
const STICKY: &str = "etcd_sticky cookie=srv_id;";

/// The cookie that an answer sets, as a client sends it; none where it sets none.
fn cookie(answer: &Answer) -> Option<String> {
    let value = answer.header("set-cookie").split(';').next()?;
    value.starts_with("srv_id=").then(|| value.to_owned())
}

async fn ask(nginx: &Nginx, path: &str, cookie: &str) -> Result<Answer> {
    nginx.connect().await?.get_with(path, &[("Cookie", cookie)]).await
}

/// `n0`, its cookie, and `n1`.
async fn stuck(drain: &str) -> Result<(Router, String, Node)> {
    let router = start(drain, STICKY).await?;
    let cookie = cookie(&router.nginx.get("/").await?).ok_or("no cookie")?;
    let other = join(&router, "n1").await?;
    Ok((router, cookie, other))
}

#[tokio::test]
async fn cookie_of_a_draining_peer_is_honoured_until_the_timeout() -> Result<()> {
    let (router, own, _other) = stuck("timeout=1s spread=0").await?;
    let begin = Stopwatch::start();
    let revision = put(&router, "drain").await?;
    let (mut honoured, mut elsewhere) = (0, None);
    while elsewhere.is_none() {
        assert!(begin.elapsed() < TIMEOUT + SLACK, "honoured {honoured} times");
        let answer = ask(&router.nginx, "/", &own).await?;
        assert_eq!(answer.status, 200);
        if answer.node() == "n0" {
            assert_eq!(cookie(&answer), None);
            honoured += u64::from(answer.revision() >= revision);
        } else {
            assert!(begin.passed() >= TIMEOUT, "not honoured after {:?}", begin.passed());
            elsewhere = Some(answer);
        }
    }
    assert!(honoured > 0);
    let new = elsewhere.as_ref().and_then(cookie).ok_or("no new cookie")?;
    assert_ne!(new, own);
    for cookie_of in [&new, &own] {
        for _ in 0..8 {
            assert_eq!(ask(&router.nginx, "/", cookie_of).await?.node(), "n1");
        }
    }
    let upstream = router.nginx.upstream().await?;
    let peer = upstream.peer("n0").ok_or("no n0")?;
    assert_eq!((peer.state.as_str(), peer.connections, peer.closes_in), ("drain", 0, Some(0.0)));
    // It comes back, and so do those that have its cookie.
    router.nginx.applied(put(&router, "").await?).await?;
    assert_eq!(ask(&router.nginx, "/", &own).await?.node(), "n0");
    router.nginx.check_log()
}

#[tokio::test]
async fn request_by_a_cookie_is_closed_with_the_rest() -> Result<()> {
    const LONGER: Duration = Duration::from_secs(4);
    let (router, own, other) = stuck("timeout=4s spread=0").await?;
    let begin = Instant::now();
    router.nginx.applied(put(&router, "drain").await?).await?;
    let mut connection = router.nginx.connect().await?;
    let poll =
        tokio::spawn(
            async move { connection.get_with("/poll?ms=120000", &[("Cookie", &own)]).await },
        );
    other.set_status(Some(StatusCode::OK));
    eventually(LONGER, "it is at the node that drains", async || {
        ensure!(router.nodes[0].counts().plain_open == 1, "{:?}", router.nodes[0].counts());
        Ok(())
    })
    .await?;
    let answer = tokio::time::timeout(LONGER + SLACK, poll).await???;
    assert!(begin.elapsed() >= LONGER, "after {:?}", begin.elapsed());
    assert_eq!((answer.status, answer.node()), (200, "n1"), "{answer:?}");
    assert!(cookie(&answer).is_some(), "{answer:?}");
    router.nginx.check_log()
}

#[tokio::test]
async fn cookie_of_a_draining_peer_is_honoured_for_ever_without_on_drain() -> Result<()> {
    let (router, own, _other) = stuck("timeout=0 spread=0 on=remove,check").await?;
    router.nginx.applied(put(&router, "drain").await?).await?;
    for _ in 0..16 {
        let answer = ask(&router.nginx, "/", &own).await?;
        assert_eq!((answer.node(), cookie(&answer)), ("n0", None));
    }
    assert_eq!(router.nginx.upstream().await?.peer("n0").ok_or("no n0")?.closes_in, None);
    router.nginx.check_log()
}
