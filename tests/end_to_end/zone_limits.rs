//! More peers than the zone holds, and a great many peers that it does hold.

use harness::*;

const STEP: usize = 500;
/// Far more than a zone of this size can hold.
const TOO_MANY: usize = 20_000;
const SMALL_ZONE: &str = "zone=256k";

#[tokio::test]
async fn a_full_zone_keeps_the_last_good_list_and_recovers() -> Result<()> {
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
            ensure!(upstream.zone.full || upstream.keys().len() == count + 1, "{}", upstream.keys().len());
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
    assert!(full.keys().len() >= last.keys().len() && full.keys().len() < count + 1, "{}", full.keys().len());
    assert!(full.zone.used <= full.zone.size, "{:?}", full.zone);
    for _ in 0..10 {
        assert_eq!(nginx.get("/").await?.node(), "n0");
    }
    // At the limit every change fails again, and is not said again.
    for number in 0..20 {
        etcd.put(name(count + number), node.address().to_string()).await?;
    }
    assert!(nginx.log_lines("zone=").len() <= 3, "{:?}", nginx.log_lines("zone="));

    etcd.delete_each((0..count / 2).map(name)).await?;
    etcd.delete_each((0..20).map(|number| name(count + number))).await?;
    let after = router.settled().await?;
    assert!(!after.zone.full, "{:?}", after.zone);
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
    etcd.put_all((0..TOO_MANY / 4).map(|number| (name(number), node.address().to_string()))).await?;
    let nginx = Nginx::start(
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream(SMALL_ZONE, "")),
    )
    .await?;
    let line = nginx.wait_for_log("zone=").await?;
    assert!(line.contains("[error]") && line.contains("firehose"), "{line}");
    assert!(nginx.upstream().await?.zone.full);
    etcd.delete_each((STEP..TOO_MANY / 4).map(name)).await?;
    let upstream = settled(&nginx, &etcd).await?;
    assert_eq!((upstream.keys().len(), upstream.zone.full), (STEP, false));
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.check_log()
}

#[tokio::test]
async fn ten_thousand_peers_are_listed_at_the_start_and_kept_by_a_reload() -> Result<()> {
    const PEERS: usize = 10_000;
    let (mut etcd, node) = (Etcd::start().await?, Node::start("n0").await?);
    let all = (0..PEERS).map(|number| (key(&format!("peer-{number:05}")), node.address().to_string()));
    let revision = etcd.put_all(all).await?;
    let configuration = |size: &str| {
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream(&format!("zone={size}"), ""))
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
