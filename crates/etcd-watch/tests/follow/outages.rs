//! What happens to etcd, and what is told of it.

use std::time::Duration;

use etcd_client::{ConnectOptions, PermissionType};
use etcd_watch::{Cause, Keys, Limits, Update, follow};
use nix::sys::signal::Signal;
use tokio::net::TcpListener;
use tokio::sync::mpsc::channel;
use tokio::time::{Instant, timeout};

use crate::etcd::{DEADLINE, Etcd, free_port};
use crate::followed::{Followed, PREFIX, cluster, key};
use crate::relay::{Mode, Relay};

/// Within what a server that does not answer any more is noticed: 2 s + 2 s, and a machine that is
/// busy.
const NOTICED: Duration = Duration::from_secs(10);

/// Changes a few keys: one comes, one goes, one is written again; `mark` tells the changes apart.
async fn change(etcd: &Etcd, mark: &str) {
    let mut kv = etcd.kv().await;
    kv.put(key("constant"), mark, None).await.expect("a put");
    kv.put(key(mark), "new", None).await.expect("a put");
    kv.put(key("gone"), mark, None).await.expect("a put");
    kv.delete(key("gone"), None).await.expect("a deletion");
}

async fn compact(etcd: &Etcd) {
    let mut kv = etcd.kv().await;
    let revision = kv.get("x", None).await.expect("a read").header().expect("a header").revision();
    kv.compact(revision, None).await.expect("a compaction");
}

#[tokio::test]
async fn compaction_between_list_and_watch() {
    let etcd = Etcd::start().await;
    let ranges: [&str; 2] = ["grpc_server_handled_total", "grpc_method=\"Range\""];
    change(&etcd, "a").await;
    let before = etcd.metric(&ranges).await;
    // A full channel holds the follower up between its list and its watch.
    let (sender, receiver) = channel(1);
    sender
        .try_send(Update::Lost { cause: Cause::Start, reason: "filler".to_owned() })
        .expect("room for one");
    let task = tokio::spawn(follow(
        cluster(&[etcd.url()]),
        Keys::Below(PREFIX.to_owned()),
        Limits::default(),
        sender,
    ));
    let mut followed = Followed::new(receiver, task);
    etcd.metric_becomes(&ranges, |ranges| ranges > before).await;
    change(&etcd, "b").await;
    compact(&etcd).await;
    assert!(matches!(
        followed.receiver.recv().await,
        Some(Update::Lost { cause: Cause::Start, .. })
    ));

    assert_eq!(followed.until_lost().await, Cause::Compacted);
    followed.until_exact(&etcd).await;
    assert_eq!(followed.causes, [Cause::Start, Cause::Compacted]);
}

#[tokio::test]
async fn changes_and_compaction_while_away() {
    let etcd = Etcd::start().await;
    let relay = Relay::start(etcd.port).await;
    let mut followed = Followed::start(&cluster(&[relay.url()]), PREFIX);
    change(&etcd, "a").await;
    followed.until_exact(&etcd).await;
    relay.set(Mode::Cut);
    assert_eq!(followed.until_lost().await, Cause::Broken);
    change(&etcd, "b").await;
    compact(&etcd).await;
    relay.set(Mode::Open);
    followed.until_exact(&etcd).await;
    assert_eq!(followed.causes, [Cause::Start, Cause::Broken]);
    change(&etcd, "c").await;
    followed.until_exact(&etcd).await;
    assert_eq!(followed.losses.len(), 1);
}

#[tokio::test]
async fn a_compaction_of_what_was_seen_is_not_noticed() {
    let etcd = Etcd::start().await;
    let mut followed = Followed::of(&etcd);
    change(&etcd, "a").await;
    followed.until_exact(&etcd).await;
    compact(&etcd).await;
    change(&etcd, "b").await;
    followed.until_exact(&etcd).await;
    assert_eq!((followed.causes.as_slice(), followed.losses.len()), ([Cause::Start].as_slice(), 0));
}

#[tokio::test]
async fn killed_and_restarted() {
    let mut etcd = Etcd::start().await;
    let mut followed = Followed::of(&etcd);
    for mark in ["a", "b", "c"] {
        change(&etcd, mark).await;
        followed.until_exact(&etcd).await;
        etcd.kill();
        assert_eq!(followed.until_lost().await, Cause::Broken);
        etcd.restart();
        etcd.answers().await;
        let answers = Instant::now();
        followed.until_alive().await;
        assert!(answers.elapsed() < Duration::from_secs(5), "found after {:?}", answers.elapsed());
    }
    change(&etcd, "d").await;
    followed.until_exact(&etcd).await;
    assert_eq!(followed.causes, [Cause::Start, Cause::Broken, Cause::Broken, Cause::Broken]);
}

#[tokio::test]
async fn replaced_by_an_empty_one() {
    let mut etcd = Etcd::start().await;
    let mut followed = Followed::of(&etcd);
    for mark in ["a", "b"] {
        change(&etcd, mark).await;
    }
    followed.until_exact(&etcd).await;
    let (revision, cluster_id) = (followed.revision, followed.cluster_id);
    etcd.restart_empty();
    etcd.answers().await;
    followed.until(|update| matches!(update, Update::Listed { .. })).await;
    assert!(followed.revision < revision && followed.cluster_id != cluster_id);
    assert!(followed.table.is_empty());
    change(&etcd, "c").await;
    followed.until_exact(&etcd).await;
}

#[tokio::test]
async fn stopped_and_continued() {
    let etcd = Etcd::start().await;
    let mut followed = Followed::of(&etcd);
    change(&etcd, "a").await;
    followed.until_exact(&etcd).await;
    etcd.signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    assert_eq!(followed.until_lost().await, Cause::Silent);
    eprintln!("noticed after {:?}", stopped.elapsed());
    assert!(stopped.elapsed() < NOTICED, "noticed after {:?}", stopped.elapsed());
    etcd.signal(Signal::SIGCONT);
    etcd.answers().await;
    change(&etcd, "b").await;
    followed.until_exact(&etcd).await;
    assert_eq!(followed.causes, [Cause::Start, Cause::Silent]);
}

#[tokio::test]
async fn a_black_holed_etcd_is_noticed() {
    let etcd = Etcd::start().await;
    let relay = Relay::start(etcd.port).await;
    let mut followed = Followed::start(&cluster(&[relay.url()]), PREFIX);
    followed.until_alive().await;
    relay.set(Mode::Stalled);
    let stalled = Instant::now();
    assert_eq!(followed.until_lost().await, Cause::Silent);
    assert!(stalled.elapsed() < NOTICED, "noticed after {:?}", stalled.elapsed());
    change(&etcd, "a").await;
    relay.set(Mode::Open);
    followed.until_exact(&etcd).await;
}

#[tokio::test]
async fn absent_at_start() {
    let port = free_port();
    let mut followed = Followed::start(&cluster(&[format!("http://127.0.0.1:{port}")]), PREFIX);
    assert_eq!(followed.until_lost().await, Cause::Unreachable);
    assert!(followed.losses[0].1.contains("refused"), "{:?}", followed.losses);
    let etcd = Etcd::start_at(port, &[]).await;
    change(&etcd, "a").await;
    followed.until_exact(&etcd).await;
    assert_eq!(followed.losses.len(), 1);
    assert!(
        followed.causes.iter().all(|cause| *cause == Cause::Unreachable),
        "{:?}",
        followed.causes
    );
}

/// An idle prefix stays current, and etcd does not end the connection for the pings on it.
#[tokio::test]
async fn an_idle_prefix_stays_current() {
    let etcd = Etcd::start().await;
    let relay = Relay::start(etcd.port).await;
    let mut followed = Followed::start(&cluster(&[relay.url()]), PREFIX);
    followed.until_alive().await;
    for _ in 0..6 {
        let asked = Instant::now();
        assert!(matches!(followed.next().await, Update::Alive { .. }));
        assert!(asked.elapsed() < Duration::from_secs(4));
    }
    assert_eq!(relay.accepted(), 1);
    // The revision of the store moves on though the prefix does not.
    etcd.kv().await.put("/elsewhere", "", None).await.expect("a put");
    let revision = followed.revision;
    followed
        .until(|update| matches!(update, Update::Alive { revision: now } if *now > revision))
        .await;
}

#[tokio::test]
async fn refused_for_want_of_a_user() {
    let etcd = Etcd::start().await;
    let mut client = etcd.client().await;
    client.user_add("root", "secret", None).await.expect("a user");
    client.role_add("root").await.expect("a role");
    let all = etcd_client::Permission::new(PermissionType::Readwrite, "").with_all_keys();
    client.role_grant_permission("root", all).await.expect("a permission");
    client.user_grant_role("root", "root").await.expect("a grant");
    client.auth_enable().await.expect("authentication");

    let mut followed = Followed::of(&etcd);
    assert_eq!(followed.until_lost().await, Cause::Canceled);
    // The waits between refused attempts add up: five of them take 0.8 s at the least.
    let ranges: [&str; 3] =
        ["grpc_server_handled_total", "grpc_method=\"Range\"", "InvalidArgument"];
    let (refused, begin) = (etcd.metric(&ranges).await, Instant::now());
    etcd.metric_becomes(&ranges, |now| now >= refused + 5.0).await;
    assert!(begin.elapsed() > Duration::from_millis(500), "five attempts in {:?}", begin.elapsed());

    let options = ConnectOptions::new().with_user("root", "secret");
    etcd.client_with(options).await.auth_disable().await.expect("no authentication");
    change(&etcd, "a").await;
    followed.until_exact(&etcd).await;
    assert_eq!(followed.losses.len(), 1);
}

/// A server that accepts and closes is not called without end.
#[tokio::test]
async fn attempts_are_spaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut followed = Followed::start(&cluster(&[url]), PREFIX);
    let begin = Instant::now();
    for _ in 0..8 {
        timeout(DEADLINE, listener.accept()).await.expect("an attempt").expect("a connection");
    }
    // Waits of 50, 100, 200, 400, 800, 1 600 and 2 000 ms lie between eight attempts, each halved
    // at the least.
    assert!(
        begin.elapsed() > Duration::from_millis(2_500),
        "eight attempts in {:?}",
        begin.elapsed()
    );
    assert_eq!(followed.until_lost().await, Cause::Unreachable);
    assert!(followed.receiver.try_recv().is_err());
}
