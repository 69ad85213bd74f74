//! More keys than are taken.

use etcd_watch::{Cause, Keys, Limits, Update};

use crate::etcd::Etcd;
use crate::followed::{Followed, PREFIX, cluster, key};

const LIMITS: Limits = Limits { keys: 10, bytes: 1 << 20, remedy: "raise it" };

fn start(etcd: &Etcd) -> Followed {
    Followed::within(LIMITS, &cluster(&[etcd.url()]), PREFIX)
}

async fn put(etcd: &Etcd, numbers: std::ops::Range<usize>) {
    let mut kv = etcd.kv().await;
    for number in numbers {
        kv.put(key(&format!("{number:02}")), "1", None).await.expect("a put");
    }
}

async fn delete(etcd: &Etcd, numbers: std::ops::Range<usize>) {
    let mut kv = etcd.kv().await;
    for number in numbers {
        kv.delete(key(&format!("{number:02}")), None).await.expect("a deletion");
    }
}

#[tokio::test]
async fn a_list_of_too_many_is_refused_until_they_are_fewer() {
    let etcd = Etcd::start().await;
    put(&etcd, 0..20).await;
    let mut followed = start(&etcd);
    assert_eq!(followed.until_lost().await, Cause::TooLarge);
    assert_eq!(followed.losses[0].1, format!("{PREFIX:?} has 20 keys, more than 10: raise it"));
    delete(&etcd, 10..20).await;
    followed.until_exact(&etcd).await;
    assert_eq!((&followed.causes[..], followed.losses.len()), (&[Cause::TooLarge][..], 1));
}

#[tokio::test]
async fn a_list_of_too_many_bytes_is_refused() {
    let etcd = Etcd::start().await;
    etcd.kv().await.put(key("a"), vec![b'x'; 1_100_000], None).await.expect("a put");
    let mut followed = start(&etcd);
    assert_eq!(followed.until_lost().await, Cause::TooLarge);
    assert!(followed.losses[0].1.contains("more than 1 MiB: raise it"), "{:?}", followed.losses);
    etcd.kv().await.put(key("a"), "1", None).await.expect("a put");
    followed.until_exact(&etcd).await;
}

/// What a watch brings beyond the limit is left out, what is there goes on, and a list brings all
/// when it fits.
#[tokio::test]
async fn what_comes_beyond_the_limit_is_left_out_until_it_fits() {
    let etcd = Etcd::start().await;
    put(&etcd, 0..8).await;
    let mut followed = start(&etcd);
    followed.until_exact(&etcd).await;
    put(&etcd, 8..30).await;
    followed.until(|update| matches!(update, Update::Limited { .. })).await;
    let wanted = format!("{PREFIX:?} has more than 10 keys, new ones are ignored: raise it");
    assert_eq!(followed.limited.as_ref(), Some(&wanted));
    let mut kv = etcd.kv().await;
    kv.put(key("29"), "again", None).await.expect("a put");
    kv.put(key("03"), "again", None).await.expect("a put");
    kv.delete(key("04"), None).await.expect("a deletion");
    let gone = |followed: &Followed| !followed.table.contains_key(&b"04"[..]);
    while !gone(&followed) {
        followed.next().await;
        assert!(followed.table.len() <= LIMITS.keys, "{:?}", followed.table.keys());
    }
    assert_eq!(followed.table[&b"03"[..]].0, b"again");
    assert!(!followed.table.contains_key(&b"29"[..]));
    delete(&etcd, 10..29).await;
    followed.until(|update| matches!(update, Update::Listed { .. })).await;
    followed.until_exact(&etcd).await;
    assert!(followed.table.contains_key(&b"29"[..]));
    assert_eq!(followed.causes, [Cause::Start, Cause::TooLarge]);
    assert!(followed.losses.is_empty());
}

/// Keys that are left out of a prefix may be as many as they like: the others are followed.
#[tokio::test]
async fn keys_that_are_left_out_cost_the_others_nothing() {
    let etcd = Etcd::start().await;
    let mut kv = etcd.kv().await;
    let put_many = async |kv: &mut etcd_client::KvClient, from: usize| {
        for number in from..from + 20 {
            kv.put(key(&format!("m/{number:02}")), "1", None).await.expect("a put");
        }
    };
    put_many(&mut kv, 0).await;
    for name in ["a", "m", "z"] {
        kv.put(key(name), "1", None).await.expect("a put");
    }
    let keys = Keys::BelowWithout { prefix: PREFIX.to_owned(), without: "m/".to_owned() };
    let mut followed = Followed::keys(keys, LIMITS, &cluster(&[etcd.url()]));
    let names = |followed: &Followed| {
        followed
            .table
            .keys()
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .collect::<Vec<_>>()
    };
    followed.until(|update| matches!(update, Update::Alive { .. })).await;
    assert_eq!(names(&followed), ["a", "m", "z"]);
    put_many(&mut kv, 20).await;
    kv.put(key("m0"), "1", None).await.expect("a put");
    kv.delete(key("z"), None).await.expect("a deletion");
    while names(&followed) != ["a", "m", "m0"] {
        followed.next().await;
    }
    assert!(followed.losses.is_empty() && followed.limited.is_none());
}
