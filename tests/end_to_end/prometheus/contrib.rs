//! Alert rules and dashboard of `contrib/`, beside the metrics that there are.

mod expressions;

use std::collections::{BTreeMap, BTreeSet};

use harness::*;

use super::{contrib, target};
use expressions::{Used, of_dashboard, of_rules};

/// What Prometheus adds to each series, and the module to a peer that is listed twice.
const ADDED: [&str; 3] = ["job", "instance", "number"];

/// Each metric that `etcd_status` can answer, with its labels; a histogram by its three names.
fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let mut metrics = BTreeMap::new();
    for family in status_document::metrics::metrics() {
        let name = family.full_name();
        let labels = family.all_labels();
        let labels: BTreeSet<_> = labels
            .split(", ")
            .filter(|label| !label.is_empty())
            .chain(ADDED)
            .map(str::to_owned)
            .collect();
        if family.kind == status_document::metrics::Kind::Histogram {
            let mut with_bound = labels.clone();
            with_bound.insert("le".to_owned());
            metrics.insert(format!("{name}_bucket"), with_bound);
            metrics.insert(format!("{name}_sum"), labels.clone());
            metrics.insert(format!("{name}_count"), labels);
        } else {
            metrics.insert(name, labels);
        }
    }
    metrics
}

/// What is wrong with an expression, by the metrics and the names of recording rules.
fn faults(expression: &str, metrics: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let Used { metrics: used, groups } = Used::by(expression);
    let mut faults = Vec::new();
    let mut known: BTreeSet<_> = ADDED.into_iter().map(str::to_owned).collect();
    for (name, labels) in used {
        let Some(of_metric) = metrics.get(&name) else {
            faults.push(format!("there is no {name}"));
            continue;
        };
        known.extend(of_metric.iter().cloned());
        let wrong = labels.iter().filter(|label| !of_metric.contains(*label));
        faults.extend(wrong.map(|label| format!("{name} has no label {label}")));
    }
    let wrong = groups.iter().filter(|label| !known.contains(*label));
    faults.extend(wrong.map(|label| format!("nothing has the label {label}")));
    faults
}

#[test]
fn rules_and_dashboard_name_metrics_and_labels_that_exist() -> Result<()> {
    let mut metrics = metrics();
    let up = ADDED.into_iter().map(str::to_owned).collect();
    metrics.insert("up".to_owned(), up);
    let rules =
        of_rules(&std::fs::read_to_string(contrib("prometheus/firehose-router.rules.yml"))?);
    for (record, expression) in &rules {
        let Some(record) = record else { continue };
        let Used { metrics: used, .. } = Used::by(expression);
        let labels = used.iter().filter_map(|(name, _)| metrics.get(name)).flatten().cloned();
        let labels = labels.collect();
        metrics.insert(record.clone(), labels);
    }
    let dashboard = of_dashboard(&std::fs::read(contrib("grafana/firehose-router.json"))?)?;
    let all: Vec<_> = rules.iter().map(|(_, expression)| expression).chain(&dashboard).collect();
    assert!(rules.len() > 20 && dashboard.len() > 20, "{all:?}");
    let mut wrong = Vec::new();
    for expression in all {
        let faults = faults(expression, &metrics);
        if !faults.is_empty() {
            wrong.push(format!("{expression}: {}", faults.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What the page for operators names.
    let page = include_str!("../../../docs/how-to/monitoring.md");
    for name in expressions::names(page) {
        assert!(metrics.contains_key(&name), "docs/how-to/monitoring.md: there is no {name}");
    }
    Ok(())
}

#[test]
fn faults_of_expressions_are_found() {
    let metrics = metrics();
    for (expression, fault) in [
        ("sum(nginx_etcd_request_total)", "there is no nginx_etcd_request_total"),
        ("nginx_etcd_requests_total{peer=\"a\"}", "nginx_etcd_requests_total has no label peer"),
        ("sum by (kind) (nginx_etcd_requests_total)", "nothing has the label kind"),
        (
            "nginx_etcd_peer_state{state=\"}\",helth=\"x\"}",
            "nginx_etcd_peer_state has no label helth",
        ),
        ("nginx_etcd_panic + on (peer) nginx_etcd_connected", "nothing has the label peer"),
    ] {
        assert_eq!(faults(expression, &metrics), [fault], "{expression}");
    }
    let right = "sum without (le) (rate(nginx_etcd_header_seconds_bucket{le=\"+Inf\"}[5m]))";
    assert!(faults(right, &metrics).is_empty());
}

/// A router of which each metric can be read; its node of TCP, and where it listens for sessions.
async fn router(folder: &Folder) -> Result<(Router, TcpNode, String)> {
    let (node, port) = (TcpNode::start("n0").await?, free_port()?);
    let directives = "etcd_check http uri=/healthz interval=100ms; etcd_keepalive 4;";
    let state = format!("state={}/firehose.peers", folder.path().display());
    let router = Router::with(2, |etcd| {
        Configuration::new()
            .main(&cluster("main", &etcd.url()))
            .http(&upstream(&state, directives))
            .http(
                "upstream second { etcd main /second/; etcd_group g settings=/groups/; \
                 server 127.0.0.1:1 backup; }",
            )
            .stream(&format!(
                "upstream {SESSIONS} {{ etcd main /sessions/; server {}; }}",
                node.address()
            ))
            .stream(&stream_server(port, "", &format!("proxy_pass {SESSIONS};")))
            .http("etcd_variable $limit main /limit default=1;")
            .http("etcd_geo $inside main /inside/;")
            .http("etcd_map $host $mapped main /mapped/ state=logs/mapped.state;")
    })
    .await?;
    router.etcd.put("/limit", "5").await?;
    router.etcd.put("/inside/all", "10.0.0.0/8").await?;
    router.etcd.put("/mapped/all", "one").await?;
    let down = format!("{} down", router.nodes[0].address());
    router.nginx.applied(router.etcd.put(key("down"), down).await?).await?;
    for _ in 0..4 {
        ensure!(router.nginx.get("/").await?.status == 200, "no answer");
    }
    Ok((router, node, format!("127.0.0.1:{port}")))
}

/// Waits until an alert has this state.
async fn alert(prometheus: &Prometheus, name: &str, state: &str) -> Result<()> {
    eventually(SOON, &format!("{name} is {state}"), async || {
        let rules = prometheus.rules().await?;
        let rule = rules.iter().find(|rule| rule.name == name).ok_or("no such alert")?;
        ensure!(rule.state == state, "{rule:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_dashboard_find_what_nginx_answers() -> Result<()> {
    let folder = Folder::new("state")?;
    let (mut router, _node, sessions) = router(&folder).await?;
    let rules = contrib("prometheus/firehose-router.rules.yml").canonicalize()?;
    let prometheus = Prometheus::start(&[target(&router.nginx, "/etcd")], &[&rules]).await?;
    // A rate needs two samples.
    for _ in 0..3 {
        prometheus.scraped().await?;
        router.nginx.get("/").await?;
        TcpSession::open(&sessions).await?.finish().await?;
    }
    prometheus.scraped().await?;
    eventually(SOON, "a rule of sessions has a value", async || {
        let found = prometheus.query("upstream:nginx_etcd_sessions_lost:ratio_rate5m").await?;
        ensure!(!found.is_empty(), "it has none");
        Ok(())
    })
    .await?;

    let mut wrong = Vec::new();
    let dashboard = of_dashboard(&std::fs::read(contrib("grafana/firehose-router.json"))?)?;
    for expression in &dashboard {
        match prometheus.query(expression).await {
            Ok(found) if found.is_empty() => wrong.push(format!("{expression} gives nothing")),
            Ok(_) => {}
            Err(error) => wrong.push(error.to_string()),
        }
    }
    // Nothing would be left of an alert that names a metric or a value which does not exist.
    let text = std::fs::read_to_string(&rules)?;
    for (_, expression) in of_rules(&text) {
        for selector in expressions::selectors(&expression) {
            if prometheus.query(&selector).await?.is_empty() {
                wrong.push(format!("{selector} gives nothing"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));

    let rules = eventually(SOON, "all rules are evaluated", async || {
        let rules = prometheus.rules().await?;
        ensure!(rules.iter().all(|rule| rule.health != "unknown"), "{rules:?}");
        Ok(rules)
    })
    .await?;
    for rule in &rules {
        ensure!(rule.health == "ok", "{rule:?}");
    }
    ensure!(rules.len() == of_rules(&text).len(), "{rules:?}");
    alert(&prometheus, "FirehoseRouterEtcdUnreachable", "inactive").await?;
    alert(&prometheus, "FirehoseRouterRejectedValues", "inactive").await?;

    router.etcd.put(key("wrong"), "no address").await?;
    alert(&prometheus, "FirehoseRouterRejectedValues", "pending").await?;
    alert(&prometheus, "FirehoseRouterVariableRejected", "inactive").await?;
    router.etcd.put("/inside/wrong", "no network").await?;
    alert(&prometheus, "FirehoseRouterVariableRejected", "pending").await?;
    router.nodes[0].set_health(500);
    alert(&prometheus, "FirehoseRouterPeerUnhealthy", "pending").await?;
    router.etcd.stop().await?;
    alert(&prometheus, "FirehoseRouterEtcdUnreachable", "pending").await?;
    alert(&prometheus, "FirehoseRouterDown", "inactive").await?;
    router.nginx.check_log()
}
