//! `postgres.conf`: two members of Patroni's, and a switchover under load.

mod load;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::*;
use nix::sys::signal::Signal;

use load::Transactions;

const PRIMARY: u16 = 5_000;
const REPLICAS: u16 = 5_001;
/// The cluster that the file names.
const SCOPE: &str = "batman";
/// From Patroni's write to the first new connection that reaches the new primary.
const FOLLOWED: Duration = Duration::from_secs(1);
/// Until a session to a former primary is closed, if Patroni writes nothing meanwhile.
const CLOSED: Duration = Duration::from_secs(2);
/// How many clients make transactions.
const CLIENTS: usize = 4;
/// How many transactions are made before and after the switchover, at least.
const TRANSACTIONS: usize = 200;

/// Whether the server at the other end of a new session is a replica, and its port.
async fn server(address: &str) -> Result<(bool, String)> {
    let mut session = Postgres::connect(address).await?;
    let rows = session.query("select pg_is_in_recovery(), inet_server_port()").await?;
    match rows.first().map(Vec::as_slice) {
        Some([recovery, port]) => Ok((recovery == "t", format!("127.0.0.1:{port}"))),
        _ => Err(format!("{rows:?}").into()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patroni_switchover_moves_new_connections_within_a_second() -> Result<()> {
    let etcd = Etcd::start().await?;
    let patroni = Patroni::start(&etcd, SCOPE, &["pg1", "pg2"]).await?;
    let (first, second) = (patroni.address("pg1")?, patroni.address("pg2")?);
    let router = ShippedStream::start("postgres.conf", &etcd).await?;
    let (primary, replicas) = (router.address(PRIMARY), router.address(REPLICAS));
    router.wait_for_peers("primary", &["pg1"]).await?;
    router.wait_for_peers("replicas", &["pg2"]).await?;
    assert_eq!(server(&primary).await?, (false, first.clone()));
    assert_eq!(server(&replicas).await?, (true, second.clone()));
    let mut idle = Postgres::connect(&primary).await?;
    idle.query("create table acknowledged (number bigint primary key)").await?;

    let load = Transactions::start(&primary, CLIENTS);
    load.wait_for(TRANSACTIONS).await?;
    let mut writes = etcd.writes(&patroni.prefix()).await?;
    let (switched, followed) = tokio::join!(patroni.switch_over("pg1", "pg2"), async {
        loop {
            let write = writes.next().await?;
            let value = write.value.unwrap_or_default();
            if write.key.ends_with("/pg2") && running_role(&value)?.as_deref() == Some("primary") {
                let stopwatch = Stopwatch::start();
                eventually(SOON, "a new connection reaches the new primary", async || {
                    let found = server(&primary).await?;
                    ensure!(found == (false, second.clone()), "{found:?}");
                    Ok(())
                })
                .await?;
                return Ok::<_, Error>((write.seen, stopwatch.elapsed(), Instant::now()));
            }
        }
    });
    switched?;
    let (written, took, reached) = followed?;
    load.wait_for(TRANSACTIONS).await?;
    let report = load.stop().await?;

    println!("reached {:?} after the write, {}", reached - written, report.summary(written));
    assert!(took <= FOLLOWED, "{took:?}");
    // Not only after the write: at no time is a replica behind this port.
    assert_eq!(report.in_recovery(), 0, "{}", report.summary(written));
    let late: Vec<_> = report.failures().filter(|failure| failure.began > reached).collect();
    assert!(late.is_empty(), "{late:?}");
    let elsewhere = report.made().filter(|made| made.began > written && made.server != second);
    assert_eq!(elsewhere.count(), 0, "{}", report.summary(written));

    // A switchover loses nothing that was acknowledged.
    let mut session = Postgres::connect(&primary).await?;
    let rows = session.query("select number from acknowledged").await?;
    let kept: BTreeSet<i64> = rows.iter().map(|row| row[0].parse()).collect::<Result<_, _>>()?;
    let lost: Vec<_> = report.made().filter(|made| !kept.contains(&made.number)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let said = idle.ended(SOON).await?;
    println!("a session to the former primary has ended: {said:?}");

    router.wait_for_peers("primary", &["pg2"]).await?;
    router.wait_for_peers("replicas", &["pg1"]).await?;
    assert_eq!(server(&replicas).await?, (true, first));
    router.nginx.check_log()
}

/// A former primary that Patroni cannot stop.
#[tokio::test]
async fn sessions_to_a_former_primary_are_closed_at_once() -> Result<()> {
    let etcd = Etcd::start().await?;
    let patroni = Patroni::start(&etcd, SCOPE, &["pg1"]).await?;
    let router = ShippedStream::start("postgres.conf", &etcd).await?;
    router.wait_for_peers("primary", &["pg1"]).await?;
    let mut session = Postgres::connect(&router.address(PRIMARY)).await?;
    session.query("select 1").await?;
    let key = format!("{}pg1", patroni.prefix());

    // A change that is not one of the role leaves the session in peace.
    patroni.signal("pg1", Signal::SIGSTOP)?;
    let (value, _) = etcd.look_up(&key).await?.ok_or("no member")?;
    ensure!(running_role(&value)?.as_deref() == Some("primary"), "{value}");
    let mut member: serde_json::Value = serde_json::from_str(&value)?;
    member["timeline"] = 7.into();
    let revision = etcd.put(&key, member.to_string()).await?;
    eventually(SOON, "the change is applied", async || {
        let upstream = router.wait_for_peers("primary", &["pg1"]).await?;
        ensure!(upstream.revision >= revision, "{}", upstream.summary());
        Ok(())
    })
    .await?;
    session.query("select 2").await?;

    member["role"] = "replica".into();
    let mut said = None;
    eventually(SOON, "the member is a replica without sessions", async || {
        // Again each time: a write of Patroni's may have been on its way, and makes the member a
        // primary once more, whose sessions stay open.
        etcd.put(&key, member.to_string()).await?;
        let status = router.nginx.status().await?;
        let keys = |upstream: &str| status.upstreams[upstream].keys().join(" ");
        ensure!(
            (keys("primary"), keys("replicas")) == (String::new(), "pg1".to_owned()),
            "{status:?}"
        );
        if said.is_none() {
            said = Some(session.ended(CLOSED).await?);
        }
        let another = Postgres::connect(&router.address(PRIMARY)).await;
        ensure!(another.is_err(), "a new session reaches the member");
        Ok(())
    })
    .await?;
    assert_eq!(said.as_deref(), Some(""), "PostgreSQL itself has ended the session");
    // Its PostgreSQL knows nothing of all that, and takes sessions.
    assert!(!server(&patroni.address("pg1")?).await?.0);
    patroni.signal("pg1", Signal::SIGCONT)?;
    router.nginx.check_log()
}
