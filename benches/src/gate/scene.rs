//! What the gate counts: one nginx under callgrind with several upstreams.
//!
//! It is a single process, which has the watcher from its start to its end, so that no other one
//! can take it over. Counted are, for a request, the module's own code, its calls and allocations,
//! and for a change also the instructions of what it calls: what nginx and the C library execute
//! meanwhile depends on the pace of the machine and on the luck of a start. Peers have the same
//! addresses and ports each time, so that the same keys of `hash … consistent` go to the same ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use harness::{
    Configuration, Etcd, Mode, Nginx, Result, UPSTREAM, cluster, ensure, eventually, free_port,
};

use crate::callgrind::{between_marks, of_changes};
use crate::client::Client;
use crate::count::FEW;
use crate::counting::{WARM_UP, dump};
use crate::farm::{Farm, allow_descriptors};
use crate::fleet::Fleet;
use crate::method::{Method, path};
use crate::plan::Plan;
use crate::setup::LISTED;

/// What was counted, by name.
pub type Figures = BTreeMap<String, f64>;

/// Peers where there are many.
const MANY: usize = 10_000;
/// Requests over which instructions are counted.
const REQUESTS: usize = 200;
/// Changes over which instructions are counted.
const CHANGES: usize = 20;
/// Where the peers listen: below the ports that tests and the kernel choose.
const PORT: u16 = 11_907;
/// How long another gate may have that port.
const PATIENCE: Duration = Duration::from_secs(300);
/// The name of what a change takes.
pub const CHANGE: &str = "a change, applied and published";
/// The upstreams.
const UPSTREAMS: [(Method, usize); 5] = [
    (Method::RoundRobin, FEW),
    (Method::LeastConn, FEW),
    (Method::HashConsistent, FEW),
    (Method::RoundRobin, MANY),
    (Method::HashConsistent, MANY),
];

/// What a plan chooses of them.
fn chosen(plan: &Plan) -> Vec<(Method, usize)> {
    let is_chosen = |&(method, peers): &(Method, usize)| {
        plan.methods.contains(&method) && plan.peers.contains(&peers)
    };
    UPSTREAMS.into_iter().filter(is_chosen).collect()
}

/// Whether a plan chooses all of them.
pub fn is_whole(plan: &Plan) -> bool {
    chosen(plan).len() == UPSTREAMS.len()
}

/// The name of an upstream: the first one has the name that the harness's own server passes to.
fn name(number: usize) -> String {
    if number == 0 { UPSTREAM.to_owned() } else { format!("upstream_{number}") }
}

/// Each has a prefix, so that a change is one of a single upstream.
fn prefix(upstream: usize) -> String {
    format!("/gate/{upstream}/")
}

fn fleet(method: Method, peers: usize) -> Fleet {
    Fleet { is_distinct: true, ..Fleet::of(peers, method) }
}

/// What stands below the prefix of an upstream.
fn pair(upstream: usize, number: usize, weight: usize) -> (String, String) {
    let address = fleet(Method::RoundRobin, MANY).address(number, PORT);
    (format!("{}node-{number:05}", prefix(upstream)), format!("{address} weight={weight}"))
}

fn configuration(etcd: &Etcd, chosen: &[(Method, usize)]) -> Result<(Configuration, String)> {
    let port = free_port()?;
    let (mut upstreams, mut locations) = (String::new(), String::new());
    for (number, &(method, peers)) in chosen.iter().enumerate() {
        let (name, prefix, fleet) = (name(number), prefix(number), fleet(method, peers));
        let (zone, directive) = (fleet.zone(), method.directive());
        upstreams += &format!("upstream {name} {{ etcd main {prefix} {zone}; {directive} }}\n");
        locations += &format!("location /{number}/ {{ proxy_pass http://{name}; }}\n");
    }
    let server = format!(
        "server {{
            listen 127.0.0.1:{port};
            location = /worker {{ return 200 $pid; }}
            {locations}
        }}"
    );
    let configuration = Configuration::new()
        .mode(Mode::Single)
        .workers(1)
        .http(&cluster("main", &etcd.url()))
        .http(&upstreams)
        .http(&server);
    Ok((configuration, format!("127.0.0.1:{port}")))
}

/// Waits until the log says that an upstream has its peers, with these changes. A request would be
/// counted.
async fn logged(nginx: &Nginx, upstream: usize, peers: usize, changes: &str) -> Result<()> {
    let text = format!("upstream \"{}\": {peers} peers {changes}", name(upstream));
    eventually(LISTED, &text, async || {
        ensure!(!nginx.log_lines(&text).is_empty(), "{}", nginx.log());
        Ok(())
    })
    .await
}

/// Counts what the plan chooses of the upstreams, with nginx writing to `folder`.
///
/// # Errors
///
/// Where something could not be counted.
pub async fn count(plan: &Plan, folder: &Path) -> Result<Figures> {
    allow_descriptors()?;
    let chosen = chosen(plan);
    let _farm =
        eventually(PATIENCE, "the port of the peers", async || Farm::waiting_on(PORT)).await?;
    let etcd = Etcd::start().await?;
    for (upstream, &(_, peers)) in chosen.iter().enumerate() {
        etcd.put_all((0..peers).map(|number| pair(upstream, number, 1))).await?;
    }
    let (configuration, address) = configuration(&etcd, &chosen)?;
    let nginx = Nginx::start(configuration).await?;
    for (number, &(_, peers)) in chosen.iter().enumerate() {
        logged(&nginx, number, peers, &format!("(+{peers} ")).await?;
    }
    let mut client = Client::open(&address)?;
    let mut figures = Figures::new();
    for (number, (method, peers)) in chosen.iter().enumerate() {
        let name = format!("{}, {peers} peers", method.name());
        let cost = requests(&mut client, number, nginx.master(), folder)?;
        figures.extend(cost.map(|(what, figure)| (format!("{name}: {what}"), figure)));
    }
    for (number, &(method, _)) in
        chosen.iter().enumerate().filter(|&(_, &(_, peers))| peers == MANY)
    {
        let figure = changes(&etcd, &nginx, number, folder).await?;
        figures.insert(format!("{}, {MANY} peers: {CHANGE}", method.name()), figure);
    }
    nginx.check_log()?;
    Ok(figures)
}

/// What a request to an upstream takes.
fn requests(
    client: &mut Client,
    number: usize,
    process: i32,
    folder: &Path,
) -> Result<[(&'static str, f64); 3]> {
    let ask = |client: &mut Client, count: usize| -> Result<()> {
        (0..count).try_for_each(|key| client.get(&format!("/{number}{}", path(key))).map(drop))
    };
    ask(client, WARM_UP)?;
    client.get("/worker")?;
    // Between this one and the one before there is nothing but the answer to the mark itself.
    client.get("/worker")?;
    ask(client, REQUESTS)?;
    client.get("/worker")?;
    let profile = between_marks(folder, process)?;
    ensure!(profile.module > 0.0 && profile.heap_calls > 0.0, "callgrind knows no module");
    let each = |count: f64| count / REQUESTS as f64;
    Ok([
        ("the module's own code", each(profile.module)),
        ("calls to nginx and libraries", each(profile.calls_out)),
        ("allocations", each(profile.heap_calls)),
    ])
}

/// What applying and publishing a change of a peer's weight takes.
async fn changes(etcd: &Etcd, nginx: &Nginx, upstream: usize, folder: &Path) -> Result<f64> {
    let process = nginx.master();
    for peer in 0..=CHANGES {
        let (key, value) = pair(upstream, peer, 2);
        let revision = etcd.put(key, value).await?;
        logged(nginx, upstream, MANY, &format!("(+0 -0 ~1), revision {revision}")).await?;
        // The first one ends what came before. A mark writes what was counted in its own thread
        // alone.
        if peer == 0 || peer == CHANGES {
            dump(process, folder)?;
        }
    }
    Ok(of_changes(folder, process)? / CHANGES as f64)
}
