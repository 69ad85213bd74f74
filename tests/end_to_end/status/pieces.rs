//! A document in pieces: slow clients, clients that leave, changes and reloads in between.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::*;
use serde_json::Value;

use super::fleet::{PEERS, Reader, applied, counts, name, start, totals, value};

/// What sockets may hold of a document, so that a client that reads no more stops nginx before the
/// end.
const BEGINNING: usize = 64 * 1024;

#[tokio::test]
async fn slow_reader_gets_each_peer_once_while_the_list_changes() -> Result<()> {
    let (etcd, nginx) = start("").await?;
    let mut reader = Reader::ask(&nginx, "/etcd").await?;
    reader.take(BEGINNING).await?;
    // Some of each kind, all over the list: what was written already, and what was not.
    let numbers = |first: usize| (first..PEERS).step_by(100);
    let mut removed = BTreeSet::new();
    for round in 0..4 {
        let first = 10 * round;
        let mut changes: Vec<(String, Option<String>)> = Vec::new();
        for number in numbers(first) {
            removed.insert(name(number));
            changes.push((key(&name(number)), None));
        }
        // Others move between the groups, and back.
        for number in numbers(first + 1) {
            changes.push((key(&name(number)), Some(format!("{} backup", value(number)))));
        }
        for number in numbers(1).filter(|_| round == 3) {
            changes.push((key(&name(number)), Some(value(number))));
        }
        for number in numbers(first + 2) {
            changes.push((key(&name(number)), Some(format!("{} weight=5", value(number)))));
            changes.push((key(&format!("{}-new", name(number))), Some(value(number))));
        }
        let revision = etcd.change_all(changes).await?;
        applied(&nginx, revision).await?;
        reader.take(2_000_000).await?;
    }
    let (_, body) = reader.finish().await?;
    let counts = counts(&serde_json::from_slice(&body)?)?;
    assert!(counts.values().all(|&count| count == 1), "a peer is there twice");
    assert!(counts.keys().all(|key| !key.ends_with("-new")), "a peer is there that is new");
    let stayed: BTreeSet<String> =
        (0..PEERS).map(name).filter(|name| !removed.contains(name)).collect();
    let missing: Vec<_> = stayed.iter().filter(|name| !counts.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{} missing: {:?}", missing.len(), &missing[..10]);
    nginx.check_log()
}

#[tokio::test]
async fn slow_reader_keeps_no_memory_of_the_zone() -> Result<()> {
    let (etcd, nginx) = start("").await?;
    let used = |totals: &Value| totals["upstreams"][UPSTREAM]["zone"]["used"].as_u64();
    let change = async |round: usize| {
        let pairs = (0..100).map(|number| {
            (key(&name(number)), Some(format!("{} weight={}", value(number), round + 2)))
        });
        let revision = etcd.change_all(pairs).await?;
        Ok::<_, Error>(used(&applied(&nginx, revision).await?).ok_or("not in use")?)
    };
    let mut before = 0;
    for round in 0..3 {
        before = change(round).await?;
    }
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut reader = Reader::ask(&nginx, "/etcd").await?;
        reader.take(BEGINNING).await?;
        readers.push(reader);
        // A table for each reader, which it would keep.
        change(3 + readers.len()).await?;
    }
    let table = 4 * PEERS as u64;
    let mut round = 20;
    // What others look at for a moment stays that long.
    eventually(SOON, "the zone has its memory back", async || {
        round += 1;
        let after = change(round).await?;
        ensure!(after < before + table, "{before} bytes, with readers {after}");
        Ok(())
    })
    .await?;
    for reader in readers {
        let (_, body) = reader.finish().await?;
        assert_eq!(counts(&serde_json::from_slice(&body)?)?.len(), PEERS);
    }
    nginx.check_log()
}

#[tokio::test]
async fn clients_that_leave_at_any_piece_leave_nothing_behind() -> Result<()> {
    let (_etcd, nginx) = start("").await?;
    for path in ["/etcd", "/etcd?format=prometheus", "/etcd?format=html", "/etcd?peers=0"] {
        for count in [0, 1, 1_000, 16_384, 100_000, 1_000_000, 5_000_000] {
            let mut reader = Reader::ask(&nginx, path).await?;
            reader.take(count).await?;
        }
    }
    let workers = nginx.workers()?;
    eventually(SOON, "nobody is connected but who asks", async || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", workers[0]))?;
        let links = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        let open = links.filter(|link| link.to_string_lossy().starts_with("socket:")).count();
        ensure!(open < 12, "{open} sockets");
        Ok(())
    })
    .await?;
    totals(&nginx).await?;
    assert_eq!(nginx.workers()?, workers, "the worker has not died");
    nginx.check_log()
}

#[tokio::test]
async fn client_that_takes_nothing_is_left_after_send_timeout() -> Result<()> {
    let (_etcd, nginx) = start("location = /impatient { send_timeout 1s; etcd_status; }").await?;
    let mut reader = Reader::ask(&nginx, "/impatient").await?;
    reader.take(1).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let is_whole = async {
        let (_, body) = reader.finish().await?;
        Ok::<_, Error>(serde_json::from_slice::<Value>(&body).is_ok())
    };
    assert!(!is_whole.await.unwrap_or(false), "the connection was closed before the end");
    nginx.check_log()
}

#[tokio::test]
async fn document_is_whole_although_nginx_is_reloaded_meanwhile() -> Result<()> {
    let (etcd, nginx) = start("").await?;
    let mut readers = Vec::new();
    for path in ["/etcd", "/etcd?format=html", "/etcd?format=prometheus&peers=1"] {
        let mut reader = Reader::ask(&nginx, path).await?;
        reader.take(BEGINNING).await?;
        readers.push(reader);
    }
    nginx.reload().await?;
    let revision = etcd.put(key(&name(PEERS)), value(PEERS)).await?;
    applied(&nginx, revision).await?;
    let mut bodies = Vec::new();
    for reader in readers {
        bodies.push(reader.finish().await?.1);
    }
    assert_eq!(counts(&serde_json::from_slice(&bodies[0])?)?.len(), PEERS);
    assert!(bodies[1].trim_ascii_end().ends_with(b"</html>"));
    let text = str::from_utf8(&bodies[2])?;
    let rows = text.lines().filter(|line| line.starts_with("nginx_etcd_peer_weight{")).count();
    assert_eq!(rows, PEERS);
    nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_requests_do_not_wait_for_a_large_document() -> Result<()> {
    let (_etcd, nginx) = start("").await?;
    let mut connection = nginx.connect().await?;
    let address = nginx.address();
    let reading = tokio::spawn(async move { get(&address, "/etcd").await });
    let mut answers = 0;
    while !reading.is_finished() {
        assert_eq!(connection.get("/worker").await?.status, 204);
        answers += 1;
    }
    let answer = reading.await??;
    assert_eq!(counts(&serde_json::from_slice(&answer.body)?)?.len(), PEERS);
    // The document has hundreds of pieces, and between any two of them requests are answered.
    assert!(answers > 20, "{answers} answers meanwhile");
    nginx.check_log()
}
