//! `etcd_keepalive`: connections are used again, each for calls one after the other.

use harness::*;

use super::Setting;

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection() -> Result<()> {
    let setting = Setting::start(1, "etcd_keepalive 8;", "").await?;
    let mut client = setting.client().await?;
    for _ in 0..20 {
        client.say("hello").await?;
        client.talk().await?.finish().await?;
    }
    assert_eq!((setting.nodes[0].accepted(), setting.nodes[0].calls()), (1, 40));
    setting.counted(0, 0).await?;
    setting.nginx.check_log()
}

#[tokio::test]
async fn connections_of_calls_at_once_are_kept() -> Result<()> {
    let setting = Setting::start(1, "etcd_keepalive 8;", "").await?;
    let mut client = setting.client().await?;
    for _ in 0..3 {
        let mut talks = Vec::new();
        for _ in 0..5 {
            talks.push(client.talk().await?);
        }
        for mut talk in talks {
            talk.echo("hello").await?;
            talk.finish().await?;
        }
        setting.counted(0, 0).await?;
    }
    assert_eq!((setting.nodes[0].accepted(), setting.nodes[0].calls()), (5, 15));
    setting.nginx.check_log()
}

#[tokio::test]
async fn call_that_its_client_leaves_keeps_no_connection() -> Result<()> {
    let setting = Setting::start(1, "etcd_keepalive 8;", "").await?;
    let mut client = setting.client().await?;
    for round in 1..=3 {
        drop(client.talk().await?);
        setting.open_at(0, 0).await?;
        setting.counted(0, 0).await?;
        assert_eq!(setting.nodes[0].accepted(), round);
    }
    client.say("hello").await?;
    setting.nginx.check_log()
}
