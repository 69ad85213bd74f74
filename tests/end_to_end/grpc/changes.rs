//! Peers come and go while calls run.

use harness::*;

use super::Setting;

/// Opens as many calls of both kinds that stream.
async fn open(client: &mut GrpcClient, each: usize) -> Result<Vec<GrpcCall>> {
    let mut calls = Vec::new();
    for _ in 0..each {
        calls.push(client.talk().await?);
    }
    Ok(calls)
}

#[tokio::test]
async fn streams_stay_while_peers_come_and_go() -> Result<()> {
    let mut setting = Setting::start(2, "", "").await?;
    let mut client = setting.client().await?;
    let mut talks = open(&mut client, 4).await?;
    let counts = [client.count().await?, client.count().await?];
    for node in ["n2", "n3"] {
        setting.nodes.push(GrpcNode::start(node).await?);
        setting.put(setting.nodes.len() - 1, "weight=2").await?;
    }
    for number in 0..2 {
        setting.remove(number).await?;
    }
    for _ in 0..8 {
        let node = client.say("where").await?;
        assert!(["n2", "n3"].contains(&node.as_str()), "{node}");
    }
    for talk in &mut talks {
        assert!(["n0", "n1"].contains(&talk.node()));
        talk.echo("still here").await?;
    }
    for talk in talks {
        talk.finish().await?;
    }
    for number in 0..2 {
        setting.nodes[number].end_counts();
    }
    for count in counts {
        count.finish().await?;
    }
    setting.open_at(0, 0).await?;
    setting.nginx.check_log()
}

#[tokio::test]
async fn streams_stay_through_a_reload() -> Result<()> {
    let setting = Setting::start(2, "", "").await?;
    let mut talks = open(&mut setting.client().await?, 4).await?;
    setting.nginx.reload().await?;
    setting.remove(0).await?;
    let mut client = setting.client().await?;
    for _ in 0..4 {
        assert_eq!(client.say("where").await?, "n1");
    }
    for talk in &mut talks {
        talk.echo("still here").await?;
    }
    // Old workers and new ones count in the same memory.
    setting.counted(1, 2).await?;
    for talk in talks {
        talk.finish().await?;
    }
    setting.counted(1, 0).await?;
    eventually(SOON, "the old workers have gone", async || {
        ensure!(setting.nginx.old_workers()?.is_empty(), "{:?}", setting.nginx.old_workers()?);
        Ok(())
    })
    .await?;
    setting.nginx.check_log()
}
