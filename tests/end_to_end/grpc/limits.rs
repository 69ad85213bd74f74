//! `max_conns` and tries.

use harness::*;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tonic::Code;

use super::Setting;

#[tokio::test]
async fn max_conns_limits_calls_at_once() -> Result<()> {
    let setting = Setting::start(1, "", "").await?;
    setting.put(0, "max_conns=2").await?;
    // Two clients are perhaps with two workers, which count together.
    let mut clients = [setting.client().await?, setting.client().await?];
    let talk = clients[0].talk().await?;
    let _count = clients[1].count().await?;
    for client in &mut clients {
        let refused = client.say("one more").await.err().ok_or("one more was let through")?;
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    }
    talk.finish().await?;
    setting.counted(0, 1).await?;
    clients[1].say("one less").await?;
    assert_eq!(setting.nodes[0].calls(), 3);
    setting.nginx.check_log()
}

#[tokio::test]
async fn peer_that_refuses_is_passed_over() -> Result<()> {
    let setting = Setting::start(1, "", "").await?;
    let closed = ClosedPort::reserve()?;
    let value = format!("{} weight=9 max_fails=0", closed.address());
    setting.nginx.applied(setting.etcd.put(key("closed"), value).await?).await?;
    let mut client = setting.client().await?;
    for _ in 0..10 {
        assert_eq!(client.say("hello").await?, "n0");
        client.talk().await?.finish().await?;
    }
    let upstream = setting.nginx.upstream().await?;
    assert!(upstream.peer("closed").ok_or("no such peer")?.failures >= 10, "{upstream:?}");
    assert_eq!(upstream.peer("n0").ok_or("no such peer")?.failures, 0, "{upstream:?}");
    setting.nginx.check_log()
}

/// Accepts connections, and closes them without a word once something has come.
async fn hang_up() -> Result<(String, AbortOnDropHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.readable().await;
        }
    });
    Ok((address, AbortOnDropHandle::new(task)))
}

#[tokio::test]
async fn call_that_was_sent_is_not_repeated() -> Result<()> {
    // nginx keeps no copy of what it has sent, and so `non_idempotent` changes nothing.
    for location in ["", "grpc_next_upstream error timeout non_idempotent;"] {
        let setting = Setting::start(1, "", location).await?;
        let (address, _task) = hang_up().await?;
        let value = format!("{address} max_fails=0");
        setting.nginx.applied(setting.etcd.put(key("rude"), value).await?).await?;
        let mut client = setting.client().await?;
        let mut failed = 0;
        for _ in 0..10 {
            match client.say("hello").await {
                Ok(node) => assert_eq!(node, "n0"),
                Err(status) => {
                    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                    failed += 1;
                }
            }
        }
        // Perhaps one or another learns of the end before it is sent.
        assert!(failed > 0, "{location}");
        setting.nginx.check_log()?;
    }
    Ok(())
}
