//! `firehose-router announce`: a node's key is in etcd for as long as the node answers, and no
//! longer.

mod command;
mod container;
mod ending;
mod others;
mod redis;
mod troubles;

use std::time::{Duration, Instant};

use harness::*;

/// The time-to-live of the keys in seconds: near the least that etcd takes.
const TTL: i64 = 3;

/// As long as a key of an announcer that was killed may be there: its lease, and what etcd takes to
/// find it ended.
const GONE: Duration = Duration::from_secs(TTL as u64 + 4);

/// Starts an announcer of the key "node" for this address, with checks in quick succession.
fn announce(endpoints: &str, address: &str, more: &[&str]) -> Result<Program> {
    let ttl = TTL.to_string();
    let mut arguments = vec!["announce", "--key", "node", "--addr", address, "--ttl", &ttl];
    arguments.extend(["--check-interval", "50ms", "--check-timeout", "500ms", "--drain", "0"]);
    // Of flags that are given twice the last would count, but not with all of them.
    let given = |flag: &str| more.contains(&flag);
    let mut kept = Vec::new();
    let mut words = arguments.into_iter();
    while let Some(word) = words.next() {
        if word.starts_with("--") && given(word) {
            words.next();
        } else {
            kept.push(word);
        }
    }
    kept.extend(more);
    Program::start(&kept, &[("ETCD_ENDPOINTS", endpoints)])
}

/// The value of the key "node", with its lease; `None` where there is no such key.
async fn value(etcd: &Etcd) -> Result<Option<(String, i64)>> {
    etcd.look_up(&key("node")).await
}

/// Waits until the key has this value, and gives its lease.
async fn value_is(etcd: &Etcd, expected: &str) -> Result<i64> {
    eventually(GONE + SOON, &format!("the key is {expected:?}"), async || {
        let (value, lease) = value(etcd).await?.ok_or("there is no key")?;
        ensure!(value == expected, "{value:?}");
        Ok(lease)
    })
    .await
}

/// Waits until the announcer has said that it set the key to this value, and gives the key's lease.
/// etcd has a value before whoever wrote it knows that it does.
async fn is_announced(program: &Program, etcd: &Etcd, expected: &str) -> Result<i64> {
    program.wait_for_log(&format!("is set to {expected:?}")).await?;
    value_is(etcd, expected).await
}

/// Waits until there is no key.
async fn is_gone(etcd: &Etcd, deadline: Duration) -> Result<()> {
    eventually(deadline, "the key is gone", async || {
        let value = value(etcd).await?;
        ensure!(value.is_none(), "{value:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn key_follows_the_node_and_has_its_parameters() -> Result<()> {
    let (etcd, closed) = (Etcd::start().await?, ClosedPort::reserve()?);
    let address = closed.address().to_string();
    let mut program =
        announce(&etcd.url(), &address, &["--value", "weight=5 max_conns=100", "--fall", "2"])?;
    program.wait_for_log("the node does not answer yet").await?;
    assert_eq!(value(&etcd).await?, None);
    let node = closed.open("node");
    let announced = format!("{address} weight=5 max_conns=100");
    let lease = value_is(&etcd, &announced).await?;
    assert_ne!(lease, 0);
    // It dies, and another takes its place.
    node?.kill().await;
    is_gone(&etcd, SOON).await?;
    program.wait_for_log("the node does not answer: connection refused").await?;
    let node = Node::listen("node", &address.parse()?).await?;
    value_is(&etcd, &announced).await?;
    program.signal(nix::sys::signal::Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 0);
    assert_eq!(value(&etcd).await?, None);
    node.stop().await;
    Ok(())
}

/// As the router takes it: a slash divides names as it likes.
#[tokio::test]
async fn key_with_slashes_is_taken() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let address = node.address().to_string();
    let arguments = ["announce", "--key", "eu/node", "--addr", &address, "--drain", "0"];
    let url = etcd.url();
    let mut program = Program::start(&arguments, &[("ETCD_ENDPOINTS", &url)])?;
    let router = Served::start(&url, &[]).await?;
    router.wait_for_keys(&["eu/node"]).await?;
    program.signal(nix::sys::signal::Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 0);
    assert_eq!(etcd.look_up(&key("eu/node")).await?, None);
    Ok(())
}

#[tokio::test]
async fn lease_is_renewed_and_the_key_written_once() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let _program = announce(&etcd.url(), &node.address().to_string(), &[])?;
    let lease = value_is(&etcd, &node.address().to_string()).await?;
    let (written, began) = (etcd.revision().await?, Instant::now());
    eventually(GONE * 3, "its time has passed twice", async || {
        assert_eq!(value(&etcd).await?, Some((node.address().to_string(), lease)));
        ensure!(began.elapsed() > Duration::from_secs(2 * TTL as u64 + 1), "{:?}", began.elapsed());
        Ok(())
    })
    .await?;
    assert_eq!(etcd.revision().await?, written);
    Ok(())
}

#[tokio::test]
async fn key_of_a_node_that_hangs_is_removed_and_comes_back() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let address = node.address().to_string();
    let check = format!("http://{address}/healthz");
    let arguments = ["--check", &check, "--check-timeout", "1s", "--rise", "2"];
    let program = announce(&etcd.url(), &address, &arguments)?;
    value_is(&etcd, &address).await?;
    // It accepts connections, and does not answer.
    node.set_delay(Duration::from_secs(60));
    is_gone(&etcd, SOON).await?;
    program.wait_for_log("timed out").await?;
    node.set_delay(Duration::ZERO);
    value_is(&etcd, &address).await?;
    // It answers, and is not well.
    node.set_health(503);
    is_gone(&etcd, SOON).await?;
    program.wait_for_log("status 503").await?;
    node.set_health(200);
    value_is(&etcd, &address).await?;
    Ok(())
}

#[tokio::test]
async fn error_on_the_command_line_names_its_flag() -> Result<()> {
    let good = ["announce", "--key", "node", "--addr", "127.0.0.1:80"];
    for (arguments, words) in [
        (vec!["announce", "--addr", "127.0.0.1:80"], &["--key"][..]),
        (vec!["announce", "--key", "node"], &["--addr", "--container"]),
        ([&good[..], &["--container", "x"]].concat(), &["--addr", "--container"]),
        ([&good[..], &["--ttl", "1"]].concat(), &["--ttl", "from 2 to"]),
        (
            [&good[..], &["--check", "http:///", "--check-method", "POST"]].concat(),
            &["--check-method", "POST", "HEAD"],
        ),
        ([&good[..], &["--check-method", "HEAD"]].concat(), &["--check-method", "tcp"]),
        ([&good[..], &["--check", "icmp"]].concat(), &["--check", "icmp", "http://"]),
        ([&good[..], &["--value", "wait=5"]].concat(), &["--value", "wait"]),
        ([&good[..], &["--drain", "soon"]].concat(), &["--drain", "10s"]),
        ([&good[..], &["--etcd-endpoints", "ftp://x"]].concat(), &["ftp://x", "http://"]),
        ([&good[..], &["--etcd-user", "x"]].concat(), &["--etcd-user", "ETCD_PASSWORD"]),
        ([&good[..], &["--etcd-cert", "x"]].concat(), &["--etcd-cert", "--etcd-key"]),
        ([&good[..], &["--prefix", "firehose"]].concat(), &["--prefix", "\"/\""]),
        (vec!["announce", "--key", "a\nb", "--addr", "127.0.0.1:80"], &["--key"]),
        (vec!["announce", "--key", "node", "--addr", "127.0.0.1"], &["--addr", "127.0.0.1"]),
        (
            vec!["announce", "--key", "node", "--container", "x", "--docker-host", "ssh://y"],
            &["ssh://y"],
        ),
        (vec!["announce", "--key", "node", "--container", "a/b"], &["--container", "a/b"]),
        ([&good[..], &["--check-interval", "0"]].concat(), &["--check-interval", "at least 10ms"]),
        ([&good[..], &["--check-timeout", "0s"]].concat(), &["--check-timeout", "at least 1ms"]),
    ] {
        let mut program = Program::start(&arguments, &[])?;
        let code = program.ended(SOON).await?;
        let said = program.log();
        assert_eq!(code, 2, "{arguments:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
    for (variable, value, flag) in [
        ("ANNOUNCE_CHECK_INTERVAL", "soon", "--check-interval"),
        ("ANNOUNCE_CHECK_TIMEOUT", "2d", "--check-timeout"),
        ("ANNOUNCE_FALL", "0", "--fall"),
        ("ANNOUNCE_RISE", "0", "--rise"),
        ("ANNOUNCE_STOP_TIMEOUT", "never", "--stop-timeout"),
    ] {
        let mut program = Program::start(&good, &[(variable, value)])?;
        let code = program.ended(SOON).await?;
        let said = program.log();
        assert!(code == 2 && said.contains(flag) && said.contains(value), "{variable}: {said}");
    }
    Ok(())
}
