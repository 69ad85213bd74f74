//! Who may publish: `put_allow`, by the client's address, or the one that the PROXY protocol tells.

use std::time::Duration;

use harness::*;
use hyper::Method;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::setting;

/// An address beside those that the tests allow, which is this client's own all the same.
const SELF: &str = "127.0.0.1";

async fn publish(router: &Served) -> Result<u16> {
    Ok(router
        .connect()
        .await?
        .send(Method::PUT, "/channel", Bytes::from_static(b"news"))
        .await?
        .status)
}

async fn publishing_is(router: &Served, status: u16) -> Result<()> {
    // Each worker has to know.
    for _ in 0..8 {
        eventually(SOON, &format!("a PUT is {status}"), async || {
            let answer = publish(router).await?;
            ensure!(answer == status, "{answer}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn start() -> Result<(Etcd, Node, Served)> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    Ok((etcd, node, router))
}

#[tokio::test]
async fn put_is_allowed_by_put_allow_at_once_and_without_a_reload() -> Result<()> {
    let (etcd, _node, router) = start().await?;
    publishing_is(&router, 200).await?;
    etcd.put(setting("put_allow/office"), "10.0.0.0/8").await?;
    publishing_is(&router, 403).await?;
    // Everybody may subscribe.
    assert_eq!(router.get("/channel").await?.status, 200);
    router.websocket("/ws").await?.echo("in").await?;

    // How long it takes from etcd's answer on; the median, since anybody may be stopped once in a
    // while.
    let mut waits = Vec::new();
    for _ in 0..11 {
        etcd.put(setting("put_allow/here"), SELF).await?;
        let added = Stopwatch::start();
        let waited = eventually(SOON, "a PUT is allowed", async || {
            let waited = added.elapsed();
            let status = publish(&router).await?;
            ensure!(status == 200, "{status}");
            Ok(waited)
        })
        .await?;
        waits.push(waited);
        etcd.delete(&setting("put_allow/here")).await?;
        publishing_is(&router, 403).await?;
    }
    waits.sort_unstable();
    println!("allowed after {:?}, the slowest of {} after {:?}", waits[5], waits.len(), waits[10]);
    assert!(waits[5] < Duration::from_millis(100), "{waits:?}");

    etcd.put(setting("put_allow/127.0.0.0/8"), "").await?;
    publishing_is(&router, 200).await?;
    etcd.put(setting("put_allow/127.0.0.0/8"), "nowhere").await?;
    router.program.wait_for_log("put_allow/127.0.0.0/8\" rejected").await?;
    publishing_is(&router, 200).await?;
    etcd.delete(&setting("put_allow/127.0.0.0/8")).await?;
    publishing_is(&router, 403).await?;
    etcd.delete(&setting("put_allow/office")).await?;
    publishing_is(&router, 200).await?;
    assert_eq!(router.reloads(), 0);
    Ok(())
}

/// A PUT of a client that a balancer before the router has named.
async fn publish_as(router: &Served, client: &str) -> Result<String> {
    let mut stream = TcpStream::connect(router.address()).await?;
    let request = format!(
        "PROXY TCP4 {client} 127.0.0.1 40000 80\r\nPUT /channel HTTP/1.1\r\nHost: \
         x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnews"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await??;
    Ok(answer)
}

#[tokio::test]
async fn put_goes_by_the_address_of_the_proxy_protocol_with_accept_proxy() -> Result<()> {
    let (etcd, _node, router) = start().await?;
    etcd.put(setting("accept_proxy"), "on").await?;
    router.wait_for_line("real_ip_header proxy_protocol;").await?;
    eventually(SOON, "the PROXY protocol is spoken", async || {
        let answer = publish_as(&router, "192.0.2.7").await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Ok(())
    })
    .await?;
    etcd.put(setting("put_allow/balancers-client"), "192.0.2.0/24").await?;
    for (client, status) in [("192.0.2.7", "200"), ("198.51.100.7", "403"), (SELF, "403")] {
        eventually(SOON, &format!("{client} gets {status}"), async || {
            let answer = publish_as(&router, client).await?;
            ensure!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            Ok(())
        })
        .await?;
    }
    // Whoever does not speak it is nobody.
    eventually(SOON, "nobody else is answered, once the old workers have gone", async || {
        let answer = router.get("/nginx-healthcheck").await;
        ensure!(answer.is_err(), "{answer:?}");
        Ok(())
    })
    .await?;
    assert_eq!(router.locally("/nginx-healthcheck")?, "ok\n");
    etcd.put(setting("accept_proxy"), "off").await?;
    eventually(SOON, "it is spoken no more", async || {
        let answer = router.get("/nginx-healthcheck").await?;
        ensure!(answer.status == 200, "{}", answer.status);
        Ok(())
    })
    .await
}

/// Whoever has written something about who may publish means that not everybody may, also where
/// nothing can be made of it.
#[tokio::test]
async fn malformed_put_allow_lets_nobody_publish() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    // It is there from the start on, and comes as a change.
    etcd.put(setting("put_allow/office"), "10.0.0.0/99").await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    router.program.wait_for_log("put_allow/office\" rejected").await?;
    publishing_is(&router, 403).await?;
    assert_eq!(router.get("/channel").await?.status, 200);
    etcd.delete(&setting("put_allow/office")).await?;
    publishing_is(&router, 200).await?;
    etcd.put(setting("put_allow/office"), "everybody").await?;
    publishing_is(&router, 403).await?;
    etcd.put(setting("put_allow/office"), SELF).await?;
    publishing_is(&router, 200).await?;
    // One that is good, and is replaced by one that is not, stays what it was.
    etcd.put(setting("put_allow/office"), "nobody").await?;
    router.program.wait_for_log("nobody").await?;
    publishing_is(&router, 200).await?;
    etcd.delete(&setting("put_allow/office")).await?;
    publishing_is(&router, 200).await?;
    // As it is copied from a directory by who does not go into it.
    for value in ["", SELF] {
        etcd.put(setting("put_allow/"), value).await?;
        publishing_is(&router, 403).await?;
        router.program.wait_for_log("put_allow/\" rejected").await?;
        router
            .program
            .wait_for_log("put networks into keys such as /firehose/nginx/put_allow/NAME")
            .await?;
        etcd.delete(&setting("put_allow/")).await?;
        publishing_is(&router, 200).await?;
    }
    assert_eq!(router.reloads(), 0);
    Ok(())
}

/// An etcd that has lost what it had lets nobody in for a while, however often the router starts or
/// reloads, and whatever else it has by then.
#[tokio::test]
async fn wiped_etcd_does_not_open_publishing_at_a_start_nor_at_a_reload() -> Result<()> {
    let (mut etcd, node, router) = start().await?;
    etcd.put(setting("put_allow/office"), "10.0.0.0/8").await?;
    etcd.put(setting("worker_processes"), "2").await?;
    router.wait_for_line("worker_processes 2;").await?;
    publishing_is(&router, 403).await?;
    let before = etcd.revision().await?;
    etcd.kill().await?;
    etcd.wipe()?;
    etcd.restart().await?;
    router.program.wait_for_log("are kept until one appears").await?;
    publishing_is(&router, 403).await?;

    // A start, with the file that the one before has left.
    let mut router = router;
    for _ in 0..2 {
        router = Served::start_in(router.leave().await?, &etcd.url(), &[]).await?;
        router.program.wait_for_log("are kept until one appears").await?;
        eventually(SOON, "nginx has heard it as well", async || {
            let status: serde_json::Value = serde_json::from_str(&router.locally("/etcd")?)?;
            ensure!(status["geo"]["$put_allowed"]["held"].is_number(), "{status}");
            Ok(())
        })
        .await?;
        publishing_is(&router, 403).await?;
        let kept = std::fs::read_to_string(router.folder().join("state/settings.json"))?;
        assert!(kept.contains("10.0.0.0/8"), "{kept}");
    }
    // Reloads, while it comes past the old one by other keys.
    while etcd.register(std::slice::from_ref(&node)).await? <= before {}
    router.wait_for_keys(&["node"]).await?;
    router.program.signal(nix::sys::signal::Signal::SIGHUP)?;
    router.program.wait_for_log("nginx has reloaded: the same settings").await?;
    publishing_is(&router, 403).await?;
    etcd.put(setting("keepalive_timeout"), "5s").await?;
    router
        .program
        .wait_for_log("nginx has reloaded: worker_processes 4, keepalive_timeout 5s")
        .await?;
    publishing_is(&router, 403).await?;
    // What it says of who may publish is what counts.
    etcd.put(setting("put_allow/here"), SELF).await?;
    publishing_is(&router, 200).await?;
    etcd.put(setting("put_allow/here"), "10.0.0.0/8").await?;
    publishing_is(&router, 403).await?;
    etcd.delete(&setting("put_allow/here")).await?;
    publishing_is(&router, 200).await
}

/// A key where the original router had a directory: a loop over the old keys that does not go into
/// directories leaves it.
#[tokio::test]
async fn put_allow_as_a_key_is_an_error_that_says_what_to_write() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    for value in ["", "127.0.0.0/8"] {
        etcd.put(setting("put_allow"), value).await?;
        let router = Served::start(&etcd.url(), &[]).await?;
        router.wait_for_keys(&["node"]).await?;
        let said =
            router.program.wait_for_log(&format!("{}\" rejected", setting("put_allow"))).await?;
        assert!(
            said.contains("put_allow/office") && said.contains("firehose-router migrate"),
            "{said}"
        );
        publishing_is(&router, 403).await?;
        etcd.put(setting("put_allow/here"), SELF).await?;
        publishing_is(&router, 200).await?;
        etcd.delete(&setting("put_allow/here")).await?;
        publishing_is(&router, 403).await?;
        etcd.delete(&setting("put_allow")).await?;
        publishing_is(&router, 200).await?;
        // And where it comes while the router runs.
        etcd.put(setting("put_allow"), value).await?;
        publishing_is(&router, 403).await?;
        // Also without etcd it is known.
        let mut router = router;
        eventually(SOON, "it is kept", async || {
            let kept = std::fs::read_to_string(router.folder().join("state/settings.json"))?;
            ensure!(kept.contains("\"put_allow\": \"nobody\""), "{kept}");
            Ok(())
        })
        .await?;
        assert_eq!(router.end(nix::sys::signal::Signal::SIGTERM).await?, 0);
        etcd.delete(&setting("put_allow")).await?;
    }
    Ok(())
}

/// That nobody has said who may publish is not the same as that everybody may.
#[tokio::test]
async fn nobody_may_publish_until_etcd_answered_once() -> Result<()> {
    let mut etcd = Etcd::absent()?;
    let node = Node::start("node").await?;
    let folder = Folder::new("serve")?;
    let router = Served::start_in(folder, &etcd.url(), &[]).await?;
    router.program.wait_for_log("nobody may publish").await?;
    // There is no node yet either: 403 comes before 502.
    publishing_is(&router, 403).await?;
    etcd.restart().await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    router.wait_for_keys(&["node"]).await?;
    publishing_is(&router, 200).await?;
    eventually(SOON, "it is kept that there is nothing", async || {
        // The settings alone may be in it first: who may publish is a list of its own.
        let kept = std::fs::read(router.folder().join("state/settings.json"))?;
        let kept: serde_json::Value = serde_json::from_slice(&kept)?;
        ensure!(kept["put_allow"] == "", "{kept}");
        ensure!(router.folder().join("state/firehose.peers").exists(), "not yet");
        Ok(())
    })
    .await?;
    let folder = router.leave().await?;
    etcd.kill().await?;
    let router = Served::start_in(folder, &etcd.url(), &[]).await?;
    publishing_is(&router, 200).await
}

/// Several times as many as the ranges of all cloud providers together.
#[tokio::test]
async fn hundred_thousand_networks_in_put_allow_cost_no_setting_and_no_start() -> Result<()> {
    let (mut etcd, _node, router) = start().await?;
    etcd.put(setting("put_allow/office"), "10.255.255.255").await?;
    publishing_is(&router, 403).await?;
    // Fewer in a transaction than etcd takes in a request.
    for part in 0..4_u32 {
        let pairs = (part * 25..(part + 1) * 25).map(|key| {
            let numbers = key * 1_000..(key + 1) * 1_000;
            let network = |number: u32| {
                let [_, high, middle, low] = (number * 16).to_be_bytes();
                format!("10.{high}.{middle}.{low}/28")
            };
            let networks: Vec<String> = numbers.map(network).collect();
            (setting(&format!("put_allow/provider-{key}")), networks.join(" "))
        });
        etcd.put_all(pairs).await?;
    }
    etcd.put(setting("put_allow/here"), SELF).await?;
    eventually(6 * SOON, "all networks", async || {
        let status: serde_json::Value = serde_json::from_str(&router.locally("/etcd")?)?;
        let networks = status["geo"]["$put_allowed"]["networks"].as_u64().ok_or("no number")?;
        ensure!(networks == 100_002, "{networks}");
        Ok(())
    })
    .await?;
    publishing_is(&router, 200).await?;
    // A setting that has nothing to do with them is not refused for them.
    etcd.put(setting("worker_processes"), "2").await?;
    router.wait_for_line("worker_processes 2;").await?;
    router.program.wait_for_log("nginx has reloaded: worker_processes 2").await?;
    publishing_is(&router, 200).await?;
    assert!(router.program.log_lines("rejected").is_empty(), "{}", router.program.log());
    // And it starts with them, also where etcd does not say who they are.
    eventually(SOON, "they are kept", async || {
        let kept = std::fs::read_to_string(router.folder().join("state/settings.json"))?;
        ensure!(kept.contains("here\\t127.0.0.1"), "{} bytes", kept.len());
        Ok(())
    })
    .await?;
    let folder = router.leave().await?;
    etcd.kill().await?;
    let router = Served::start_in(folder, &etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    assert_eq!(publish(&router).await?, 200);
    router.wait_for_line("worker_processes 2;").await
}
