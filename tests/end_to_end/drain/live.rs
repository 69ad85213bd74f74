//! Times that variables give: they act on what is open already, in old workers too, without a
//! reload.

use std::time::{Duration, Instant};

use harness::*;

use super::{SLACK, hold, join, moments, peer_is, put};

const TIMEOUT: &str = "/firehose/nginx/drain_timeout";
const SPREAD: &str = "/firehose/nginx/drain_spread";
const SESSIONS: usize = 40;

fn live(etcd: &Etcd) -> Configuration {
    let variable = |name: &str, key: &str| format!("etcd_variable ${name} main {key} type=time;");
    Configuration::new()
        .http(&cluster("main", &etcd.url()))
        .http(&variable("timeout", TIMEOUT))
        .http(&variable("spread", SPREAD))
        .http(&upstream("zone=1m", "etcd_drain timeout=$timeout spread=$spread;"))
}

/// Waits until the key of a variable has been heard with this value, or with none.
async fn is_set(nginx: &Nginx, name: &str, value: Option<&str>) -> Result<()> {
    eventually(SOON, &format!("{name} is {value:?}"), async || {
        let status = nginx.status().await?;
        let variable = status.variables.get(name).ok_or("no such variable")?;
        let expected = value.map_or(0, str::len);
        ensure!((variable.set, variable.size) == (value.is_some(), expected), "{variable:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn drain_times_act_on_open_sessions_of_old_workers_without_a_reload() -> Result<()> {
    let router = Router::with(1, live).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let fleet = hold(&router, "n0", SESSIONS).await?;
    let _other = join(&router, "n1").await?;
    nginx.reload().await?;
    let (old, new) = (nginx.old_workers()?, nginx.workers()?);
    assert!(!old.is_empty());
    nginx.applied(etcd.delete(&key("n0")).await?).await?;
    // Without a value they live, and the status says so.
    let peer = peer_is(nginx, "n0", "removed", |peer| peer.state == "removed").await?;
    assert_eq!((peer.upgraded, peer.closes_in), (SESSIONS as u64, None), "{peer:?}");
    fleet.echo("while there is no time").await?;

    etcd.put(TIMEOUT, "1h").await?;
    let peer = peer_is(nginx, "n0", "to be closed", |peer| peer.closes_in.is_some()).await?;
    assert!(peer.closes_in.is_some_and(|left| (3_000.0..=3_600.0).contains(&left)), "{peer:?}");
    // What is no time changes nothing.
    for (value, why) in [("soon", "is not a time"), ("91d", "is not a time")] {
        let before = nginx.log_lines(why).len();
        etcd.put(TIMEOUT, value).await?;
        eventually(SOON, "it is rejected", async || {
            ensure!(nginx.log_lines(why).len() == before + 1, "{:?}", nginx.log_lines(why));
            Ok(())
        })
        .await?;
    }
    assert!(
        nginx
            .upstream()
            .await?
            .peer("n0")
            .ok_or("no n0")?
            .closes_in
            .is_some_and(|left| left > 3_000.0)
    );
    etcd.delete(TIMEOUT).await?;
    peer_is(nginx, "n0", "left alone again", |peer| peer.closes_in.is_none()).await?;
    fleet.echo("once there is none again").await?;
    assert_eq!(fleet.open_sessions(), SESSIONS);

    // The time was over long ago: they are closed over the spread from now on, and not together.
    etcd.put(SPREAD, "2s").await?;
    is_set(nginx, "$spread", Some("2s")).await?;
    let begin = Instant::now();
    etcd.put(TIMEOUT, "10ms").await?;
    let ended = moments(&fleet.ended(SOON).await?, begin);
    let (first, last) = (ended[0], ended[SESSIONS - 1]);
    assert!(last.saturating_sub(first) > Duration::from_millis(700), "from {first:?} to {last:?}");
    fleet.in_order()?;
    eventually(SOON, "the old workers end", async || {
        ensure!(nginx.old_workers()?.is_empty(), "{:?}", nginx.old_workers()?);
        Ok(())
    })
    .await?;
    assert_eq!(nginx.workers()?, new, "nothing was a reload");
    nginx.check_log()
}

#[tokio::test]
async fn one_live_drain_time_is_enough_and_sticky_clients_go_by_it() -> Result<()> {
    let router = Router::with(1, |etcd| live(etcd).workers(1)).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    nginx.applied(put(&router, "drain").await?).await?;
    peer_is(nginx, "n0", "left alone", |peer| peer.state == "drain" && peer.closes_in.is_none())
        .await?;
    // The timeout is that of the directive where it says none.
    etcd.put(SPREAD, "1s").await?;
    let peer = peer_is(nginx, "n0", "to be closed", |peer| peer.closes_in.is_some()).await?;
    assert!(peer.closes_in.is_some_and(|left| left > 0.0 && left <= 30.0), "{peer:?}");
    etcd.put(TIMEOUT, " 0\n").await?;
    peer_is(nginx, "n0", "closed", |peer| peer.closes_in == Some(0.0)).await?;
    etcd.delete_all("/firehose/nginx/").await?;
    peer_is(nginx, "n0", "left alone", |peer| peer.closes_in.is_none()).await?;
    nginx.check_log()
}

/// A reload brings `etcd_drain`: the old workers do not know of it, and nobody is promised an end
/// that does not come.
#[tokio::test]
async fn closes_in_leaves_out_sessions_that_an_old_worker_cannot_close() -> Result<()> {
    let mut router = Router::with(1, |etcd| {
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("zone=1m", ""))
    })
    .await?;
    let fleet = hold(&router, "n0", 4).await?;
    let with_drain = super::draining(&router.etcd, "timeout=0 spread=0", "");
    router.nginx.configure(with_drain)?;
    router.nginx.reload().await?;
    let _other = join(&router, "n1").await?;
    router.nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    let peer = peer_is(&router.nginx, "n0", "removed", |peer| peer.state == "removed").await?;
    assert_eq!((peer.connections, peer.closes_in), (4, None), "{peer:?}");
    fleet.echo("in an old worker").await?;
    fleet.close().await?;
    // Those of the new workers are closed, and said to be.
    let fleet = hold(&router, "n1", 2).await?;
    router.etcd.delete(&key("n1")).await?;
    fleet.ended(SLACK).await?;
    fleet.in_order()
}
