//! Several endpoints, and endpoints that are not what they should be.

use std::time::Duration;

use etcd_watch::{Cause, Endpoint, EndpointState, Update};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::etcd::{Etcd, free_port};
use crate::followed::{Followed, PREFIX, cluster, key};
use crate::relay::{Mode, Relay};

#[tokio::test]
async fn the_first_is_dead() {
    let etcd = Etcd::start().await;
    etcd.kv().await.put(key("a"), "1", None).await.expect("a put");
    let dead = format!("http://127.0.0.1:{}", free_port());
    let cluster = cluster(&[dead, etcd.url()]);
    let known = cluster.endpoints();
    assert_eq!(states(&known), [EndpointState::Standby; 2]);
    let mut followed = Followed::start(&cluster, PREFIX);
    // Not even a word about it: nothing was lost.
    assert!(matches!(followed.next().await, Update::Listed { cause: Cause::Start, .. }));
    followed.until_exact(&etcd).await;
    assert!(followed.losses.is_empty());
    assert_eq!(states(&known), [EndpointState::Failed, EndpointState::InUse]);
    let trouble = known.borrow()[0].trouble.clone().expect("why");
    assert!(trouble.contains("start etcd there, or correct"), "{trouble}");
}

fn states(known: &watch::Receiver<Vec<Endpoint>>) -> Vec<EndpointState> {
    known.borrow().iter().map(|endpoint| endpoint.state).collect()
}

#[tokio::test]
async fn one_dies_later() {
    let etcd = Etcd::start().await;
    let (first, second) = (Relay::start(etcd.port).await, Relay::start(etcd.port).await);
    let cluster = cluster(&[first.url(), second.url()]);
    assert_eq!(cluster.endpoint(), None);
    let mut followed = Followed::start(&cluster, PREFIX);
    followed.until_alive().await;
    assert_eq!((first.accepted(), second.accepted()), (1, 0));
    assert_eq!(cluster.endpoint(), Some(first.url().as_str()));
    for (dies, lives) in [(&first, &second), (&second, &first)] {
        // Its watch has lasted for 2 s after two answers to progress requests.
        followed.until_alive().await;
        followed.until_alive().await;
        lives.set(Mode::Open);
        dies.set(Mode::Cut);
        followed.until_lost().await;
        let lost = Instant::now();
        followed.until_alive().await;
        assert!(lost.elapsed() < Duration::from_secs(1), "turned after {:?}", lost.elapsed());
        assert_eq!(cluster.endpoint(), Some(lives.url().as_str()));
    }
    assert_eq!((first.accepted(), second.accepted()), (2, 1));
    assert_eq!(states(&cluster.endpoints()), [EndpointState::InUse, EndpointState::Failed]);
    etcd.kv().await.put(key("a"), "1", None).await.expect("a put");
    followed.until_exact(&etcd).await;
}

#[tokio::test]
async fn prefixes_share_a_connection_and_turn_together() {
    let etcd = Etcd::start().await;
    let (first, second) = (Relay::start(etcd.port).await, Relay::start(etcd.port).await);
    let cluster = cluster(&[first.url(), second.url()]);
    let mut followed: Vec<_> = ["/a/", "/b/", "/c/", PREFIX]
        .map(|prefix| Followed::start(&cluster, prefix))
        .into_iter()
        .collect();
    for followed in &mut followed {
        followed.until_alive().await;
    }
    assert_eq!((first.accepted(), second.accepted()), (1, 0));
    first.set(Mode::Cut);
    for followed in &mut followed {
        followed.until_lost().await;
        followed.until_alive().await;
    }
    assert_eq!((first.accepted(), second.accepted()), (1, 1));
    // Nobody is left behind on a connection of its own.
    etcd.metric_becomes(&["etcd_debugging_mvcc_watcher_total "], |watchers| watchers == 4.0).await;
}

/// A member that is cut off is left for one that is not.
#[tokio::test]
async fn another_member_takes_over() {
    let mut etcds = Etcd::start_three().await;
    let urls = etcds.each_ref().map(Etcd::url);
    let mut followed = Followed::start(&cluster(&urls), PREFIX);
    followed.until_alive().await;
    etcds[0].kill();
    followed.until_lost().await;
    etcds[1].answers().await;
    etcds[1].kv().await.put(key("a"), "1", None).await.expect("a put");
    followed.until_exact(&etcds[2]).await;
}

#[tokio::test]
async fn tls_that_does_not_fit() {
    let plain = Etcd::start().await;
    let url = format!("https://127.0.0.1:{}", plain.port);
    let mut followed = Followed::start(&cluster(&[url]), PREFIX);
    assert_eq!(
        followed.until_lost_for(&["if it does not use TLS", "\"http://\""]).await,
        Cause::Unreachable
    );
    assert!(!followed.task.is_finished());
}

/// An endpoint that takes connections and does not answer is left within seconds, when nothing is
/// followed yet as well.
#[tokio::test]
async fn the_first_is_black_holed() {
    let etcd = Etcd::start().await;
    etcd.kv().await.put(key("a"), "1", None).await.expect("a put");
    let (stalled, open) = (Relay::start(etcd.port).await, Relay::start(etcd.port).await);
    stalled.set(Mode::Stalled);
    let begin = Instant::now();
    let mut followed = Followed::start(&cluster(&[stalled.url(), open.url()]), PREFIX);
    followed.until_exact(&etcd).await;
    eprintln!("listed after {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(5), "listed after {:?}", begin.elapsed());
    assert!(followed.losses.is_empty());
}

#[tokio::test]
async fn endpoints_that_make_no_sense() {
    for endpoints in
        [vec![], vec!["nonsense".to_owned()], vec!["http://[".to_owned(), "https://".to_owned()]]
    {
        let mut followed = Followed::start(&cluster(&endpoints), PREFIX);
        assert_eq!(followed.until_lost().await, Cause::Unreachable);
        assert!(!followed.task.is_finished());
    }
}
