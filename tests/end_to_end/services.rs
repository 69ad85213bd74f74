//! `firehose-router services`: services in a real etcd, by the keys of their nodes.

mod removal;
mod settings;

use harness::*;
use serde_json::{Value as Json, json};

/// The prefix that the command has if nobody names another one.
const SERVICES: &str = "/services/";

/// Runs it to its end: the exit code, and what it has said on both outputs.
async fn services(etcd: &str, arguments: &[&str]) -> Result<(i32, String)> {
    with(&[("ETCD_ENDPOINTS", etcd)], arguments).await
}

/// The same with variables.
async fn with(variables: &[(&str, &str)], arguments: &[&str]) -> Result<(i32, String)> {
    let mut program = Program::start(&[&["services"], arguments].concat(), variables)?;
    let code = program.ended(SOON * 3).await?;
    Ok((code, program.log()))
}

/// Runs it, and checks that it has succeeded.
async fn done(etcd: &Etcd, arguments: &[&str]) -> Result<String> {
    let (code, said) = services(&etcd.url(), arguments).await?;
    ensure!(code == 0, "{arguments:?}: {code}: {said}");
    Ok(said)
}

/// Runs it, and checks that it has failed with this code and these words and has written nothing.
async fn fails(etcd: &Etcd, arguments: &[&str], expected: i32, words: &str) -> Result<()> {
    let before = etcd.revision().await?;
    let (code, said) = services(&etcd.url(), arguments).await?;
    ensure!(code == expected && said.contains(words), "{arguments:?}: {code}: {said}");
    ensure!(etcd.revision().await? == before, "{arguments:?}: something was written");
    Ok(())
}

/// Writes nodes, by their keys below the prefix.
async fn register(etcd: &Etcd, nodes: &[(&str, &str)]) -> Result<()> {
    for (name, value) in nodes {
        etcd.put(format!("{SERVICES}{name}"), value).await?;
    }
    Ok(())
}

/// The keys below the prefix.
async fn keys(etcd: &Etcd) -> Result<Vec<String>> {
    let all = etcd.all_below(SERVICES).await?;
    Ok(all.into_iter().map(|(key, _)| key.trim_start_matches(SERVICES).to_owned()).collect())
}

const NODES: [(&str, &str); 7] = [
    ("api", "10.0.0.1:80"),
    ("web/1", "10.0.0.1:80 weight=5"),
    ("web/2", "10.0.0.2:80 drain"),
    ("web/3", "10.0.0.3:80 down backup"),
    ("web/4", "10.0.0.4:http"),
    ("web-2/1", "10.0.0.5:80"),
    ("web0", "10.0.0.6:80"),
];

#[tokio::test]
async fn services_are_listed_with_their_nodes_and_routes() -> Result<()> {
    let etcd = Etcd::start().await?;
    let (code, said) = services(&etcd.url(), &["list"]).await?;
    assert_eq!((code, said.trim()), (0, "there is no key below \"/services/\""));
    assert_eq!(done(&etcd, &["list", "--json"]).await?.trim(), "[]");
    register(&etcd, &NODES).await?;
    etcd.put("/routes/shop.example.com", "web 9, new 1").await?;
    etcd.put("/routes/www.example.com", "web").await?;

    let said = done(&etcd, &["list", "--routes", "/routes/"]).await?;
    let words: Vec<Vec<_>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        words,
        [
            &["service", "nodes", "down", "drain", "backup", "rejected", "routes"][..],
            &["api", "1"],
            &["new", "0", "shop.example.com"],
            &["web", "3", "1", "1", "1", "1", "shop.example.com,", "www.example.com"],
            &["web-2", "1"],
            &["web0", "1"],
        ],
        "{said}"
    );

    let said = done(&etcd, &["list", "--json", "--routes", "/routes/"]).await?;
    let list: Vec<Json> = serde_json::from_str(&said)?;
    assert_eq!(
        list[2],
        json!({
            "name": "web",
            "nodes": 3,
            "available": 1,
            "down": 1,
            "drain": 1,
            "backup": 1,
            "rejected": 1,
            "settings": null,
            "settings_rejected": null,
            "routes": ["shop.example.com", "www.example.com"],
        })
    );
    let list: Vec<Json> = serde_json::from_str(&done(&etcd, &["list", "--json"]).await?)?;
    assert_eq!((list.len(), &list[0]["routes"]), (4, &Json::Null));
    Ok(())
}

#[tokio::test]
async fn nodes_of_one_service_are_shown_as_nodes_are() -> Result<()> {
    let etcd = Etcd::start().await?;
    register(&etcd, &NODES).await?;
    etcd.put("/services/web", "10.0.0.9:80").await?;
    let said = done(&etcd, &["show", "/services/web"]).await?;
    let names: Vec<_> =
        said.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["web", "web/1", "web/2", "web/3", "web/4"], "{said}");
    assert!(said.contains("10.0.0.1:80  weight=5"), "{said}");

    let shown: Vec<Json> = serde_json::from_str(&done(&etcd, &["show", "web", "--json"]).await?)?;
    let mut program = Program::start(
        &["nodes", "list", "--json", "--upstream-prefix", SERVICES],
        &[("ETCD_ENDPOINTS", &*etcd.url())],
    )?;
    assert_eq!(program.ended(SOON).await?, 0);
    let mut listed: Vec<Json> = serde_json::from_str(&program.log())?;
    listed.retain(|node| node["key"].as_str().is_some_and(|key| names.contains(&key)));
    assert_eq!(shown, listed);

    fails(&etcd, &["show", "none"], 1, "service \"none\" has no key below").await?;
    fails(&etcd, &["show", "web/1"], 2, "no slash").await?;
    fails(&etcd, &["show", ""], 2, "at least one character").await?;
    fails(&etcd, &["show", "/other/web"], 2, "see --services").await
}

#[tokio::test]
async fn hostile_names_of_services_are_shown_escaped() -> Result<()> {
    let etcd = Etcd::start().await?;
    let name = "a\u{1b}[2J\u{202e}";
    register(&etcd, &[(&format!("{name}/1"), "10.0.0.1:80")]).await?;
    etcd.put("/routes/b\u{1b}", name).await?;
    etcd.put([SERVICES.as_bytes(), b"\xff/1"].concat(), b"\xff").await?;
    let steers = |character: char| character.is_control() && character != '\n';
    for arguments in [&["list", "--routes", "/routes/"][..], &["show", name], &["remove", name]] {
        let said = done(&etcd, arguments).await?;
        assert!(!said.contains(steers) && !said.contains('\u{202e}'), "{said:?}");
        assert!(said.contains("a\\u{1b}[2J\\u{202e}"), "{said}");
    }
    Ok(())
}
