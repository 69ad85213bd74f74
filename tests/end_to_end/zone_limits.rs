//! More peers than the zone holds, and a great many peers that it does hold.

use harness::*;

const STEP: usize = 500;
/// Far more than a zone of this size can hold.
const TOO_MANY: usize = 20_000;
const SMALL_ZONE: &str = "zone=256k";

fn peer(number: usize) -> String {
    format!("peer-{number:05}")
}

/// Waits until it is said that not all of so many peers fit, and how many do.
async fn full(nginx: &Nginx, wanted: usize) -> Result<Upstream> {
    eventually(SOON, "a full zone", async || {
        let upstream = nginx.upstream().await?;
        let (count, zone) = (upstream.keys().len(), &upstream.zone);
        let left_out = wanted - count.min(wanted);
        ensure!(zone.full && zone.left_out == left_out, "{count} of {wanted} peers, {zone:?}");
        let trouble = upstream.trouble.clone().unwrap_or_default();
        ensure!(
            trouble.contains(&format!("{left_out} of {wanted} peers are not used")),
            "{trouble}"
        );
        Ok(upstream)
    })
    .await
}

/// Waits until all fit, so many.
async fn all_fit(nginx: &Nginx, wanted: usize) -> Result<()> {
    eventually(SOON, "room for all", async || {
        let upstream = nginx.upstream().await?;
        ensure!(!upstream.zone.full && upstream.zone.left_out == 0, "{:?}", upstream.zone);
        ensure!(
            upstream.trouble.is_none() && upstream.keys().len() == wanted,
            "{:?}",
            upstream.trouble
        );
        Ok(())
    })
    .await
}

/// One after the other is replaced by another, while there are always more than fit: places that
/// become free are taken at once.
#[tokio::test]
async fn rolling_replacement_in_a_full_zone_loses_no_peer() -> Result<()> {
    const WANTED: usize = 280;
    let (etcd, node) = (Etcd::start().await?, Node::start("n0").await?);
    let name = |letter: char, number: usize| key(&format!("{letter}-{number:04}"));
    let value = node.address().to_string();
    let balance = |configuration: &str| {
        Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("zone=64k", configuration))
    };
    etcd.put_all((0..200).map(|number| (name('a', number), value.clone()))).await?;
    let mut nginx = Nginx::start(balance("")).await?;
    all_fit(&nginx, 200).await?;
    etcd.put_all((200..WANTED).map(|number| (name('a', number), value.clone()))).await?;
    let most = full(&nginx, WANTED).await?.keys().len();
    assert!(most > 210, "{most}");
    let trouble = nginx.upstream().await?.trouble.unwrap_or_default();
    assert!(
        trouble.contains("\"zone=64k\"") && trouble.contains("increase it to \"zone=128k\""),
        "{trouble}"
    );
    let (mut least, mut revision) = (most, 0);
    for number in 0..WANTED {
        etcd.delete(&name('a', number)).await?;
        revision = etcd.put(name('c', number), value.clone()).await?;
        if number % 10 == 0 {
            least = least.min(nginx.upstream().await?.keys().len());
            assert_eq!(nginx.get("/").await?.node(), "n0");
        }
    }
    println!("{least} of {most} at least");
    // Those that were left out come with no further change.
    let upstream = eventually(SOON, "all places are taken", async || {
        let upstream = full(&nginx, WANTED).await?;
        // Free memory lies in pieces by then, of which a table needs one: some places may be
        // lacking.
        ensure!(
            upstream.revision == revision && upstream.keys().len() * 10 >= most * 8,
            "{:?}",
            upstream.zone
        );
        Ok(upstream)
    })
    .await?;
    assert!(upstream.keys().iter().all(|key| key.starts_with('c')), "{:?}", upstream.keys());
    nginx.wait_for_log_lines("peers are not used", 1).await?;

    // Changes are applied, and another watcher, and another nginx's workers, leave it at that.
    let first = upstream.keys()[0];
    nginx.applied(etcd.put(key(first), format!("{value} down")).await?).await?;
    signal(nginx.watcher().await?, nix::sys::signal::Signal::SIGKILL)?;
    eventually(SOON, "another watcher", async || {
        let other = nginx.upstream().await?;
        ensure!(other.resyncs["takeover"] == 1 && other.connected, "{:?}", other.resyncs);
        Ok(())
    })
    .await?;
    nginx.configure(balance("etcd_balance least_conn;"))?;
    nginx.reload().await?;
    let after = full(&nginx, WANTED).await?;
    let keys = after.keys();
    assert!(upstream.keys().iter().all(|key| keys.contains(key)), "{keys:?}");
    Ok(())
}

/// A reload to a smaller zone without etcd, and a start from a state file that has more than fits.
#[tokio::test]
async fn peers_that_fit_are_kept_by_a_reload_and_by_a_state_file() -> Result<()> {
    const WANTED: usize = 600;
    let (mut etcd, node) = (Etcd::start().await?, Node::start("n0").await?);
    let all = (0..WANTED).map(|number| (key(&peer(number)), node.address().to_string()));
    let revision = etcd.put_all(all).await?;
    let configuration = |size: &str, method: &str| {
        let options = format!("zone={size} state=peers");
        Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&upstream(&options, &format!("etcd_balance {method};")))
    };
    let (large, small) = (configuration("1m", "round_robin"), configuration("64k", "round_robin"));
    let ring = configuration("256k", "hash $request_id consistent");
    let mut nginx = Nginx::start(large).await?;
    nginx.applied(revision).await?;
    eventually(SOON, "the file is written", async || {
        let state = nginx.upstream().await?.state.ok_or("none")?;
        ensure!(state.revision == Some(revision), "{state:?}");
        Ok(())
    })
    .await?;
    etcd.stop().await?;
    // All are of one server, whose points a ring has once: so what fits without it fits with it.
    for (configuration, is_full) in [(small, true), (ring, false)] {
        nginx.configure(configuration)?;
        nginx.reload().await?;
        let upstream = nginx.upstream().await?;
        let count = upstream.keys().len();
        assert!(count >= 130 && upstream.zone.full == is_full, "{count}, {:?}", upstream.zone);
        assert_eq!(upstream.keys(), (0..count).map(peer).collect::<Vec<_>>());
        let trouble = upstream.trouble.unwrap_or_default();
        assert!(!is_full || trouble.contains("peers are not used"), "{trouble}");
        for mut connection in nginx.connect_to_each().await? {
            assert_eq!(connection.get("/").await?.node(), "n0");
        }
    }
    Ok(())
}

#[tokio::test]
async fn full_zone_keeps_the_last_list_and_recovers() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream(SMALL_ZONE, ""))
    })
    .await?;
    let (nginx, etcd, node) = (&router.nginx, &router.etcd, &router.nodes[0]);
    let name = |number: usize| key(&format!("peer-{number:05}"));
    let (mut count, mut last) = (0, nginx.upstream().await?);
    let full = loop {
        assert!(count < TOO_MANY, "{count} peers fit into {SMALL_ZONE}: {last:?}");
        let numbers = count..count + STEP;
        etcd.put_all(numbers.map(|number| (name(number), node.address().to_string()))).await?;
        count += STEP;
        let upstream = eventually(SOON, &format!("{count} peers, or a full zone"), async || {
            let upstream = nginx.upstream().await?;
            ensure!(
                upstream.zone.full || upstream.keys().len() == count + 1,
                "{}",
                upstream.keys().len()
            );
            Ok(upstream)
        })
        .await?;
        if upstream.zone.full {
            break upstream;
        }
        last = upstream;
    };
    assert!(count > STEP, "a zone of this size holds {STEP} peers at least");
    let line = nginx.wait_for_log("zone=").await?;
    assert!(line.contains("[error]") && line.contains("firehose"), "{line}");
    assert!(
        full.keys().len() >= last.keys().len() && full.keys().len() < count + 1,
        "{}",
        full.keys().len()
    );
    assert!(full.zone.used <= full.zone.size, "{:?}", full.zone);
    for _ in 0..10 {
        assert_eq!(nginx.get("/").await?.node(), "n0");
    }
    // At the limit every change fails again, and is not said again.
    for number in 0..20 {
        etcd.put(name(count + number), node.address().to_string()).await?;
    }
    let said = nginx.log_lines("zone=");
    assert!(said.len() <= 3, "{said:?}");
    // A size that was named and would not do any more is replaced by another.
    let more = (0..4 * count).map(|number| (key(&format!("more-{number:05}")), node.address()));
    etcd.put_all(more.map(|(key, address)| (key, address.to_string()))).await?;
    eventually(SOON, "another size is named", async || {
        let lines = nginx.log_lines("increase it to");
        ensure!(lines.len() > said.len(), "{lines:?}");
        Ok(())
    })
    .await?;
    etcd.delete_all(&key("more-")).await?;

    etcd.delete_each((0..count / 2).map(name)).await?;
    etcd.delete_each((0..20).map(|number| name(count + number))).await?;
    all_fit(nginx, count - count / 2 + 1).await?;
    nginx.wait_for_log_lines("zone has space for all", 1).await?;
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.applied(etcd.delete_all(&key("peer-")).await?).await?;
    let empty = router.settled().await?;
    assert_eq!(empty.keys(), ["n0"]);
    nginx.check_log()
}

#[tokio::test]
async fn too_many_peers_at_the_start_and_then_fewer() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("n0").await?);
    let name = |number: usize| key(&format!("peer-{number:05}"));
    etcd.put_all((0..TOO_MANY / 4).map(|number| (name(number), node.address().to_string())))
        .await?;
    let nginx = Nginx::start(
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream(SMALL_ZONE, "")),
    )
    .await?;
    let line = nginx.wait_for_log("zone=").await?;
    assert!(line.contains("[error]") && line.contains("firehose"), "{line}");
    assert!(
        line.contains("\"zone=256k\"") && line.contains("increase it to \"zone=2m\""),
        "{line}"
    );
    // The first ones are there.
    let upstream = full(&nginx, TOO_MANY / 4).await?;
    let count = upstream.keys().len();
    assert!(count > STEP && upstream.keys() == (0..count).map(peer).collect::<Vec<_>>(), "{count}");
    assert_eq!(nginx.get("/").await?.node(), "n0");
    etcd.delete_each((STEP..TOO_MANY / 4).map(name)).await?;
    all_fit(&nginx, STEP).await?;
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.check_log()
}

#[tokio::test]
async fn ten_thousand_peers_are_listed_at_the_start_and_kept_by_a_reload() -> Result<()> {
    const PEERS: usize = 10_000;
    let (mut etcd, node) = (Etcd::start().await?, Node::start("n0").await?);
    let all =
        (0..PEERS).map(|number| (key(&format!("peer-{number:05}")), node.address().to_string()));
    let revision = etcd.put_all(all).await?;
    let configuration = |size: &str| {
        Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&upstream(&format!("zone={size}"), ""))
    };
    let (first, second) = (configuration("16m"), configuration("24m"));
    let mut nginx = Nginx::start(first).await?;
    let before = nginx.applied(revision).await?;
    assert_eq!(before.keys().len(), PEERS);
    etcd.stop().await?;
    nginx.configure(second)?;
    nginx.reload().await?;
    for mut connection in nginx.connect_to_each().await? {
        assert_eq!(connection.get("/").await?.node(), "n0");
    }
    assert_eq!(nginx.upstream().await?.keys(), before.keys());
    nginx.check_log()
}
