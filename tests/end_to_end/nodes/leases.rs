//! Keys that other programs keep under leases.

use std::time::Duration;

use harness::*;

use super::{done, nodes, value};

#[tokio::test]
async fn a_key_keeps_its_lease() -> Result<()> {
    let etcd = Etcd::start().await?;
    let lease = etcd.grant(60).await?;
    etcd.put_with_lease(&key("n"), "10.0.0.7:80", lease).await?;
    let said = done(&etcd, &["drain", "n"]).await?;
    assert!(said.contains("keeps its lease"), "{said}");
    assert_eq!(etcd.look_up(&key("n")).await?, Some(("10.0.0.7:80 drain".to_owned(), lease)));
    etcd.revoke(lease).await?;
    assert_eq!(value(&etcd, "n").await?, None);
    Ok(())
}

#[tokio::test]
async fn a_program_that_writes_its_key_again_is_told_of() -> Result<()> {
    let etcd = Etcd::start().await?;
    let lease = etcd.grant(60).await?;
    etcd.put_with_lease(&key("n"), "10.0.0.7:80", lease).await?;
    let stubborn = async {
        loop {
            if value(&etcd, "n").await?.as_deref() != Some("10.0.0.7:80") {
                etcd.put_with_lease(&key("n"), "10.0.0.7:80", lease).await?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let url = etcd.url();
    let asking = async {
        for arguments in [&["set", "n", "weight=5"][..], &["remove", "n"]] {
            let (code, said) = nodes(&url, arguments).await?;
            ensure!(code == 1, "{code}: {said}");
            ensure!(said.contains("has written \"10.0.0.7:80\" at once"), "{said}");
        }
        Ok(())
    };
    tokio::select! {
        // Cancel safe: the test ends with either.
        never = stubborn => never,
        result = asking => result,
    }
}

#[tokio::test]
async fn an_announcer_keeps_what_was_changed() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("n").await?;
    let address = node.address().to_string();
    let arguments = [
        "announce",
        "--key",
        "n",
        "--addr",
        &address,
        "--value",
        "weight=3",
        "--ttl",
        "4",
        "--drain",
        "0",
        "--check-interval",
        "50ms",
    ];
    let mut announcer = Program::start(&arguments, &[("ETCD_ENDPOINTS", &*etcd.url())])?;
    announcer.wait_for_log("is set to").await?;
    done(&etcd, &["set", "n", "weight=7"]).await?;
    done(&etcd, &["drain", "n"]).await?;
    announcer.wait_for_log_lines("was changed by another client", 2).await?;
    let changed = format!("{address} weight=7 drain");
    // Longer than the time to live: the lease is renewed as before.
    let began = std::time::Instant::now();
    eventually(SOON, "the lease was renewed", async || {
        assert_eq!(value(&etcd, "n").await?.as_deref(), Some(&*changed));
        ensure!(began.elapsed() > Duration::from_secs(6), "{:?}", began.elapsed());
        Ok(())
    })
    .await?;
    done(&etcd, &["undrain", "n"]).await?;
    // A key that was lost is set again, with the announcer's own value.
    etcd.delete(&key("n")).await?;
    let own = format!("{address} weight=3");
    eventually(SOON, "the key is back", async || {
        let value = value(&etcd, "n").await?;
        ensure!(value.as_deref() == Some(&*own), "{value:?}");
        Ok(())
    })
    .await?;
    announcer.signal(nix::sys::signal::Signal::SIGTERM)?;
    assert_eq!(announcer.ended(SOON).await?, 0);
    assert_eq!(value(&etcd, "n").await?, None);
    Ok(())
}

#[tokio::test]
async fn an_announcer_drains_its_node_whatever_was_changed() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("n").await?;
    let address = node.address().to_string();
    let arguments = ["announce", "--key", "n", "--addr", &address, "--ttl", "4", "--drain", "30s"];
    let mut announcer = Program::start(&arguments, &[("ETCD_ENDPOINTS", &*etcd.url())])?;
    announcer.wait_for_log("is set to").await?;
    done(&etcd, &["set", "n", "weight=7"]).await?;
    announcer.wait_for_log("was changed by another client").await?;
    announcer.signal(nix::sys::signal::Signal::SIGTERM)?;
    eventually(SOON, "the node drains", async || {
        let value = value(&etcd, "n").await?.ok_or("no key")?;
        ensure!(value.ends_with(" drain"), "{value}");
        Ok(())
    })
    .await?;
    announcer.signal(nix::sys::signal::Signal::SIGTERM)?;
    assert_eq!(announcer.ended(SOON).await?, 0);
    Ok(())
}
