//! Servers that do what etcd never should.

use std::time::Duration;

use etcd_client::proto::{PbEvent, PbKeyValue, PbRangeResponse, PbWatchResponse};
use etcd_watch::{Cause, Update};
use tokio::time::Instant;

use crate::etcd::Etcd;
use crate::fake::{CLUSTER, Fake, Script, created, header, list, pair, says};
use crate::followed::{Followed, PREFIX, cluster, key};

/// Follows such a server until the first loss.
async fn loss(script: Script) -> (Cause, String) {
    let fake = Fake::start(script).await;
    let mut followed = Followed::start(&cluster(std::slice::from_ref(&fake.url)), PREFIX);
    followed.until_lost().await;
    assert!(!followed.task.is_finished());
    followed.losses.remove(0)
}

fn canceled(reason: &str) -> PbWatchResponse {
    PbWatchResponse { canceled: true, cancel_reason: reason.to_owned(), ..created() }
}

fn event(r#type: i32, name: &str) -> PbEvent {
    PbEvent { r#type, kv: Some(pair(name, 6)), prev_kv: None }
}

/// The connection answers its pings, reads find more than there was, and the watch is silent.
#[tokio::test]
async fn a_watch_that_falls_silent() {
    let begin = Instant::now();
    let script = Script::new(&[created()]).reads(|number, _| {
        let more = PbRangeResponse {
            kvs: vec![pair("b", 6)],
            count: 2,
            header: header(CLUSTER, 6),
            ..list()
        };
        (Duration::ZERO, if number == 0 { list() } else { more })
    });
    let (cause, reason) = loss(script).await;
    assert_eq!(cause, Cause::Silent, "{reason}");
    assert!(reason.contains("answers reads") && !reason.contains("host"), "{reason}");
    assert!(begin.elapsed() > Duration::from_secs(6), "after {:?}", begin.elapsed());
}

/// It answers reads and never a progress request, as etcd's grpc-proxy does: as long as it has what
/// is known, nothing is wrong with the watch.
#[tokio::test]
async fn progress_that_is_never_answered() {
    let script = Script::new(&[created()]).reads(|number, request| {
        if request.limit > 1 {
            return (Duration::ZERO, list());
        }
        // The store moves on, and the prefix does not.
        let kvs = if request.min_mod_revision > 5 { vec![] } else { vec![pair("a", 5)] };
        (
            Duration::ZERO,
            PbRangeResponse { kvs, header: header(CLUSTER, 5 + number as i64), ..list() },
        )
    });
    let fake = Fake::start(script).await;
    let cluster = cluster(std::slice::from_ref(&fake.url));
    let mut all =
        ["/firehose/upstream/", "/firehose/"].map(|prefix| Followed::start(&cluster, prefix));
    for followed in &mut all {
        followed.until_alive().await;
        // At first, since it could yet come; then with each read.
        for _ in 0..5 {
            followed.until_alive().await;
        }
        assert_eq!((&followed.losses[..], &followed.causes[..]), (&[][..], &[Cause::Start][..]));
        assert!(followed.revision > 5);
    }
    let notes: Vec<_> = all.iter().flat_map(|followed| &followed.notes).collect();
    let [note] = &notes[..] else { panic!("{notes:?}") };
    assert!(note.starts_with(&fake.url) && note.contains("grpc-proxy"), "{note}");
    assert_eq!(fake.watches().len(), 2);
}

/// etcd 3.5.30 answers no progress request before its store has come to the revision that the watch
/// begins with: that is no proxy, and nothing can be missed.
#[tokio::test]
async fn progress_that_is_not_answered_by_a_store_at_rest() {
    let fake = Fake::start(Script::new(&[created()])).await;
    let mut followed = Followed::start(&cluster(std::slice::from_ref(&fake.url)), PREFIX);
    for _ in 0..8 {
        followed.until_alive().await;
    }
    assert!(followed.losses.is_empty() && followed.notes.is_empty(), "{:?}", followed.notes);
    let ranges = fake.ranges();
    assert!(ranges.iter().all(|range| range.min_mod_revision == 0), "{ranges:?}");
}

/// One key per page, each in time, and the last one never.
fn trickle() -> Script {
    Script::list(&list()).reads(|number, _| {
        let kvs = vec![pair(&format!("{number:09}"), 5)];
        (Duration::from_millis(300), PbRangeResponse { kvs, more: true, count: 100_000, ..list() })
    })
}

#[tokio::test]
async fn a_list_that_trickles() {
    let (cause, reason) = loss(trickle()).await;
    assert_eq!(cause, Cause::Unreachable);
    assert!(reason.contains("answers too slowly") && reason.contains("of 100000 keys"), "{reason}");
}

#[tokio::test]
async fn a_list_that_trickles_is_left_for_the_next_endpoint() {
    let fake = Fake::start(trickle()).await;
    let etcd = Etcd::start().await;
    etcd.kv().await.put(key("a"), "1", None).await.expect("a put");
    let begin = Instant::now();
    let mut followed = Followed::start(&cluster(&[fake.url.clone(), etcd.url()]), PREFIX);
    followed.until_exact(&etcd).await;
    assert!(begin.elapsed() < Duration::from_secs(15), "listed after {:?}", begin.elapsed());
    assert!(followed.losses.is_empty());
}

/// Pages grow; one that is too large for a message, or does not come in time, is asked for again as
/// a smaller one.
#[tokio::test]
async fn large_pages_that_fail_are_smaller_ones_again() {
    const KEYS: usize = 30_000;
    for (value, wait) in [(0, 0), (4_000, 0), (0, 60)] {
        let script = Script::list(&list()).reads(move |_, request| {
            let first = std::str::from_utf8(&request.key)
                .ok()
                .and_then(|key| key.strip_prefix(PREFIX)?.trim_end_matches('\0').parse().ok());
            let first = first.map_or(0, |last: usize| last + 1);
            let end = KEYS.min(first + request.limit as usize);
            // The first page does not say how long the others are.
            let value = vec![b'x'; if first == 0 { 0 } else { value }];
            let pair =
                |number| PbKeyValue { value: value.clone(), ..pair(&format!("{number:06}"), 5) };
            let wait = if request.limit > 1_000 { wait } else { 0 };
            let kvs = (first..end).map(pair).collect();
            let list = PbRangeResponse { kvs, more: end < KEYS, count: KEYS as i64, ..list() };
            (Duration::from_secs(wait), list)
        });
        let fake = Fake::start(script).await;
        let mut followed = Followed::start(&cluster(std::slice::from_ref(&fake.url)), PREFIX);
        let Update::Listed { items, .. } = followed.next().await else { panic!("no list first") };
        assert_eq!(items.len(), KEYS);
        let limits: Vec<i64> = fake.ranges().iter().map(|range| range.limit).collect();
        assert_eq!(limits[0], 1_000);
        assert!(limits[1] > 1_000, "{limits:?}");
        assert!(limits.len() <= 32, "{limits:?}");
    }
}

/// etcd would compute the size of a growing fragment again after each event.
#[tokio::test]
async fn no_fragments_are_asked_for() {
    let fake = Fake::start(Script::new(&[created()])).await;
    let mut followed = Followed::start(&cluster(std::slice::from_ref(&fake.url)), PREFIX);
    followed.until_alive().await;
    let [create] = &fake.watches()[..] else { panic!("{:?}", fake.watches()) };
    let first = [PREFIX.as_bytes(), &[0]].concat();
    assert_eq!((create.key.as_slice(), create.start_revision), (first.as_slice(), 6));
    assert!(!create.fragment, "{create:?}");
}

/// The store that answers reads is behind the one that the watch told of.
#[tokio::test]
async fn a_store_that_went_back() {
    let ahead = PbWatchResponse { header: header(CLUSTER, 6), ..created() };
    let (cause, reason) = loss(Script::new(&[ahead])).await;
    assert!(cause == Cause::Broken && reason.contains("it was restored"), "{cause}: {reason}");
}

#[tokio::test]
async fn a_watch_that_is_never_created() {
    let (cause, reason) = loss(Script::new(&[])).await;
    assert!(
        cause == Cause::Broken && reason.contains("watch: no answer within 2 s"),
        "{cause}: {reason}"
    );
}

#[tokio::test]
async fn watches_that_make_no_sense() {
    let elsewhere = PbEvent { kv: Some(Default::default()), ..event(0, "a") };
    for (watch, wanted) in [
        (vec![says(vec![])], "did not confirm its creation"),
        (
            vec![PbWatchResponse { header: header(CLUSTER, 4), ..created() }],
            "behind the list's revision",
        ),
        (vec![PbWatchResponse { header: header(CLUSTER + 1, 6), ..created() }], "another cluster"),
        (vec![PbWatchResponse { header: None, ..created() }], "no header"),
        (
            vec![created(), PbWatchResponse { header: header(CLUSTER + 1, 6), ..says(vec![]) }],
            "another cluster",
        ),
        (vec![created(), says(vec![event(2, "a")])], "unknown type"),
        (vec![created(), says(vec![event(-1, "a")])], "unknown type"),
        (vec![created(), says(vec![PbEvent { kv: None, ..event(0, "a") }])], "without a key"),
        (vec![created(), says(vec![elsewhere])], "outside the prefix"),
    ] {
        let (cause, reason) = loss(Script::new(&watch)).await;
        assert!(
            cause == Cause::Broken && reason.contains(wanted),
            "{cause}: {reason}, not {wanted}"
        );
    }
    let garbage = Script { watch: vec![vec![0xff; 30].into()], ..Script::new(&[]) };
    assert_eq!(loss(garbage).await.0, Cause::Broken);
    let ends = Script { ends: true, ..Script::new(&[created()]) };
    let (cause, reason) = loss(ends).await;
    assert_eq!(cause, Cause::Broken);
    assert!(reason.ends_with("(watch: etcd closed the stream)"), "{reason}");
    let refused = Script::new(&[canceled("etcdserver:\npermission denied")]);
    let (cause, reason) = loss(refused).await;
    assert_eq!(cause, Cause::Canceled);
    assert!(
        reason.ends_with("(watch: etcd canceled it: etcdserver: permission denied)"),
        "{reason}"
    );
}

#[tokio::test]
async fn lists_that_make_no_sense() {
    for (list, wanted) in [
        (PbRangeResponse { more: true, ..list() }, "out of order"),
        (PbRangeResponse { more: true, kvs: vec![], ..list() }, "empty page"),
        (PbRangeResponse { kvs: vec![Default::default()], ..list() }, "out of order"),
        (PbRangeResponse { header: None, ..list() }, "no header"),
        (PbRangeResponse { header: header(CLUSTER, 0), ..list() }, "no revision"),
    ] {
        let (cause, reason) = loss(Script::list(&list)).await;
        assert!(
            cause == Cause::Broken && reason.contains(wanted),
            "{cause}: {reason}, not {wanted}"
        );
    }
    let garbage = Script::bytes(vec![0xff; 30].into());
    assert_eq!(loss(garbage).await.0, Cause::Unreachable);
}

/// Watches that are refused, end or turn out to be compacted at once do not make for a busy loop.
#[tokio::test]
async fn watches_that_end_at_once() {
    let compacted = PbWatchResponse { created: false, compact_revision: 6, ..canceled("") };
    for (script, cause) in [
        (Script::new(&[canceled("no")]), Cause::Canceled),
        (Script::new(&[created(), compacted]), Cause::Compacted),
        (Script { ends: true, ..Script::new(&[created()]) }, Cause::Broken),
    ] {
        let fake = Fake::start(script).await;
        let mut followed = Followed::start(&cluster(std::slice::from_ref(&fake.url)), PREFIX);
        let begin = Instant::now();
        for _ in 0..7 {
            followed.until(|update| matches!(update, Update::Listed { .. })).await;
        }
        // Waits of 50, 100, 200, 400, 800 and 1 600 ms, each halved at the least.
        assert!(
            begin.elapsed() > Duration::from_millis(1_500),
            "seven lists in {:?}",
            begin.elapsed()
        );
        assert_eq!(fake.lists(), 7);
        assert!(
            followed.causes[1..].iter().all(|listed| *listed == cause),
            "{:?}",
            followed.causes
        );
        // One outage where the watch never was; one each where it was.
        let outages = if cause == Cause::Canceled { 1 } else { 6 };
        assert_eq!(followed.losses.len(), outages);
    }
}
