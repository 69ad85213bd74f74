//! Counters, beside what the nodes themselves have counted: through reloads and a worker's death.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::*;
use nix::sys::signal::Signal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::target;

const NODES: usize = 3;
/// How long the last node thinks about each answer.
const SLOW: Duration = Duration::from_millis(40);
/// Key of the peer at whose port nobody listens.
const REFUSING: &str = "refusing";

/// What is asked for, one after the other.
const PATHS: [&str; 7] =
    ["/", "/status/204", "/status/302", "/status/404", "/bytes/20000", "/status/503", "/poll?ms=5"];

/// The status with two jobs for nginx: it answers each scrape on a connection of its own, so that
/// all workers come to answer, and it notes who has.
const SCRAPED: &str = "
    location = /metrics {
        etcd_status;
        keepalive_timeout 0;
        access_log logs/scrapes.log scrapes;
    }";

/// Answers, by node and status.
type Answers = BTreeMap<(String, u16), u64>;

/// Clients that ask without pause.
struct Traffic {
    clients: JoinSet<Answers>,
    stop: CancellationToken,
}

impl Traffic {
    /// Starts a client on each of these connections.
    fn start(nginx: &Nginx, connections: Vec<Connection>) -> Self {
        let (mut clients, stop) = (JoinSet::new(), CancellationToken::new());
        for connection in connections {
            clients.spawn(ask(connection, nginx.address(), stop.clone()));
        }
        Self { clients, stop }
    }

    /// Lets each client finish its present request.
    async fn stop(mut self, answers: &mut Answers) -> Result<()> {
        self.stop.cancel();
        while let Some(of_client) = self.clients.join_next().await {
            for (answer, count) in of_client? {
                *answers.entry(answer).or_default() += count;
            }
        }
        Ok(())
    }
}

async fn ask(mut connection: Connection, address: String, stop: CancellationToken) -> Answers {
    let mut answers = Answers::new();
    for path in PATHS.iter().cycle() {
        if stop.is_cancelled() {
            break;
        }
        match connection.get(path).await {
            Ok(answer) => {
                *answers.entry((answer.node().to_owned(), answer.status)).or_default() += 1;
            }
            // Closed by a worker that shuts down, before it has read the request.
            Err(_) => match Connection::open(&address).await {
                Ok(new) => connection = new,
                Err(_) => tokio::task::yield_now().await,
            },
        }
    }
    answers
}

/// Waits for so many scrapes.
async fn scrapes(prometheus: &Prometheus, count: usize) -> Result<()> {
    for _ in 0..count {
        prometheus.scraped().await?;
    }
    Ok(())
}

/// No counter has ever decreased from one scrape to the next.
async fn never_back(prometheus: &Prometheus) -> Result<()> {
    let counted = ["_total", "_bucket", "_sum", "_count"];
    let (mut series, mut steps) = (0, 0);
    for name in prometheus.names("nginx_etcd_").await? {
        if !counted.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        for one in prometheus.query(&format!("{name}[1h]")).await? {
            let back = one.samples.windows(2).find(|two| two[1].1 < two[0].1);
            ensure!(back.is_none(), "{name} {:?} went back: {back:?}", one.labels);
            series += 1;
            steps += one.samples.windows(2).filter(|two| two[1].1 > two[0].1).count();
        }
        for one in prometheus.query(&format!("resets({name}[1h])")).await? {
            ensure!(one.value() == 0.0, "resets of {name}: {one:?}");
        }
    }
    println!("{series} series of counters, which have increased {steps} times");
    ensure!(series > 50 && steps > 200, "{series} series, {steps} steps: nothing to compare");
    Ok(())
}

/// The values of an expression by this label, those of 0 left out.
async fn by(
    prometheus: &Prometheus,
    label: &str,
    expression: &str,
) -> Result<BTreeMap<String, u64>> {
    let expression = format!("sum by ({label}) ({expression})");
    let found = prometheus.query(&expression).await?;
    let values = found.iter().map(|one| (one.label(label).to_owned(), one.value() as u64));
    Ok(values.filter(|(_, value)| *value > 0).collect())
}

/// What Prometheus has last read is what the nodes have counted and the clients have received.
async fn same(prometheus: &Prometheus, router: &Router, answers: &Answers, cut: u64) -> Result<()> {
    let mut nodes: BTreeMap<_, _> =
        router.nodes.iter().map(|node| (node.name().to_owned(), node.counts().requests)).collect();
    let asked: u64 = nodes.values().sum();
    let refused = prometheus
        .value(&format!("nginx_etcd_peer_requests_total{{peer=\"{REFUSING}\"}}"))
        .await? as u64;
    ensure!(refused > 0, "nobody was refused");
    nodes.insert(REFUSING.to_owned(), refused);
    let requests = by(prometheus, "peer", "nginx_etcd_peer_requests_total").await?;
    ensure!(requests == nodes, "requests {requests:?}, the nodes have {nodes:?}");

    let mut classes = BTreeMap::<_, u64>::new();
    let mut of_nodes = BTreeMap::<_, u64>::new();
    for ((node, status), count) in answers {
        *classes.entry(format!("{}xx", status / 100)).or_default() += count;
        *of_nodes.entry(node.clone()).or_default() += count;
    }
    for name in ["nginx_etcd_responses_total", "nginx_etcd_peer_responses_total"] {
        let counted = by(prometheus, "class", name).await?;
        ensure!(counted == classes, "{name} {counted:?}, the clients have {classes:?}");
    }
    // Of sessions the time to the last byte is not counted.
    let mut ended = of_nodes.clone();
    for ((node, _), count) in answers.iter().filter(|((_, status), _)| *status == 101) {
        *ended.entry(node.clone()).or_default() -= count;
    }
    for (name, expected) in [
        ("responses_total", &of_nodes),
        ("header_seconds_count", &of_nodes),
        ("response_seconds_count", &ended),
    ] {
        let counted = by(prometheus, "peer", &format!("nginx_etcd_peer_{name}")).await?;
        ensure!(counted == *expected, "{name} {counted:?}, the clients have {expected:?}");
    }

    let answered: u64 = of_nodes.values().sum();
    let ended: u64 = ended.values().sum();
    ensure!(asked == answered + cut, "the nodes {asked}, the clients {answered} and {cut} cut");
    for (expression, expected) in [
        ("nginx_etcd_requests_total", asked + refused),
        ("nginx_etcd_header_seconds_count", answered),
        ("nginx_etcd_response_seconds_count", ended),
        ("nginx_etcd_failures_total{kind=\"connect\"}", refused),
        ("sum(nginx_etcd_failures_total)", refused),
        ("nginx_etcd_retries_total", refused),
        ("sum(nginx_etcd_peer_retries_total)", refused),
        ("sum(nginx_etcd_picks_total)", asked + refused),
        ("nginx_etcd_requests_without_peer_total", 0),
    ] {
        let value = prometheus.value(expression).await?;
        ensure!(value == expected as f64, "{expression} is {value}, not {expected}");
    }
    for name in ["requests", "retries", "sent_bytes", "received_bytes"] {
        let sums =
            format!("sum(nginx_etcd_peer_{name}_total) - on () sum(nginx_etcd_{name}_total)");
        let difference = prometheus.value(&sums).await?;
        ensure!(difference == 0.0, "{sums} is {difference}");
    }
    Ok(())
}

/// The quantiles of a slow node and of a fast one are what one has set.
async fn quantiles(prometheus: &Prometheus) -> Result<()> {
    let slow = SLOW.as_secs_f64();
    let median = async |name: &str, node: usize| -> Result<f64> {
        let bucket = format!("nginx_etcd_peer_{name}_seconds_bucket{{peer=\"n{node}\"}}");
        prometheus.value(&format!("histogram_quantile(0.5, {bucket})")).await
    };
    // The widest bucket that has it ends at the next bound.
    let bounds = prometheus.query("nginx_etcd_peer_header_seconds_bucket{peer=\"n0\"}").await?;
    let bounds: Vec<f64> =
        bounds.iter().map(|one| one.label("le").parse()).collect::<Result<_, _>>()?;
    let below = bounds.iter().copied().filter(|&bound| bound < slow).fold(0.0, f64::max);
    ensure!(bounds.len() == 8 && below > 0.0, "{bounds:?}");
    for name in ["header", "response"] {
        let (of_slow, of_fast) = (median(name, NODES - 1).await?, median(name, 0).await?);
        println!("median to the {name}: slow {of_slow}, fast {of_fast}");
        ensure!((below..5.0).contains(&of_slow), "{name}: median {of_slow}, delay {slow}");
        ensure!(of_fast < of_slow, "{name}: medians {of_fast} and {of_slow}");
        let metric = format!("nginx_etcd_peer_{name}_seconds");
        let mean = format!("{metric}_sum{{peer=\"n2\"}} / {metric}_count{{peer=\"n2\"}}");
        let mean = prometheus.value(&mean).await?;
        ensure!((slow * 0.9..5.0).contains(&mean), "{name}: mean {mean}, delay {slow}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_never_go_back_and_are_those_of_the_nodes() -> Result<()> {
    let format = "log_format scrapes '$pid $status $sent_http_content_type';";
    let router =
        Router::with(NODES, |etcd| Configuration::firehose(etcd).http(format).server(SCRAPED))
            .await?;
    let nginx = &router.nginx;
    router.nodes[NODES - 1].set_delay(SLOW);
    let closed = ClosedPort::reserve()?;
    let value = format!("{} max_fails=0", closed.address());
    nginx.applied(router.etcd.put(key(REFUSING), value).await?).await?;
    let prometheus = Prometheus::start(&[target(nginx, "/metrics")], &[]).await?;
    let mut answers = Answers::new();

    let traffic = Traffic::start(nginx, nginx.connect_to_each().await?);
    let mut sessions = Vec::new();
    for _ in 0..NODES {
        sessions.push(nginx.websocket("/ws").await?);
    }
    scrapes(&prometheus, 4).await?;
    nginx.reload().await?;
    scrapes(&prometheus, 2).await?;
    // They end in old workers.
    for session in sessions {
        *answers.entry((session.node().to_owned(), 101)).or_default() += 1;
        session.close().await?;
    }
    scrapes(&prometheus, 2).await?;
    traffic.stop(&mut answers).await?;

    // The worker that is killed has one request in hand, which its node has received.
    let victim = nginx.watcher().await?;
    let mut cut = nginx.connect_to(victim).await?;
    let poll = tokio::spawn(async move { cut.get("/poll?ms=60000").await.map(|_| ()) });
    let open = || router.nodes.iter().map(|node| node.counts().plain_open).sum::<u64>();
    eventually(SOON, "a node has the poll", async || {
        ensure!(open() == 1, "{} requests are open", open());
        Ok(())
    })
    .await?;
    let mut survivors = Vec::new();
    for worker in nginx.workers()?.into_iter().filter(|&worker| worker != victim) {
        survivors.push(nginx.connect_to(worker).await?);
    }
    let traffic = Traffic::start(nginx, survivors);
    scrapes(&prometheus, 2).await?;
    signal(victim, Signal::SIGKILL)?;
    scrapes(&prometheus, 4).await?;
    ensure!(poll.await?.is_err(), "the poll of the killed worker was answered");
    traffic.stop(&mut answers).await?;

    let traffic = Traffic::start(nginx, nginx.connect_to_each().await?);
    scrapes(&prometheus, 2).await?;
    traffic.stop(&mut answers).await?;
    eventually(SOON * 2, "Prometheus, nodes and clients agree", async || {
        prometheus.scraped().await?;
        same(&prometheus, &router, &answers, 1).await
    })
    .await?;
    never_back(&prometheus).await?;
    quantiles(&prometheus).await?;

    let log = std::fs::read_to_string(nginx.folder().path().join("logs/scrapes.log"))?;
    let mut workers = BTreeMap::<&str, usize>::new();
    for line in log.lines() {
        let (worker, answer) = line.split_once(' ').ok_or("an empty line")?;
        ensure!(answer.starts_with("200 application/openmetrics-text"), "{line}");
        *workers.entry(worker).or_default() += 1;
    }
    ensure!(workers.len() >= 3, "not all workers have answered: {workers:?}");
    Ok(())
}
