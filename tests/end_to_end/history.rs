//! The last changes of an upstream, as the status has them.

use std::time::{SystemTime, UNIX_EPOCH};

use harness::*;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// The number of all changes, and the last ones.
async fn changes(nginx: &Nginx) -> Result<(u64, Vec<Value>)> {
    let answer = nginx.get("/etcd").await?;
    ensure!(answer.status == 200, "status {}: {}", answer.status, answer.text());
    let mut status: Value = serde_json::from_slice(&answer.body)?;
    let upstream = status["upstreams"][UPSTREAM].take();
    let total = upstream["changes_total"].as_u64().ok_or("no number of changes")?;
    let last = upstream["changes"].as_array().ok_or("no changes")?.clone();
    Ok((total, last))
}

/// What a change says of itself, without its number and its time.
fn of(change: &Value) -> Value {
    let mut change = change.clone();
    if let Some(fields) = change.as_object_mut() {
        fields.remove("number");
        fields.remove("time");
    }
    change
}

/// Waits until this is the last change, and gives the number of all.
async fn last_is(nginx: &Nginx, expected: Value) -> Result<u64> {
    eventually(SOON, &format!("the last change is {expected}"), async || {
        let (total, last) = changes(nginx).await?;
        ensure!(last.first().map(of).as_ref() == Some(&expected), "{last:?}");
        ensure!(last[0]["number"].as_u64() == Some(total), "{total}, {last:?}");
        Ok(total)
    })
    .await
}

fn event(revision: i64, added: &[&str], removed: &[&str], changed: &[&str]) -> Value {
    json!({
        "revision": revision, "cause": "event", "added": added, "removed": removed,
        "changed": changed, "omitted": 0, "detail": null,
    })
}

#[tokio::test]
async fn each_change_names_its_keys_and_survives_reloads_and_takeovers() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(3).await?);
    let nginx = Nginx::start(Configuration::firehose(&etcd).workers(2)).await?;
    nginx.applied(etcd.revision().await?).await?;
    assert_eq!(changes(&nginx).await?, (0, vec![]));

    let address = |number: usize| nodes[number].address().to_string();
    let before = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let pairs = [(key("n0"), address(0)), (key("n1"), address(1))];
    let revision = etcd.put_all(pairs).await?;
    assert_eq!(last_is(&nginx, event(revision, &["n0", "n1"], &[], &[])).await?, 1);
    let time = changes(&nginx).await?.1[0]["time"].as_f64().ok_or("no time")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    assert!((before - 0.001..=now).contains(&time), "{before} {time} {now}");

    let revision = etcd.put(key("n1"), format!("{} weight=5", address(1))).await?;
    assert_eq!(last_is(&nginx, event(revision, &[], &[], &["n1"])).await?, 2);
    // The same value once more, and a value that is none, change nothing.
    etcd.put(key("n1"), format!("{} weight=5", address(1))).await?;
    etcd.put(key("n0"), "?").await?;
    nginx.applied(etcd.revision().await?).await?;
    assert_eq!(changes(&nginx).await?.0, 2);

    nginx.reload().await?;
    let revision = etcd.delete(&key("n0")).await?;
    assert_eq!(taken_over(&nginx, event(revision, &[], &["n0"], &[])).await?, 3);

    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    let revision = etcd.put(key("n2"), address(2)).await?;
    assert_eq!(taken_over(&nginx, event(revision, &["n2"], &[], &[])).await?, 4);
    let (_, last) = changes(&nginx).await?;
    let numbers: Vec<_> = last.iter().filter_map(|change| change["number"].as_u64()).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
    Ok(())
}

/// As [`last_is`], for a change that a new watcher may have found in its list.
async fn taken_over(nginx: &Nginx, expected: Value) -> Result<u64> {
    eventually(SOON, &format!("the last change is {expected}"), async || {
        let (total, last) = changes(nginx).await?;
        let mut change = last.first().map(of).ok_or("no change")?;
        if change["cause"] == "list" {
            change["cause"] = json!("event");
        }
        ensure!(change == expected, "{last:?}");
        Ok(total)
    })
    .await
}

#[tokio::test]
async fn a_change_of_a_fleet_is_one_of_fifty() -> Result<()> {
    let etcd = Etcd::start().await?;
    let configuration = Configuration::new()
        .workers(1)
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("zone=4m", ""));
    let nginx = Nginx::start(configuration).await?;
    let fleet = (0..3_000).map(|number| {
        (key(&format!("node-{number}")), format!("10.1.{}.{}:80", number / 250, number % 250))
    });
    let revision = etcd.put_all(fleet).await?;
    nginx.applied(revision).await?;
    let named = |change: &Value| {
        let lists = ["added", "removed", "changed"];
        let count = |list: &str| change[list].as_array().map_or(0, Vec::len);
        lists.into_iter().map(count).sum::<usize>() as u64
    };
    let omitted = |change: &Value| change["omitted"].as_u64().unwrap_or_default();
    let (total, last) = changes(&nginx).await?;
    let all: u64 = last.iter().map(|change| named(change) + omitted(change)).sum();
    assert_eq!((all, total), (3_000, last.len() as u64), "{last:?}");
    assert!(last.iter().all(|change| named(change) > 0), "{last:?}");

    for weight in 1..=60 {
        etcd.put(key("node-7"), format!("10.1.0.7:80 weight={}", weight + 1)).await?;
        nginx.applied(etcd.revision().await?).await?;
    }
    let (after, last) = changes(&nginx).await?;
    assert_eq!((after, last.len()), (total + 60, 50));
    assert!(last.iter().all(|change| change["changed"] == json!(["node-7"])), "{last:?}");
    nginx.check_log()
}

#[tokio::test]
async fn what_checks_find_is_a_change_of_its_own() -> Result<()> {
    let router = Router::with(3, |etcd| {
        let check = "etcd_check http uri=/healthz interval=50ms timeout=10s;";
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", check))
    })
    .await?;
    let (nginx, revision) = (&router.nginx, router.etcd.revision().await?);
    for node in &router.nodes[..2] {
        node.set_health(503);
    }
    let of_checks = async |detail: &str| {
        eventually(SOON, &format!("both nodes: {detail}"), async || {
            let (_, last) = changes(nginx).await?;
            let found: Vec<&Value> = last.iter().filter(|it| it["detail"] == detail).collect();
            ensure!(found.iter().all(|it| it["cause"] == "check"), "{last:?}");
            ensure!(found.iter().all(|it| it["revision"] == json!(revision)), "{last:?}");
            let keys = found.iter().flat_map(|it| it["changed"].as_array()).flatten();
            let mut keys: Vec<_> = keys.filter_map(Value::as_str).collect();
            keys.sort_unstable();
            ensure!(keys == ["n0", "n1"], "{last:?}");
            Ok(())
        })
        .await
    };
    of_checks("fails its checks: status 503").await?;
    router.nodes.iter().for_each(|node| node.set_health(200));
    of_checks("passes its checks").await
}

#[tokio::test]
async fn a_state_file_a_hold_and_expired_leases_are_causes() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    let configuration = |etcd: &Etcd, state: &str| {
        Configuration::new()
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream(&format!("hold=1s expiry_guard=50% state={state}"), ""))
    };
    let folder = Folder::new("history")?;
    let state = folder.path().join("peers").display().to_string();
    let nginx = Nginx::start(configuration(&etcd, &state)).await?;
    let lease = etcd.grant(3_600).await?;
    let other = etcd.grant(3_600).await?;
    etcd.put_with_lease(&key("n0"), "10.0.0.1:80", lease).await?;
    let revision = etcd.put_with_lease(&key("n1"), "10.0.0.2:80", other).await?;
    nginx.applied(revision).await?;
    // Both leases are gone; the peers stay for a second.
    etcd.revoke(lease).await?;
    etcd.revoke(other).await?;
    eventually(SOON, "the peers go with their hold", async || {
        let (_, last) = changes(&nginx).await?;
        let expired = last.iter().filter(|change| change["cause"] == "expiry");
        let gone: usize =
            expired.map(|change| change["removed"].as_array().map_or(0, Vec::len)).sum();
        ensure!(gone == 2, "{last:?}");
        Ok(())
    })
    .await?;

    etcd.put(key("n3"), "10.0.0.3:80").await?;
    nginx.wait_for_keys(&["n3"]).await?;
    etcd.kill().await?;
    etcd.wipe()?;
    etcd.restart().await?;
    eventually(SOON, "the peers go with the hold", async || {
        let (_, last) = changes(&nginx).await?;
        ensure!(last[0]["cause"] == "hold_ended", "{last:?}");
        ensure!(last[0]["removed"] == json!(["n3"]), "{last:?}");
        Ok(())
    })
    .await?;

    let revision = etcd.put(key("n4"), "10.0.0.4:80").await?;
    nginx.applied(revision).await?;
    eventually(SOON, "the list is in the file", async || {
        let text = std::fs::read_to_string(&state)?;
        ensure!(text.contains("n4"), "{text}");
        Ok(())
    })
    .await?;
    etcd.stop().await?;
    drop(nginx);
    let nginx = Nginx::start(configuration(&etcd, &state)).await?;
    eventually(SOON, "nginx begins with the file's peers", async || {
        let (total, last) = changes(&nginx).await?;
        ensure!((total, last.len()) == (1, 1) && last[0]["cause"] == "start", "{last:?}");
        ensure!(last[0]["added"] == json!(["n4"]), "{last:?}");
        ensure!(last[0]["revision"] == json!(revision), "{last:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_first_valid_key_of_a_new_etcd_ends_a_hold() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    let configuration = Configuration::new()
        .workers(1)
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("hold=1h", ""));
    let nginx = Nginx::start(configuration).await?;
    let nodes = [("n0", "10.0.0.1:80"), ("n1", "10.0.0.2:80")];
    let nodes = nodes.map(|(name, value)| (key(name), value.to_owned()));
    let revision = etcd.put_all(nodes).await?;
    nginx.applied(revision).await?;
    etcd.kill().await?;
    etcd.wipe()?;
    etcd.restart().await?;
    nginx.wait_for_log("peers are kept").await?;
    let revision = etcd.put(key("n9"), "10.0.0.9:80").await?;
    let expected = json!({
        "revision": revision, "cause": "hold_ended", "added": ["n9"], "removed": ["n0", "n1"],
        "changed": [], "omitted": 0, "detail": null,
    });
    last_is(&nginx, expected).await.map(drop)
}

#[tokio::test]
async fn a_key_that_keeps_an_address_has_changed() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(Configuration::firehose(&etcd).workers(1)).await?;
    // What comes before the first list is of the list.
    nginx.applied(etcd.revision().await?).await?;
    let value = |ports: &[u16]| {
        let node =
            |port: &u16| json!({"id": format!("n{port}"), "address": format!("10.0.0.1:{port}")});
        json!({"name": "api", "nodes": ports.iter().map(node).collect::<Vec<_>>()}).to_string()
    };
    let revision = etcd.put(key("api"), value(&[80, 81])).await?;
    last_is(&nginx, event(revision, &["api"], &[], &[])).await?;
    for ports in [&[80][..], &[80, 82], &[83, 82]] {
        let revision = etcd.put(key("api"), value(ports)).await?;
        last_is(&nginx, event(revision, &[], &[], &["api"])).await?;
    }
    let revision = etcd.delete(&key("api")).await?;
    last_is(&nginx, event(revision, &[], &["api"], &[])).await.map(drop)
}
