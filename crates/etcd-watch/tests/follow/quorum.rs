//! A member without its quorum, and what it costs to notice.

use std::time::Duration;

use etcd_watch::Cause;
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::etcd::Etcd;
use crate::followed::{Followed, PREFIX, cluster, key};

/// Within what a lost quorum is noticed: 1.5 s + 2 s, and a machine that is busy.
const NOTICED: Duration = Duration::from_secs(10);

/// A member that is cut off from its quorum answers pings and has no news.
#[tokio::test]
async fn a_member_without_its_quorum() {
    let etcds = Etcd::start_three().await;
    let mut followed = Followed::of(&etcds[0]);
    followed.until_alive().await;
    for etcd in &etcds[1..] {
        etcd.signal(Signal::SIGSTOP);
    }
    let stopped = Instant::now();
    assert_eq!(followed.until_lost_for(&["does not reach its quorum"]).await, Cause::Silent);
    eprintln!("noticed after {:?}", stopped.elapsed());
    assert!(stopped.elapsed() < NOTICED, "noticed after {:?}", stopped.elapsed());
    for etcd in &etcds[1..] {
        etcd.signal(Signal::SIGCONT);
    }
    etcds[1].answers().await;
    let agreed = Instant::now();
    etcds[1].kv().await.put(key("a"), "1", None).await.expect("a put");
    followed.until_exact(&etcds[0]).await;
    eprintln!("followed again after {:?}", agreed.elapsed());
}

/// All prefixes of a connection leave a member together, for one that has its quorum.
#[tokio::test]
async fn a_member_that_is_cut_off_from_the_others() {
    let etcds = Etcd::start_three().await;
    let urls = etcds.each_ref().map(Etcd::url);
    let cluster = cluster(&urls);
    let prefixes = ["/a/", "/b/", "/c/", PREFIX];
    let mut all: Vec<_> =
        prefixes.map(|prefix| Followed::start(&cluster, prefix)).into_iter().collect();
    for followed in &mut all {
        followed.until_alive().await;
    }
    etcds[0].signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    for followed in &mut all {
        assert_eq!(followed.until_lost_for(&["does not answer"]).await, Cause::Silent);
        followed.until_alive().await;
    }
    eprintln!("left after {:?}", stopped.elapsed());
    assert!(stopped.elapsed() < NOTICED, "left after {:?}", stopped.elapsed());
    etcds[1].kv().await.put(key("a"), "1", None).await.expect("a put");
    all[3].until_exact(&etcds[1]).await;
    etcds[0].signal(Signal::SIGCONT);
}

/// The proof that the quorum is reached is one for all prefixes.
#[tokio::test]
async fn one_question_for_all_prefixes() {
    const PREFIXES: usize = 20;
    let etcd = Etcd::start().await;
    let cluster = cluster(&[etcd.url()]);
    let start = |number| Followed::start(&cluster, &format!("/many/{number}/"));
    let mut all: Vec<_> = (0..PREFIXES).map(start).collect();
    for followed in &mut all {
        followed.until_alive().await;
    }
    let reads = ["grpc_server_handled_total", "grpc_method=\"Range\""];
    let (before, begin) = (etcd.metric(&reads).await, Instant::now());
    for _ in 0..4 {
        for followed in &mut all {
            followed.until_alive().await;
        }
    }
    let (asked, passed) = (etcd.metric(&reads).await - before, begin.elapsed());
    eprintln!("{asked} reads in {passed:?}");
    // One each 750 ms at most, and one of each prefix that looks for compactions.
    let looks = PREFIXES as f64;
    assert!(
        asked >= 1.0 && asked <= passed.as_secs_f64() / 0.75 + 2.0 + looks,
        "{asked} reads in {passed:?}"
    );
}
