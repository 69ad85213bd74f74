//! The tables of the reference, beside what nginx answers: each field and each metric is in both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness::*;
use serde_json::Value;

/// A table: the fields in its first column, with the cells of the second one.
type Fields = BTreeMap<String, String>;

fn page(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name);
    Ok(std::fs::read_to_string(path)?)
}

/// The tables of a page by the heading above them or, if the head of the first column names a
/// field, by that.
fn tables(text: &str) -> BTreeMap<String, Fields> {
    let mut tables: BTreeMap<String, Fields> = BTreeMap::new();
    let (mut heading, mut name) = (String::new(), None);
    for line in text.lines() {
        if let Some(next) = line.strip_prefix('#') {
            heading = next.trim_start_matches('#').trim().to_owned();
        }
        if line.starts_with("|-") {
            continue;
        }
        let Some(row) = line.strip_prefix("| ") else {
            name = None;
            continue;
        };
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let Some(of) = &name else {
            let field = cells[0].strip_prefix("field of ").map(|field| field.trim_matches('`'));
            name = Some(field.map_or_else(|| heading.clone(), str::to_owned));
            continue;
        };
        let field = cells[0].trim_matches('`').to_owned();
        let kind = cells.get(1).copied().unwrap_or_default().to_owned();
        tables.entry(of.clone()).or_default().insert(field, kind);
    }
    tables
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The tables, and those whose fields have been seen.
struct Reference {
    tables: BTreeMap<String, Fields>,
    /// Fields that were seen in a document with a value that is not `null`, by table.
    seen: BTreeSet<(String, String)>,
}

/// What only an `etcd_map` has, but for the prefix.
const MAP: [&str; 5] = ["prefix", "entries", "bytes_used", "bytes_total", "state"];

impl Reference {
    /// Compares an object with a table; `optional` fields need not be there, and `left_out` ones
    /// must not.
    fn check(
        &mut self,
        table: &str,
        object: &Value,
        optional: &[&str],
        left_out: &[&str],
    ) -> Result<()> {
        let fields = self.tables.get(table).ok_or_else(|| format!("no table {table:?}"))?;
        let object = object.as_object().ok_or_else(|| format!("{table}: {object}"))?;
        for (name, value) in object {
            let kinds = fields.get(name);
            let kinds = kinds.ok_or_else(|| format!("{table}: {name} is not documented"))?;
            let kind = kind_of(value);
            ensure!(
                kinds.split(", ").any(|documented| documented == kind),
                "{table}: {name} is {kind}, documented as {kinds}"
            );
            ensure!(!left_out.contains(&name.as_str()), "{table}: {name}");
            if !value.is_null() {
                self.seen.insert((table.to_owned(), name.clone()));
            }
        }
        for name in fields.keys().map(String::as_str) {
            let may_lack = optional.contains(&name) || left_out.contains(&name);
            ensure!(
                may_lack || object.contains_key(name),
                "{table}: {name} is not in the document"
            );
        }
        Ok(())
    }

    fn check_figures(&mut self, figures: &Value, left_out: &[&str]) -> Result<()> {
        self.check("statistics", figures, &[], left_out)?;
        self.check("Histograms", &figures["header_time"], &[], &[])?;
        self.check("Histograms", &figures["response_time"], &[], &[])
    }

    fn check_upstream(&mut self, upstream: &Value) -> Result<()> {
        self.check("An upstream", upstream, &[], &[])?;
        for (table, field) in [
            ("groups", "groups"),
            ("resyncs", "resyncs"),
            ("zone", "zone"),
            ("holding", "holding"),
            ("state", "state"),
        ] {
            if table == "resyncs" {
                let causes: Vec<_> = self.tables[table].keys().cloned().collect();
                let counted = upstream[field].as_object().ok_or("no resyncs")?;
                ensure!(causes.iter().eq(counted.keys()), "resyncs: {counted:?}");
            } else if !upstream[field].is_null() {
                self.check(table, &upstream[field], &[], &[])?;
            }
        }
        self.check("settings of groups", &upstream["groups"]["settings"], &[], &[])?;
        for (table, field) in [
            ("rejected", "rejected"),
            ("unresolved", "unresolved"),
            ("endpoints", "endpoints"),
            ("changes", "changes"),
        ] {
            for item in upstream[field].as_array().ok_or(field)? {
                self.check(table, item, &[], &[])?;
            }
        }
        self.check_figures(&upstream["statistics"], &[])?;
        self.check("Histograms", &upstream["event_to_published"], &[], &[])?;
        self.check("Histograms", &upstream["event_to_seen"], &[], &[])?;
        let states = upstream["peers_by_state"].as_object().ok_or("no states")?;
        ensure!(
            self.tables["States of a peer"].keys().eq(states.keys()),
            "states of a peer: {states:?}"
        );
        for peer in upstream["peers"].as_array().ok_or("no peers")? {
            self.check("A peer", peer, &["route", "labels"], &[])?;
            self.check("checks", &peer["checks"], &[], &[])?;
            self.check_figures(&peer["statistics"], &["requests", "no_peer", "picks"])?;
        }
        Ok(())
    }

    fn check_document(&mut self, document: &Value) -> Result<()> {
        self.check("Top level", document, &[], &[])?;
        for upstream in document["upstreams"].as_object().ok_or("no upstreams")?.values() {
            self.check_upstream(upstream)?;
        }
        self.check(
            "A variable",
            &document["variables"]["$one"],
            &[],
            &[&MAP[..], &["networks"]].concat(),
        )?;
        self.check(
            "A variable",
            &document["geo"]["$two"],
            &[],
            &[&["key", "set", "size"], &MAP[1..]].concat(),
        )?;
        self.check(
            "A variable",
            &document["maps"]["$three"],
            &[],
            &["key", "set", "size", "networks"],
        )
    }
}

/// nginx with something of all that there can be.
async fn everything() -> Result<(Etcd, Vec<Node>, Nginx, Folder)> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    for _ in 0..20 {
        etcd.register(&nodes).await?;
    }
    let route = format!("{} route=r", nodes[0].address());
    let labels = format!(r#"{{"Op":0,"Addr":"{}","Metadata":{{"a":"b"}}}}"#, nodes[1].address());
    etcd.put(key("with-route"), route).await?;
    etcd.put(key("with-labels"), labels).await?;
    etcd.put(key("refused"), "127.0.0.1:9").await?;
    etcd.put(key("wrong"), "?").await?;
    etcd.put(key("unresolved"), "nobody.invalid:80").await?;
    etcd.put("/one", "1").await?;
    etcd.put("/three/a", "1").await?;
    etcd.put("/groups/b", r#"{"max_conns":9}"#).await?;
    etcd.put("/groups/c", "?").await?;
    let revision = etcd.put("/two/a", "10.0.0.0/8").await?;
    let folder = Folder::new("state")?;
    let state = folder.path().join("peers");
    let nginx = Nginx::start(
        Configuration::new()
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http("etcd_variable $one main /one default=0; etcd_geo $two main /two/;")
            .http("etcd_map $host $three main /three/ state=logs/three.state;")
            .http(&upstream(
                &format!("zone=1m hold=10m state={}", state.display()),
                "etcd_check tcp interval=100ms; etcd_balance least_time last_byte; \
                 etcd_drain timeout=1h; etcd_group x by=label:a else=any settings=/groups/; \
                 server 127.0.0.1:9 down;",
            )),
    )
    .await?;
    nginx.applied(revision).await?;
    for _ in 0..20 {
        nginx.get("/").await?;
    }
    Ok((etcd, nodes, nginx, folder))
}

async fn document(nginx: &Nginx) -> Result<Value> {
    Ok(serde_json::from_slice(&nginx.get("/etcd?format=json").await?.body)?)
}

#[tokio::test]
async fn reference_has_each_field_and_no_other() -> Result<()> {
    let (mut etcd, nodes, nginx, _folder) = everything().await?;
    let mut reference = Reference { tables: tables(&page("status.md")?), seen: BTreeSet::new() };
    eventually(SOON, "checks have failed, and a name is not found", async || {
        let document = document(&nginx).await?;
        let upstream = &document["upstreams"][UPSTREAM];
        let is_refused = |peer: &&Value| peer["checks"]["last_error"].is_string();
        let peers = upstream["peers"].as_array().ok_or("no peers")?;
        ensure!(peers.iter().any(|peer| is_refused(&peer)), "{upstream}");
        ensure!(upstream["unresolved"][0]["reason"].is_string(), "{upstream}");
        ensure!(upstream["state"]["revision"].is_number(), "{upstream}");
        Ok(())
    })
    .await?;
    reference.check_document(&document(&nginx).await?)?;
    // A peer that is drained, and peers that are held.
    let drained = etcd.put(key("n0"), format!("{} drain", nodes[0].address())).await?;
    nginx.applied(drained).await?;
    reference.check_document(&document(&nginx).await?)?;
    etcd.kill().await?;
    eventually(SOON, "there is trouble", async || {
        let document = document(&nginx).await?;
        ensure!(document["upstreams"][UPSTREAM]["trouble"].is_string(), "none");
        ensure!(document["upstreams"][UPSTREAM]["endpoints"][0]["trouble"].is_string(), "none");
        Ok(())
    })
    .await?;
    reference.check_document(&document(&nginx).await?)?;
    etcd.wipe()?;
    etcd.restart().await?;
    eventually(SOON, "peers are held", async || {
        let document = document(&nginx).await?;
        ensure!(document["upstreams"][UPSTREAM]["holding"].is_object(), "none");
        ensure!(document["variables"]["$one"]["held"].is_number(), "none");
        Ok(())
    })
    .await?;
    reference.check_document(&document(&nginx).await?)?;
    // Each field had a value at some time, except for those of troubles that did not come about.
    let rare = [("state", "trouble"), ("A variable", "rejected"), ("changes", "detail")];
    for (table, fields) in &reference.tables {
        if !reference.seen.iter().any(|(seen, _)| seen == table) {
            continue;
        }
        for field in fields.keys() {
            let pair = (table.clone(), field.clone());
            let is_rare = rare.contains(&(table.as_str(), field.as_str()));
            assert!(is_rare || reference.seen.contains(&pair), "{pair:?} was never more than null");
        }
    }
    let complete = [
        "Top level",
        "groups",
        "settings of groups",
        "holding",
        "state",
        "endpoints",
        "changes",
        "checks",
        "unresolved",
    ];
    for table in complete {
        assert!(reference.seen.iter().any(|(seen, _)| seen == table), "{table}");
    }
    Ok(())
}

#[tokio::test]
async fn reference_has_each_metric_and_no_other() -> Result<()> {
    let (_etcd, _nodes, nginx, _folder) = everything().await?;
    let tables = tables(&page("metrics.md")?);
    let documented = &tables["All metrics"];
    let text = eventually(SOON, "the state file is written", async || {
        let text = nginx.get("/etcd?format=prometheus").await?.text();
        ensure!(text.contains("nginx_etcd_state_file_ok{"), "{text}");
        Ok(text)
    })
    .await?;
    let mut kinds = BTreeMap::new();
    let mut labels: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            kinds.insert(name.to_owned(), kind.to_owned());
        } else if let Some((name, rest)) = line.split_once('{') {
            let suffix = ["_bucket", "_sum", "_count"].into_iter().find(|suffix| {
                name.strip_suffix(suffix).is_some_and(|name| kinds.contains_key(name))
            });
            let name = suffix.and_then(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
            let names = rest.split("=\"").filter_map(|part| part.rsplit([',', '"']).next());
            let names = names.filter(|name| !name.contains('}')).map(str::to_owned);
            labels.entry(name).or_default().extend(names);
        }
    }
    assert_eq!(&kinds, documented);
    let rows = page("metrics.md")?;
    for row in rows.lines().filter_map(|line| line.strip_prefix("| `nginx_etcd_")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let name = format!("nginx_etcd_{}", cells[0].trim_matches('`'));
        let of_row: BTreeSet<String> = cells[3]
            .split(", ")
            .map(|label| label.trim_matches('`').to_owned())
            .filter(|label| !label.is_empty())
            .collect();
        let mut found = labels.remove(name.as_str()).unwrap_or_default();
        found.remove("le");
        assert_eq!(found, of_row, "labels of {name}");
    }
    Ok(())
}
