//! Calls of each kind.

use harness::*;

use super::Setting;

#[tokio::test]
async fn unary_calls_are_balanced() -> Result<()> {
    let setting = Setting::start(2, "", "").await?;
    let mut client = setting.client().await?;
    for _ in 0..20 {
        client.say("hello").await?;
    }
    // Each worker has its own turn, and one has them all.
    let calls: Vec<_> = setting.nodes.iter().map(GrpcNode::calls).collect();
    assert_eq!(calls, [10, 10]);
    for peer in setting.nginx.upstream().await?.peers {
        assert_eq!((peer.requests, peer.connections, peer.failures), (10, 0, 0), "{peer:?}");
    }
    setting.nginx.check_log()
}

#[tokio::test]
async fn streams_of_one_client_are_balanced_and_counted() -> Result<()> {
    let setting = Setting::start(2, "etcd_balance least_conn;", "").await?;
    let mut client = setting.client().await?;
    let (mut counts, mut talks) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        counts.push(client.count().await?);
        talks.push(client.talk().await?);
    }
    for number in 0..2 {
        setting.open_at(number, 4).await?;
        setting.counted(number, 4).await?;
        assert_eq!(setting.nodes[number].accepted(), 4, "a connection has one call at a time");
    }
    for (number, talk) in talks.iter_mut().enumerate() {
        for text in ["one", "two", "three"] {
            talk.echo(&format!("{text} of {number}")).await?;
        }
    }
    for talk in talks {
        talk.finish().await?;
    }
    for node in &setting.nodes {
        node.end_counts();
    }
    for count in counts {
        count.finish().await?;
    }
    for number in 0..2 {
        setting.counted(number, 0).await?;
    }
    setting.nginx.check_log()
}
