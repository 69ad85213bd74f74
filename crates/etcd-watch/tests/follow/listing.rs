//! Lists and events of an etcd that nothing happens to.

use etcd_client::{DeleteOptions, PutOptions, Txn, TxnOp, WatchOptions};
use etcd_watch::{Cause, Event, Keys, Limits, Update, follow};
use tokio::sync::mpsc::channel;
use tokio::time::{Instant, timeout};

use crate::etcd::{DEADLINE, Etcd, free_port};
use crate::followed::{Followed, PREFIX, cluster, held, key};

/// etcd's own limit on the operations of a transaction (`--max-txn-ops`).
const TRANSACTION: usize = 128;

/// Puts keys by the transaction.
async fn put_all(etcd: &Etcd, pairs: impl Iterator<Item = (String, Vec<u8>)>) {
    let mut kv = etcd.kv().await;
    let operations: Vec<_> = pairs.map(|(key, value)| TxnOp::put(key, value, None)).collect();
    for operations in operations.chunks(TRANSACTION) {
        kv.txn(Txn::new().and_then(operations)).await.expect("a transaction");
    }
}

#[tokio::test]
async fn a_list_and_the_events_that_follow() {
    let etcd = Etcd::start().await;
    let mut kv = etcd.kv().await;
    for (key, value) in [
        (PREFIX, "the prefix itself"),
        ("/firehose/upstream", "before"),
        ("/firehose/upstream0", "behind"),
        ("/firehose/upstream/node-2", "10.0.0.2:80"),
        ("/firehose/upstream/node-1", "10.0.0.1:80"),
    ] {
        kv.put(key, value, None).await.expect("a put");
    }
    let mut followed = Followed::of(&etcd);
    let Update::Listed { cause: Cause::Start, cluster_id, revision: 6, items } =
        followed.next().await
    else {
        panic!("no list first")
    };
    let keys: Vec<_> = items.iter().map(|item| item.key.as_slice()).collect();
    assert_eq!(keys, [b"node-1".as_slice(), b"node-2"]);
    assert_eq!((items[1].create_revision, items[1].mod_revision), (5, 5));
    assert_ne!(cluster_id, 0);
    assert_eq!(followed.next().await, Update::Alive { revision: 6 });

    let before = Instant::now();
    kv.put(key("node-1"), "10.0.0.1:81", None).await.expect("a put");
    let Update::Changed { revision: 7, events, arrived } = followed.next().await else {
        panic!("no change")
    };
    assert!(before <= arrived && arrived <= Instant::now());
    assert!(matches!(&events[..], [Event::Put(item)]
        if item.key == b"node-1" && item.value == b"10.0.0.1:81" && item.create_revision == 6));

    // The mark of a folder is no key below it.
    kv.put(PREFIX, "again", None).await.expect("a put");
    kv.delete(key("node-2"), None).await.expect("a deletion");
    let Update::Changed { events, .. } = followed.next().await else { panic!("no change") };
    assert_eq!(events, [Event::Delete { key: b"node-2".to_vec(), mod_revision: 9 }]);

    let operations = [key("node-5"), key("node-4"), "/elsewhere".to_owned()];
    let operations = operations.map(|key| TxnOp::put(key, "10.0.0.4:80", None));
    kv.txn(Txn::new().and_then(operations)).await.expect("a transaction");
    let Update::Changed { revision: 10, events, .. } = followed.next().await else {
        panic!("no change")
    };
    assert_eq!(events.len(), 2);
    followed.until_exact(&etcd).await;
}

#[tokio::test]
async fn a_lease_that_runs_out_is_a_deletion() {
    let etcd = Etcd::start().await;
    let mut client = etcd.client().await;
    let lease = client.lease_grant(60, None).await.expect("a lease").id();
    client.put(key("x"), "1", Some(PutOptions::new().with_lease(lease))).await.expect("a put");
    let mut followed = Followed::of(&etcd);
    followed.until_alive().await;
    assert_eq!(followed.table.len(), 1);
    client.lease_revoke(lease).await.expect("a revocation");
    followed.until(|update| matches!(update, Update::Changed { .. })).await;
    assert!(followed.table.is_empty());
}

#[tokio::test]
async fn an_empty_prefix_stands_for_all_keys() {
    let etcd = Etcd::start().await;
    let mut kv = etcd.kv().await;
    kv.put([0xff, 0xff], "last", None).await.expect("a put");
    let mut followed = Followed::start(&cluster(&[etcd.url()]), "");
    followed.until_alive().await;
    kv.put([0], "first", None).await.expect("a put");
    followed.until(|update| matches!(update, Update::Changed { .. })).await;
    let keys: Vec<_> = followed.table.keys().cloned().collect();
    assert_eq!(keys, [vec![0], vec![0xff, 0xff]]);
}

#[tokio::test]
async fn pages_while_keys_change() {
    let etcd = Etcd::start().await;
    put_all(&etcd, (0..2_500).map(|i| (key(&format!("{i:05}")), b"0".to_vec()))).await;
    let mut kv = etcd.kv().await;
    let writer = tokio::spawn({
        let mut kv = etcd.kv().await;
        async move {
            for i in 0..600 {
                // Strides over the pages, back and forth, with keys that come, change and go.
                kv.put(key(&format!("{:05}", i * 997 % 2_600)), i.to_string(), None)
                    .await
                    .expect("a put");
                kv.delete(key(&format!("{:05}", i * 331 % 2_500)), None).await.expect("a deletion");
            }
        }
    });
    let mut all = vec![];
    while !writer.is_finished() {
        let mut followed = Followed::of(&etcd);
        let Update::Listed { revision, .. } = followed.next().await else { panic!("no list") };
        assert_eq!(followed.table, held(&mut kv, PREFIX, revision).await);
        all.push(followed);
    }
    writer.await.expect("the writer");
    assert!(all.len() > 1, "the writer was too fast to be listed beside");
    for followed in &mut all {
        followed.until_exact(&etcd).await;
        assert!(followed.losses.is_empty());
    }
}

#[tokio::test]
async fn pages_too_large_for_a_message() {
    let etcd = Etcd::start().await;
    let mut kv = etcd.kv().await;
    for i in 0..24 {
        kv.put(key(&format!("{i:02}")), vec![b'x'; 1_000_000], None).await.expect("a put");
    }
    let mut followed = Followed::of(&etcd);
    followed.until_exact(&etcd).await;
    assert_eq!(followed.table.len(), 24);
    assert_eq!(followed.causes, [Cause::Start]);
}

#[tokio::test]
async fn a_large_transaction() {
    let etcd = Etcd::start_with(&["--max-request-bytes", "16777216"]).await;
    let mut followed = Followed::of(&etcd);
    followed.until_alive().await;
    put_all(&etcd, (0..TRANSACTION).map(|i| (key(&i.to_string()), vec![b'x'; 60_000]))).await;
    let Update::Changed { events, .. } =
        followed.until(|update| matches!(update, Update::Changed { .. })).await
    else {
        unreachable!("waited for")
    };
    assert_eq!(events.len(), TRANSACTION);
    followed.until_exact(&etcd).await;
    assert!(followed.losses.is_empty());
}

/// One deletion of many keys is one change, and comes as soon as etcd has sent it: in fragments of
/// 2 MiB it took minutes, in which the watch was taken for silent.
#[tokio::test]
async fn many_keys_deleted_at_once_are_one_change() {
    const KEYS: usize = 60_000;
    let etcd = Etcd::start().await;
    put_all(&etcd, (0..KEYS).map(|i| (key(&format!("{i:06}")), vec![]))).await;
    let mut followed = Followed::of(&etcd);
    followed.until_alive().await;
    assert_eq!(followed.table.len(), KEYS);
    let mut watch = etcd.client().await.watch_client().max_decoding_message_size(usize::MAX);
    let mut bare =
        watch.watch(PREFIX, Some(WatchOptions::new().with_prefix())).await.expect("a watch");
    bare.message().await.expect("the creation");
    let began = Instant::now();
    let bare = tokio::spawn(async move {
        let response = bare.message().await.expect("no error").expect("a response");
        (response.events().len(), began.elapsed())
    });
    let mut kv = etcd.kv().await;
    kv.delete(PREFIX, Some(DeleteOptions::new().with_prefix())).await.expect("a deletion");
    let Update::Changed { events, .. } =
        followed.until(|update| matches!(update, Update::Changed { .. })).await
    else {
        unreachable!("waited for")
    };
    let followed_after = began.elapsed();
    assert_eq!(events.len(), KEYS);
    assert!(followed.table.is_empty() && followed.losses.is_empty());
    // A time is no test, but worth a look.
    let (count, bare_after) = bare.await.expect("the bare watch");
    assert_eq!(count, KEYS);
    eprintln!("after {followed_after:?}, a bare watch after {bare_after:?}");
}

/// After a change that is larger than a message the prefix is listed again, and nobody is blamed.
#[tokio::test]
async fn a_change_larger_than_a_message_is_listed() {
    const KEYS: usize = 30_000;
    let etcd = Etcd::start().await;
    put_all(&etcd, (0..KEYS).map(|i| (key(&format!("{i:0600}")), vec![]))).await;
    let mut followed = Followed::of(&etcd);
    followed.until_alive().await;
    assert_eq!(followed.table.len(), KEYS);
    let mut kv = etcd.kv().await;
    kv.delete(PREFIX, Some(DeleteOptions::new().with_prefix())).await.expect("a deletion");
    followed.until_exact(&etcd).await;
    assert_eq!(followed.causes, [Cause::Start, Cause::TooLarge]);
    let [(Cause::TooLarge, reason)] = &followed.losses[..] else { panic!("{:?}", followed.losses) };
    assert!(reason.contains("larger than 16 MiB") && !reason.contains("host"), "{reason}");
}

#[tokio::test]
async fn it_ends_when_the_receiver_is_dropped() {
    let etcd = Etcd::start().await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for url in [etcd.url(), nobody] {
        let (sender, mut receiver) = channel(1);
        let task = tokio::spawn(follow(
            cluster(&[url]),
            Keys::Below(PREFIX.to_owned()),
            Limits::default(),
            sender,
        ));
        assert!(timeout(DEADLINE, receiver.recv()).await.expect("a word").is_some());
        assert!(!task.is_finished());
        drop(receiver);
        timeout(DEADLINE, task).await.expect("the end").expect("no panic");
    }
    etcd.metric_becomes(&["etcd_debugging_mvcc_watcher_total "], |watchers| watchers == 0.0).await;
}
