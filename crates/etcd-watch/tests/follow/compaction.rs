//! Compaction to the very revision that a watch has to send next: etcd 3.4 does not send a deletion
//! in it, and does not say so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::proto::{PbEvent, PbKeyValue, PbRangeResponse};
use etcd_client::{CompactionOptions, KvClient};
use etcd_watch::{Cause, Cluster, Keys, Limits, Update, follow};
use tokio::sync::mpsc::channel;
use tokio::time::{Instant, sleep};

use crate::etcd::{DEADLINE, Etcd, POLL};
use crate::fake::{CLUSTER, Fake, Range, Script, created, header, list, pair, says};
use crate::followed::{Followed, PREFIX, cluster, key};
use crate::proxy::Proxy;
use crate::users::{PASSWORD, Users};

/// The reads that were answered, in etcd's metrics.
const READS: [&str; 3] = ["grpc_server_handled_total", "grpc_method=\"Range\"", "grpc_code=\"OK\""];

/// From this version on etcd sends a deletion that it is compacted to: nothing is to be found.
const SENDS_DELETIONS: [u32; 3] = [3, 5, 16];

const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";

fn below() -> Keys {
    Keys::Below(PREFIX.to_owned())
}

async fn compact(kv: &mut KvClient, revision: i64) {
    // So that the revisions are gone when this returns.
    let options = CompactionOptions::new().with_physical();
    kv.compact(revision, Some(options)).await.expect("a compaction");
}

/// Follows keys with the key "a" among them, which is deleted, and the deletion compacted, between
/// the list and the watch.
async fn deleted_before_the_watch(
    etcd: &Etcd,
    cluster: &Cluster,
    keys: Keys,
    kv: &mut KvClient,
) -> Followed {
    kv.put(key("a"), "1", None).await.expect("a put");
    kv.put(key("stays"), "1", None).await.expect("a put");
    // There is no watch until the list is taken from the channel, which is full.
    let (sender, receiver) = channel(1);
    sender.send(Update::Noted { text: "full".to_owned() }).await.expect("a receiver");
    let before = etcd.metric(&READS).await;
    let task = tokio::spawn(follow(cluster.clone(), keys, Limits::default(), sender));
    etcd.metric_becomes(&READS, |now| now > before).await;
    let deleted = kv.delete(key("a"), None).await.expect("a deletion");
    compact(kv, deleted.header().expect("a header").revision()).await;
    Followed::new(receiver, task)
}

/// Waits until the key that was deleted is found missing, by one more list.
async fn is_found(followed: &mut Followed) {
    let begin = Instant::now();
    assert_eq!(followed.until_lost().await, Cause::Compacted);
    eprintln!("found after {:?}", begin.elapsed());
    let (_, reason) = &followed.losses[0];
    assert_eq!(reason, "watch: etcd has compacted changes that it had not sent");
    followed.until_alive().await;
    assert!(!followed.table.contains_key(b"a".as_slice()), "{:?}", followed.table);
    assert_eq!(followed.causes, [Cause::Start, Cause::Compacted]);
}

#[tokio::test]
async fn a_deletion_between_list_and_watch_is_found() {
    if Etcd::version() >= SENDS_DELETIONS {
        return;
    }
    let etcd = Etcd::start().await;
    let mut kv = etcd.kv().await;
    let without = Keys::BelowWithout { prefix: PREFIX.to_owned(), without: "m/".to_owned() };
    for keys in [below(), without] {
        let cluster = cluster(&[etcd.url()]);
        let mut followed = deleted_before_the_watch(&etcd, &cluster, keys, &mut kv).await;
        is_found(&mut followed).await;
        assert_eq!(followed.table.len(), 1);
    }
    let one = Keys::One(key("a"));
    let mut followed = deleted_before_the_watch(&etcd, &cluster(&[etcd.url()]), one, &mut kv).await;
    is_found(&mut followed).await;
    assert!(followed.table.is_empty());
}

/// The key comes and goes on, and others do: the keys are counted where changes have come to.
#[tokio::test]
async fn a_deletion_before_other_changes_is_found() {
    if Etcd::version() >= SENDS_DELETIONS {
        return;
    }
    let etcd = Etcd::start().await;
    let mut kv = etcd.kv().await;
    let mut followed =
        deleted_before_the_watch(&etcd, &cluster(&[etcd.url()]), below(), &mut kv).await;
    followed.until_alive().await;
    kv.put(key("b"), "1", None).await.expect("a put");
    is_found(&mut followed).await;
    followed.until_exact(&etcd).await;
}

#[tokio::test]
async fn a_deletion_is_found_by_a_user_who_may_only_read() {
    if Etcd::version() >= SENDS_DELETIONS {
        return;
    }
    let users = Users::start(&[]).await;
    let mut kv = users.kv().await;
    let cluster = users.cluster(PASSWORD);
    let mut followed = deleted_before_the_watch(&users.etcd, &cluster, below(), &mut kv).await;
    is_found(&mut followed).await;
}

#[tokio::test]
async fn a_deletion_is_found_behind_a_proxy() {
    if Etcd::version() >= SENDS_DELETIONS {
        return;
    }
    let etcd = Etcd::start().await;
    let mut kv = etcd.kv().await;
    let proxy = Proxy::start(&etcd);
    let cluster = cluster(&[proxy.url()]);
    // It may not listen yet.
    Followed::start(&cluster, "/elsewhere/").until_alive().await;
    let mut followed = deleted_before_the_watch(&etcd, &cluster, below(), &mut kv).await;
    is_found(&mut followed).await;
}

/// Changes that are compacted at once are no reason for a list, as long as they are sent.
#[tokio::test]
async fn compactions_behind_the_watch_cost_no_list() {
    let etcd = Etcd::start().await;
    let mut kv = etcd.kv().await;
    kv.put(key("stays"), "1", None).await.expect("a put");
    let mut followed = Followed::of(&etcd);
    followed.until_alive().await;
    for _ in 0..12 {
        kv.put(key("a"), "1", None).await.expect("a put");
        followed.until_exact(&etcd).await;
        let deleted = kv.delete(key("a"), None).await.expect("a deletion");
        followed.until_exact(&etcd).await;
        compact(&mut kv, deleted.header().expect("a header").revision()).await;
        sleep(Duration::from_millis(300)).await;
    }
    // Quiet, with a compaction beyond the last change.
    let put = kv.put("/elsewhere", "1", None).await.expect("a put");
    compact(&mut kv, put.header().expect("a header").revision()).await;
    for _ in 0..4 {
        followed.until_alive().await;
    }
    assert_eq!((&followed.causes[..], &followed.losses[..]), (&[Cause::Start][..], &[][..]));
}

/// Waits until as many ranges of this kind were asked for. What comes meanwhile is taken: a watch
/// whose updates nobody takes stands still.
async fn asked(fake: &Fake, followed: &mut Followed, count: usize, is_it: impl Fn(&Range) -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while fake.ranges().iter().filter(|range| is_it(range)).count() < count {
        while followed.take_one() {}
        assert!(Instant::now() < deadline, "{:?}", fake.ranges());
        sleep(POLL).await;
    }
}

/// A read of the quorum's question.
fn is_question(range: &Range) -> bool {
    range.revision == 0 && range.limit == 0
}

#[tokio::test]
async fn a_watch_without_compaction_costs_one_read() {
    let fake = Fake::start(Script::new(&[created()])).await;
    let mut followed = Followed::start(&cluster(std::slice::from_ref(&fake.url)), PREFIX);
    followed.until_alive().await;
    asked(&fake, &mut followed, 1, |range| range.revision == 5).await;
    // Longer than until the next look, if there were one soon.
    asked(&fake, &mut followed, 4, is_question).await;
    let ranges = fake.ranges();
    let looks = ranges.iter().filter(|range| range.revision != 0).count();
    assert!(looks == 1 && ranges.iter().all(|range| range.min_mod_revision == 0), "{ranges:?}");
    assert_eq!(fake.lists(), ranges.len());
    assert!(followed.losses.is_empty());
}

/// What is beyond the list is compacted, and nothing was missed: that is known from then on.
#[tokio::test]
async fn a_compaction_that_took_nothing_costs_one_comparison() {
    let script = Script::new(&[created()])
        .reads(|_, request| {
            let answer = PbRangeResponse { header: header(CLUSTER, 8), ..list() };
            let answer = match (request.limit, request.min_mod_revision) {
                (2.., _) => list(),
                (_, 6) => PbRangeResponse { kvs: vec![], ..answer },
                _ => answer,
            };
            (Duration::ZERO, answer)
        })
        .refuses(|request| (1..8).contains(&request.revision).then_some(COMPACTED));
    let fake = Fake::start(script).await;
    let mut followed = Followed::start(&cluster(std::slice::from_ref(&fake.url)), PREFIX);
    followed.until_alive().await;
    asked(&fake, &mut followed, 1, |range| range.min_mod_revision == 6).await;
    asked(&fake, &mut followed, 1, |range| range.revision == 8).await;
    while followed.take_one() {}
    assert_eq!((&followed.causes[..], &followed.losses[..]), (&[Cause::Start][..], &[][..]));
}

/// A look that fails is made again, and says nothing of the endpoint.
#[tokio::test]
async fn a_look_that_fails_is_made_again() {
    let made = PbKeyValue { create_revision: 6, ..pair("b", 6) };
    let event = PbEvent { r#type: 0, kv: Some(made), prev_kv: None };
    let has_failed = AtomicBool::new(false);
    let script = Script::new(&[created(), says(vec![event])])
        .reads(|_, request| {
            let header = header(CLUSTER, if request.limit > 1 { 5 } else { 6 });
            (Duration::ZERO, PbRangeResponse { header, ..list() })
        })
        .refuses(move |request| match request.revision {
            5 if has_failed.swap(true, Ordering::Relaxed) => Some(COMPACTED),
            5 => Some("etcdserver: too many requests"),
            _ => None,
        });
    let fake = Fake::start(script).await;
    let mut followed = Followed::start(&cluster(std::slice::from_ref(&fake.url)), PREFIX);
    // Two keys should be there at revision 6, and there is one.
    assert_eq!(followed.until_lost().await, Cause::Compacted, "{:?}", followed.losses);
    let looks: Vec<_> = fake.ranges().iter().map(|range| range.revision).collect();
    let looks: Vec<_> = looks.into_iter().filter(|revision| *revision != 0).collect();
    assert_eq!(looks, [5, 5, 6]);
}
