//! Lists of names with weights: a change moves its share of the keys, and no more.

use std::collections::BTreeMap;

use harness::*;

use super::{ROUTES, route, shown, with_map};

/// Keys that are asked for.
const KEYS: usize = 2_000;

fn configuration(etcd: &Etcd) -> Configuration {
    with_map(
        etcd,
        &format!("etcd_map $http_x_name $service main {ROUTES} default=none split=$http_x_key;"),
    )
    .server("location = /map { return 200 '$service'; }")
}

/// What each key gets.
async fn choices(nginx: &Nginx) -> Result<BTreeMap<usize, String>> {
    let mut connection = nginx.connect().await?;
    let mut choices = BTreeMap::new();
    for number in 0..KEYS {
        let key = format!("client-{number}");
        let headers = [("X-Name", "web"), ("X-Key", key.as_str())];
        choices.insert(number, connection.get_with("/map", &headers).await?.text());
    }
    Ok(choices)
}

/// Waits until the watcher has this change.
async fn applied(nginx: &Nginx, revision: i64) -> Result<()> {
    eventually(SOON, "the list is applied", async || {
        let map = shown(nginx).await?;
        ensure!(map.revision >= Some(revision), "{map:?}");
        Ok(())
    })
    .await
}

fn share(choices: &BTreeMap<usize, String>, name: &str) -> f64 {
    choices.values().filter(|choice| *choice == name).count() as f64 / KEYS as f64
}

/// How many keys have another choice.
fn moved(one: &BTreeMap<usize, String>, other: &BTreeMap<usize, String>) -> f64 {
    one.iter().filter(|(key, choice)| other[key] != **choice).count() as f64 / KEYS as f64
}

#[tokio::test]
async fn changed_weights_move_their_share_alone() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(configuration(&etcd)).await?;
    applied(&nginx, etcd.put(route("web"), "web-v1 90, web-v2 10").await?).await?;
    let first = choices(&nginx).await?;
    let near = |share: f64, expected: f64| (share - expected).abs() < 0.03;
    assert!(near(share(&first, "web-v1"), 0.9), "{}", share(&first, "web-v1"));
    assert!(near(share(&first, "web-v2"), 0.1), "{}", share(&first, "web-v2"));
    // The order says nothing.
    applied(&nginx, etcd.put(route("web"), "web-v2 10,web-v1 90").await?).await?;
    assert_eq!(choices(&nginx).await?, first);

    applied(&nginx, etcd.put(route("web"), "web-v1 80, web-v2 20").await?).await?;
    let second = choices(&nginx).await?;
    assert!(near(share(&second, "web-v2"), 0.2), "{}", share(&second, "web-v2"));
    assert!(near(moved(&first, &second), 0.1), "{} moved", moved(&first, &second));
    let is_left = |key: &usize| first[key] == "web-v2" && second[key] != "web-v2";
    assert!(!(0..KEYS).any(|key| is_left(&key)), "a key has gone back");

    applied(&nginx, etcd.put(route("web"), "web-v1 0, web-v2").await?).await?;
    assert_eq!(share(&choices(&nginx).await?, "web-v2"), 1.0);
    applied(&nginx, etcd.put(route("web"), "web-v1 0").await?).await?;
    assert_eq!(share(&choices(&nginx).await?, "none"), 1.0);
    nginx.check_log()
}

#[tokio::test]
async fn malformed_list_changes_nothing() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(configuration(&etcd)).await?;
    applied(&nginx, etcd.put(route("web"), "web-v1").await?).await?;
    for (count, list) in
        ["", "web-v1,,web-v2", "web-v1 -1", "web-v1 1 2", "a 1, a 2", "web 1000000001"]
            .into_iter()
            .enumerate()
    {
        etcd.put(route("web"), list).await?;
        eventually(SOON, &format!("{list} is rejected"), async || {
            let map = shown(&nginx).await?;
            ensure!(map.rejected_total == count as u64 + 1, "{map:?}");
            Ok(())
        })
        .await?;
        assert_eq!(share(&choices(&nginx).await?, "web-v1"), 1.0, "{list}");
    }
    Ok(())
}
