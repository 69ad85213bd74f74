//! An announcer and its etcd: away, wiped, with other ideas of the key, with TLS and users.

use std::time::{Duration, Instant};

use harness::*;
use nix::sys::signal::Signal;

use super::{GONE, TTL, announce, is_announced, is_gone, value, value_is};

async fn announced(etcd: &Etcd) -> Result<(Program, Node, String, i64)> {
    let node = Node::start("node").await?;
    let address = node.address().to_string();
    let program = announce(&etcd.url(), &address, &[])?;
    let lease = is_announced(&program, etcd, &address).await?;
    Ok((program, node, address, lease))
}

#[tokio::test]
async fn key_deleted_or_overwritten_is_set_again() -> Result<()> {
    let etcd = Etcd::start().await?;
    let (program, _node, address, lease) = announced(&etcd).await?;
    for _ in 0..3 {
        let revision = etcd.delete(&key("node")).await?;
        eventually(SOON, "it is set again", async || {
            ensure!(etcd.create_revision(&key("node")).await? > revision, "not yet");
            Ok(())
        })
        .await?;
        assert_eq!(value_is(&etcd, &address).await?, lease);
    }
    program.wait_for_log_lines("was lost: it is set again", 3).await?;
    // Another value under its own lease can only be a mistake.
    etcd.put_with_lease(&key("node"), "127.0.0.1:1", lease).await?;
    assert_eq!(value_is(&etcd, &address).await?, lease);
    Ok(())
}

#[tokio::test]
async fn revoked_lease_is_replaced() -> Result<()> {
    let etcd = Etcd::start().await?;
    let (program, _node, address, lease) = announced(&etcd).await?;
    etcd.revoke(lease).await?;
    eventually(GONE + SOON, "another lease", async || {
        let (value, other) = value(&etcd).await?.ok_or("no key")?;
        ensure!(value == address && other != lease, "{value} {other}");
        Ok(())
    })
    .await?;
    assert!(program.log_lines("WARN").len() <= 3, "{}", program.log());
    Ok(())
}

#[tokio::test]
async fn key_comes_back_after_etcd_was_away_for_longer_than_the_ttl() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    let (program, _node, address, _lease) = announced(&etcd).await?;
    for wiped in [false, true] {
        etcd.kill().await?;
        let away = Instant::now();
        program.wait_for_log("cannot be kept").await?;
        if wiped {
            etcd.wipe()?;
        }
        eventually(GONE + SOON, "its time has passed", async || {
            ensure!(away.elapsed() > Duration::from_secs(TTL as u64 + 1), "{:?}", away.elapsed());
            Ok(())
        })
        .await?;
        etcd.restart().await?;
        value_is(&etcd, &address).await?;
        // It stays: the lease is one that is renewed.
        let back = Instant::now();
        eventually(GONE + SOON, "it stays for longer than its time", async || {
            ensure!(back.elapsed() > Duration::from_secs(TTL as u64 + 2), "{:?}", back.elapsed());
            Ok(())
        })
        .await?;
        assert_eq!(value(&etcd).await?.map(|(value, _)| value).as_deref(), Some(address.as_str()));
    }
    // One line as it begins, and one as it ends.
    program.wait_for_log_lines("cannot be kept", 2).await?;
    program.wait_for_log_lines("is kept again", 2).await?;
    Ok(())
}

#[tokio::test]
async fn etcd_away_at_the_start_is_waited_for() -> Result<()> {
    let (mut etcd, node) = (Etcd::absent()?, Node::start("node").await?);
    let program = announce(&etcd.url(), &node.address().to_string(), &[])?;
    program.wait_for_log("cannot be kept").await?;
    etcd.restart().await?;
    value_is(&etcd, &node.address().to_string()).await?;
    Ok(())
}

#[tokio::test]
async fn dead_endpoint_does_not_matter() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let dead = ClosedPort::reserve()?;
    let endpoints = format!("{}, {}", dead.address(), etcd.url().trim_start_matches("http://"));
    let _program = announce(&endpoints, &node.address().to_string(), &[])?;
    value_is(&etcd, &node.address().to_string()).await?;
    Ok(())
}

#[tokio::test]
async fn the_variables_of_the_original_still_work() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let address = node.address().to_string();
    let authority = etcd.address();
    let (ip, port) = authority.rsplit_once(':').ok_or("no port")?;
    let arguments = ["announce", "--key", "node", "--addr", &address];
    let _program = Program::start(
        &arguments,
        &[("ETCD_IP", ip), ("ETCD_PORT", port), ("ETCD_ENDPOINTS", "")],
    )?;
    value_is(&etcd, &address).await?;
    Ok(())
}

#[tokio::test]
async fn tls_and_a_user_are_used() -> Result<()> {
    let authority = Authority::new("etcd")?;
    let server = authority.certificate(&["127.0.0.1"])?;
    let mut etcd =
        Etcd::absent()?.with_arguments(&["--bcrypt-cost", "4"]).with_tls(&authority, &server)?;
    etcd.restart().await?;
    let folder = Folder::new("tls")?;
    let ca = folder.write("ca.pem", authority.pem())?;
    etcd.add_user("announcer", "s3cret", PREFIX).await?;
    etcd.grant_write("announcer", PREFIX).await?;
    etcd.ask_for_users().await?;
    let node = Node::start("node").await?;
    let address = node.address().to_string();
    let (ca, url, ttl) = (ca.display().to_string(), etcd.url(), TTL.to_string());
    let arguments = [
        "announce",
        "--key",
        "node",
        "--addr",
        &address,
        "--ttl",
        &ttl,
        "--drain",
        "0",
        "--etcd-cacert",
        &ca,
    ];
    let client = authority.certificate(&["announcer"])?;
    let certificate = folder.write("announcer.pem", &client.certificate)?.display().to_string();
    let key_file = folder.write("announcer.key", &client.key)?.display().to_string();
    let arguments =
        [&arguments[..], &["--etcd-cert", &certificate, "--etcd-key", &key_file]].concat();
    let variables =
        [("ETCD_ENDPOINTS", url.as_str()), ("ETCD_USER", "announcer"), ("ETCD_PASSWORD", "s3cret")];
    let mut program = Program::start(&arguments, &variables)?;
    value_is(&etcd, &address).await?;
    program.signal(nix::sys::signal::Signal::SIGTERM)?;
    assert_eq!(program.ended(SOON).await?, 0);
    is_gone(&etcd, SOON).await?;
    assert!(!program.log().contains("s3cret"));
    Ok(())
}

/// What is to be set are flags: an announcer has no directives of nginx's.
#[tokio::test]
async fn error_of_etcd_names_the_flags() -> Result<()> {
    let mut etcd = Etcd::absent()?.with_arguments(&["--bcrypt-cost", "4"]);
    etcd.restart().await?;
    etcd.add_user("announcer", "s3cret", PREFIX).await?;
    etcd.ask_for_users().await?;
    let (node, closed) = (Node::start("node").await?, ClosedPort::reserve()?);
    let (address, url) = (node.address().to_string(), etcd.url());
    let user = ["--etcd-user", "announcer"];
    let with_file = [&user[..], &["--etcd-password-file", "/nowhere"]].concat();
    for (url, more, words) in [
        (format!("http://{}", closed.address()), &[][..], "correct --etcd-endpoints"),
        (url.clone(), &[], "set --etcd-user and --etcd-password-file"),
        (
            url.clone(),
            &with_file,
            "--etcd-password-file \"/nowhere\" cannot be read: make it readable for the user",
        ),
    ] {
        announce(&url, &address, more)?.wait_for_log(words).await?;
    }
    let arguments = [&["announce", "--key", "node", "--addr", &address], &user[..]].concat();
    let variables = [("ETCD_ENDPOINTS", &*url), ("ETCD_PASSWORD", "wr0ng")];
    let program = Program::start(&arguments, &variables)?;
    program.wait_for_log("the password in variable \"$ETCD_PASSWORD\"").await?;
    Ok(())
}

/// A node that hangs is out of service after `fall` checks that time out, whatever else happens
/// meanwhile: SIGCHLD comes for each orphan that is left to the first process of a container, and
/// others as somebody sends them.
#[tokio::test]
async fn signals_do_not_delay_a_check() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    let address = node.address().to_string();
    let check = format!("http://{address}/healthz");
    for sent in [Signal::SIGUSR1, Signal::SIGCHLD] {
        let arguments = ["--check", &check, "--check-timeout", "500ms", "--fall", "2"];
        let mut program = announce(&etcd.url(), &address, &arguments)?;
        value_is(&etcd, &address).await?;
        node.set_delay(Duration::from_secs(60));
        eventually(SOON, &format!("the key is gone, with {sent} again and again"), async || {
            for _ in 0..5 {
                program.signal(sent)?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let value = value(&etcd).await?;
            ensure!(value.is_none(), "{value:?}");
            Ok(())
        })
        .await?;
        program.wait_for_log("timed out").await?;
        node.set_delay(Duration::ZERO);
        // And none delays its return.
        eventually(SOON, &format!("the key is back, with {sent} again and again"), async || {
            program.signal(sent)?;
            let value = value(&etcd).await?;
            ensure!(value.is_some(), "no key");
            Ok(())
        })
        .await?;
        program.signal(Signal::SIGTERM)?;
        assert_eq!(program.ended(SOON).await?, 0);
    }
    Ok(())
}

/// An announcer that has no descriptor left for a check knows nothing of the node.
#[tokio::test]
async fn check_that_cannot_be_made_leaves_the_key() -> Result<()> {
    let etcd = Etcd::start().await?;
    let (program, _node, address, lease) = announced(&etcd).await?;
    let limited = std::process::Command::new("prlimit")
        .args(["--nofile=3:3", "--pid", &program.pid().to_string()])
        .status()?;
    assert!(limited.success());
    program.wait_for_log("a check cannot be made").await?;
    let began = Instant::now();
    eventually(GONE + SOON, "many more checks cannot be made", async || {
        assert_eq!(value(&etcd).await?, Some((address.clone(), lease)), "{}", program.log());
        ensure!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
        Ok(())
    })
    .await
}
