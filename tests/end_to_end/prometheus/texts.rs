//! Both texts, as Prometheus' own programs read them.

use std::collections::BTreeSet;

use harness::*;

/// Names of nodes that would end a label, a line or a text if they were not escaped.
const NAMES: [&str; 6] = [
    "quote\"} 1",
    "back\\slash\\n",
    "<script>alert(1)</script>",
    "{__name__=\"x\"}",
    "umlaut-\u{e4}-\u{1f680}",
    "tab-is-none # EOF",
];

/// The status under three paths: as it is, compressed, and with what it was asked for in a log.
const PATHS: &str = "
    log_format asked '$uri $arg_format/$arg_peers $sent_http_content_encoding \
                      $sent_http_content_type';";
const LOCATIONS: &str = "
    access_log logs/asked.log asked;
    location /plain { etcd_status; }
    location /gzip {
        etcd_status;
        gzip on;
        gzip_min_length 1;
        gzip_types application/openmetrics-text text/plain;
    }";

/// What programs that scrape send as `Accept`, and the type of the answer that they read best.
const SCRAPERS: [(&str, &str, &str); 6] = [
    (
        "Prometheus 2.42",
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
         q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text",
    ),
    (
        "Prometheus 2.53",
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
         version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/openmetrics-text",
    ),
    (
        "Prometheus 3",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;\
         escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/openmetrics-text",
    ),
    (
        "Prometheus with native histograms",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
         encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,\
         application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,\
         */*;q=0.1",
        "application/openmetrics-text",
    ),
    ("vmagent", "text/plain;version=0.0.4;q=1,*/*;q=0.1", "text/plain"),
    (
        "Telegraf",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
         encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3",
        "text/plain",
    ),
];

async fn router() -> Result<Router> {
    let checks = "etcd_check http uri=/healthz interval=100ms;";
    let router = Router::with(2, |etcd| {
        Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("zone=1m", checks))
            .http("upstream \"second\" { etcd main /second/; server 127.0.0.1:1 backup; }")
            .http("etcd_variable $limit main /limit default=1;")
            .http("etcd_geo $inside main /inside/;")
            .http("etcd_map $host $mapped main /mapped/;")
            .http(PATHS)
            .server(LOCATIONS)
    })
    .await?;
    let mut revision = router.etcd.put("/limit", "5").await?;
    for name in NAMES {
        revision =
            router.etcd.put(key(name), format!("{} down", router.nodes[0].address())).await?;
    }
    router.nginx.applied(revision).await?;
    for path in ["/", "/status/404", "/"] {
        router.nginx.get(path).await?;
    }
    Ok(router)
}

#[tokio::test]
async fn promtool_finds_no_fault_in_the_metrics() -> Result<()> {
    let router = router().await?;
    for (query, has_rows) in [("format=prometheus", true), ("format=prometheus&peers=0", false)] {
        let answer = router.nginx.get(&format!("/etcd?{query}")).await?;
        ensure!(answer.status == 200, "{query}: {} {}", answer.status, answer.text());
        let said = promtool_check(&answer.body)?;
        ensure!(said.is_empty(), "{query}: {said}");
        let rows = answer.text().lines().filter(|line| line.contains("nginx_etcd_peer_")).count();
        ensure!((rows > 0) == has_rows, "{query}: {rows} lines about peers");
    }
    // It does find some.
    let faults = promtool_check(b"# TYPE a counter\na 1\n")?;
    ensure!(faults.contains("_total"), "{faults}");
    ensure!(!promtool_check(b"a{b=\"c} 1\n")?.is_empty(), "a broken text is well");
    router.nginx.check_log()
}

#[tokio::test]
async fn each_scraper_gets_the_text_that_it_asks_for() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let mut connection = router.nginx.connect().await?;
    for (scraper, accept, kind) in SCRAPERS {
        let answer = connection.get_with("/etcd", &[("accept", accept)]).await?;
        let is_right = answer.status == 200 && answer.header("content-type").starts_with(kind);
        ensure!(is_right, "{scraper}: {} {:?}", answer.status, answer.headers);
        let is_ended = answer.text().ends_with("# EOF\n");
        ensure!(is_ended == (kind == "application/openmetrics-text"), "{scraper}: {is_ended}");
    }
    router.nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_reads_each_text_with_hostile_names() -> Result<()> {
    let router = router().await?;
    let address = router.nginx.address();
    let target = |job, path, query| Target { job, address: address.clone(), path, query };
    let prometheus = Prometheus::start(
        &[
            target("openmetrics", "/plain", &[]),
            target("compressed", "/gzip", &[]),
            target("prometheus", "/plain", &[("format", "prometheus")]),
            target("compressed-prometheus", "/gzip", &[("format", "prometheus")]),
            target("without-peers", "/plain", &[("peers", "0")]),
        ],
        &[],
    )
    .await?;
    prometheus.scraped().await?;
    let expected: BTreeSet<_> = NAMES.into_iter().chain(["n0", "n1"]).collect();
    for job in ["openmetrics", "compressed", "prometheus", "compressed-prometheus"] {
        let selector = format!("{{job=\"{job}\",upstream=\"{UPSTREAM}\"}}");
        let series = prometheus.query(&format!("nginx_etcd_peer_weight{selector}")).await?;
        let peers: BTreeSet<_> = series.iter().map(|one| one.label("peer")).collect();
        ensure!(peers == expected, "{job}: {peers:?}");
        let state = format!("nginx_etcd_peer_state{selector} == 1");
        for one in prometheus.query(&state).await? {
            let state = if one.label("peer").starts_with('n') { "up" } else { "down" };
            ensure!(one.label("state") == state, "{job}: {one:?}");
        }
        let down =
            format!("nginx_etcd_peers{{job=\"{job}\",state=\"down\",upstream=\"{UPSTREAM}\"}}");
        ensure!(prometheus.value(&down).await? == NAMES.len() as f64, "{job}: {down}");
    }
    let of_peers =
        prometheus.query("{job=\"without-peers\",__name__=~\"nginx_etcd_peer_.*\"}").await?;
    ensure!(of_peers.is_empty(), "{of_peers:?}");
    let connected = "nginx_etcd_connected{job=\"without-peers\",upstream=\"second\"}";
    ensure!(prometheus.value(connected).await? == 1.0, "{connected}");

    let log = std::fs::read_to_string(router.nginx.folder().path().join("logs/asked.log"))?;
    for begin in [
        "/plain -/- - application/openmetrics-text",
        "/gzip -/- gzip application/openmetrics-text",
        "/plain prometheus/- - text/plain",
        "/gzip prometheus/- gzip text/plain",
        "/plain -/0 - application/openmetrics-text",
    ] {
        let normal = |line: &str| line.starts_with(begin);
        ensure!(log.lines().any(normal), "no line {begin} in {log}");
    }
    router.nginx.check_log()
}
