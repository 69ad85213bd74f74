//! What `list` shows.

use harness::*;
use serde_json::{Value as Json, json};

use super::{ROUTES, done, refused};

#[tokio::test]
async fn names_values_shares_and_nodes_are_shown() -> Result<()> {
    let etcd = Etcd::start().await?;
    for (name, value) in
        [("a.example", "web-v1 90, web-v2 10"), ("b.example", "web-v1\n"), ("c", "x y z")]
    {
        etcd.put(format!("{ROUTES}{name}"), value).await?;
    }
    for (name, value) in
        [("web-v1/1", "10.0.0.1:80"), ("web-v1/2", "10.0.0.2:80 drain"), ("other", "10.0.0.3:80")]
    {
        etcd.put(format!("/services/{name}"), value).await?;
    }
    let said = done(&etcd, &["list", "--split", "--services", "/services/"]).await?;
    let rows: Vec<_> = said.lines().collect();
    assert_eq!(rows.len(), 4, "{said}");
    assert!(rows[0].starts_with("name") && rows[0].ends_with("rejected"), "{said}");
    assert!(rows[1].contains("web-v1 90%, web-v2 10%"), "{said}");
    assert!(rows[1].ends_with("web-v1: 1 of 2, web-v2: 0"), "{said}");
    assert!(rows[2].ends_with("1 of 2"), "{said}");
    assert!(rows[3].contains("item 1 of the list is not NAME or NAME WEIGHT"), "{said}");

    let said = done(&etcd, &["list", "--split", "--services", "/services/", "--json"]).await?;
    let list: Vec<Json> = serde_json::from_str(&said)?;
    assert_eq!(list[0]["name"], "a.example");
    assert_eq!(
        list[0]["targets"],
        json!([
            {
                "name": "web-v1",
                "weight": 90,
                "share": 0.9,
                "service": {"nodes": 2, "available": 1, "rejected": 0},
            },
            {
                "name": "web-v2",
                "weight": 10,
                "share": 0.1,
                "service": {"nodes": 0, "available": 0, "rejected": 0},
            },
        ])
    );
    assert_eq!((&list[1]["value"], &list[1]["length"]), (&json!("web-v1\n"), &json!(6)));
    assert_eq!(list[1]["targets"][0]["name"], "web-v1");
    assert_eq!((&list[1]["lease"], &list[1]["rejected"]), (&Json::Null, &Json::Null));
    assert_eq!(list[2]["targets"], json!([]));
    assert!(list[2]["rejected"].is_string(), "{said}");

    // Without --split a value is a name.
    let said = done(&etcd, &["list", "--json"]).await?;
    let list: Vec<Json> = serde_json::from_str(&said)?;
    assert_eq!(list[0]["targets"][0]["name"], "web-v1 90, web-v2 10");
    assert_eq!(list[0]["targets"][0]["service"], Json::Null);
    Ok(())
}

#[tokio::test]
async fn services_without_nodes_are_named_when_a_route_is_set() -> Result<()> {
    let etcd = Etcd::start().await?;
    etcd.put("/services/web-v1/1", "10.0.0.1:80").await?;
    etcd.put("/services/rest/1", "10.0.0.1:80 down").await?;
    let services = ["--services", "/services"];
    let set = async |value: &str, split: &[&str]| -> Result<String> {
        done(&etcd, &[&["set", "a", value], &services[..], split].concat()).await
    };
    let said = set("web-v1 9, web-v2 1, old 0", &["--split"]).await?;
    let lines: Vec<_> = said.lines().skip(1).collect();
    assert_eq!(lines, ["service \"web-v2\" has no node below \"/services/\""], "{said}");
    assert_eq!(set("web-v1", &[]).await?.lines().count(), 1);
    assert!(set("rest", &[]).await?.contains("all nodes of service \"rest\" are down or drain"));
    Ok(())
}

#[tokio::test]
async fn hostile_names_and_values_are_shown_escaped() -> Result<()> {
    let etcd = Etcd::start().await?;
    let names = ["a\u{1b}[2J", "b\u{202e}", "c\n\u{9b}", ""];
    for name in names {
        etcd.put(format!("{ROUTES}{name}"), "web \u{1b}]0;x\u{7}").await?;
    }
    etcd.put([ROUTES.as_bytes(), b"\xff\xfe"].concat(), b"\xff").await?;
    let steers = |character: char| character.is_control() && character != '\n';
    let said = done(&etcd, &["list"]).await?;
    assert!(!said.contains(steers) && !said.contains('\u{202e}'), "{said:?}");
    assert!(said.contains("a\\u{1b}[2J") && said.contains("not valid UTF-8"), "{said}");
    let list: Vec<Json> = serde_json::from_str(&done(&etcd, &["list", "--json"]).await?)?;
    assert_eq!(list.len(), names.len() + 1);
    for name in names {
        let said = done(&etcd, &["remove", &format!("{ROUTES}{name}")]).await?;
        assert!(!said.contains(steers) && !said.contains('\u{202e}'), "{said:?}");
    }
    refused(&etcd, &["set", "a", "web\u{1b}"], "contains a control character").await
}

#[tokio::test]
async fn keys_of_a_long_map_are_all_looked_at() -> Result<()> {
    const KEYS: usize = 20_000;
    let etcd = Etcd::start().await?;
    let pairs = (0..KEYS).map(|number| (format!("{ROUTES}h{number:06}"), "web".to_owned()));
    etcd.put_all(pairs).await?;
    for number in [0, 7_999, 8_000, 8_001, KEYS - 1] {
        let words = format!("would then reject key \"/routes/h{number:06}\"");
        refused(&etcd, &["set", &format!("H{number:06}"), "web"], &words).await?;
    }
    done(&etcd, &["set", "H020000", "web"]).await?;
    assert_eq!(done(&etcd, &["list"]).await?.lines().count(), KEYS + 2);
    Ok(())
}
