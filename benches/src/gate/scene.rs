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

use crate::callgrind::{Profile, between_marks, of_changes};
use crate::client::Client;
use crate::count::FEW;
use crate::counting::{WARM_UP, dump};
use crate::farm::{Farm, allow_descriptors};
use crate::fleet::Fleet;
use crate::method::{KEY, Method, path};
use crate::plan::Plan;
use crate::setup::LISTED;

/// What was counted, by name.
pub type Figures = BTreeMap<String, f64>;

/// Peers where there are many.
pub const MANY: usize = 10_000;
/// Requests over which instructions are counted.
pub const REQUESTS: usize = 200;
/// Changes over which instructions are counted.
const CHANGES: usize = 20;
/// Where the peers listen: below the ports that tests and the kernel choose.
const PORT: u16 = 11_907;
/// How long another gate may have that port.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// The name of what a change takes.
pub const CHANGE: &str = "a change, applied and published";
/// An upstream.
#[derive(Clone, Copy)]
pub struct Scene {
    /// How peers are chosen.
    pub method: Method,
    /// How many.
    pub peers: usize,
    /// Whether it counts the figures of its requests, as it does if the configuration does not say
    /// otherwise.
    pub counts: bool,
    /// In how many groups they are; 0: in none.
    pub groups: usize,
}

impl Scene {
    /// With the figures of its requests.
    pub const fn of(method: Method, peers: usize) -> Self {
        Self { method, peers, counts: true, groups: 0 }
    }

    /// The same without them.
    pub const fn without_statistics(self) -> Self {
        Self { counts: false, ..self }
    }

    /// The same in so many groups.
    const fn in_groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// In the names of its figures.
    pub fn title(self) -> String {
        let rest = if self.counts { "" } else { ", etcd_statistics off" };
        let groups = match self.groups {
            0 => String::new(),
            groups => format!(" in {groups} groups"),
        };
        format!("{}, {} peers{groups}{rest}", self.method.name(), self.peers)
    }

    /// In the upstream, for a method that goes by this key.
    pub fn directives(self, key: &str) -> String {
        let rest = if self.counts { "" } else { "etcd_statistics off;" };
        let group = if self.groups > 0 { "etcd_group service-7;" } else { "" };
        format!("{} {rest} {group}", self.method.directive(key))
    }

    /// The parameter of `etcd`.
    pub fn zone(self) -> String {
        if self.groups > 0 { "zone=16m".to_owned() } else { fleet(self.method, self.peers).zone() }
    }

    /// The name of a peer below the prefix.
    fn key(self, number: usize) -> String {
        match self.groups {
            0 => format!("node-{number:05}"),
            groups => format!("service-{}/node-{number:05}", number % groups),
        }
    }

    /// Whether a plan chooses it.
    pub fn is_chosen(&self, plan: &Plan) -> bool {
        let peers = if self.peers == MANY { MANY } else { FEW };
        plan.methods.contains(&self.method) && plan.peers.contains(&peers)
    }
}

/// The upstreams.
const UPSTREAMS: [Scene; 10] = [
    Scene::of(Method::RoundRobin, FEW),
    Scene::of(Method::LeastConn, FEW),
    Scene::of(Method::HashConsistent, FEW),
    Scene::of(Method::RoundRobin, FEW).without_statistics(),
    Scene::of(Method::LeastConn, FEW).without_statistics(),
    Scene::of(Method::HashConsistent, FEW).without_statistics(),
    Scene::of(Method::RoundRobin, MANY),
    Scene::of(Method::HashConsistent, MANY),
    Scene::of(Method::RoundRobin, 10 * FEW).in_groups(10),
    Scene::of(Method::RoundRobin, MANY).in_groups(MANY / FEW),
];

/// What a plan chooses of them.
fn chosen(plan: &Plan) -> Vec<Scene> {
    UPSTREAMS.into_iter().filter(|scene| scene.is_chosen(plan)).collect()
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

/// Peers with addresses of their own.
pub fn fleet(method: Method, peers: usize) -> Fleet {
    Fleet { is_distinct: true, ..Fleet::of(peers, method) }
}

/// What stands below the prefix of an upstream.
fn pair(upstream: usize, scene: Scene, number: usize, weight: usize) -> (String, String) {
    let address = fleet(Method::RoundRobin, MANY).address(number, PORT);
    (prefix(upstream) + &scene.key(number), format!("{address} weight={weight}"))
}

fn configuration(etcd: &Etcd, chosen: &[Scene]) -> Result<(Configuration, String)> {
    let port = free_port()?;
    let (mut upstreams, mut locations) = (String::new(), String::new());
    for (number, scene) in chosen.iter().enumerate() {
        let (name, prefix) = (name(number), prefix(number));
        let (zone, directives) = (scene.zone(), scene.directives(KEY));
        upstreams += &format!("upstream {name} {{ etcd main {prefix} {zone}; {directives} }}\n");
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
    for (upstream, &scene) in chosen.iter().enumerate() {
        etcd.put_all((0..scene.peers).map(|number| pair(upstream, scene, number, 1))).await?;
    }
    let (configuration, address) = configuration(&etcd, &chosen)?;
    let nginx = Nginx::start(configuration).await?;
    for (number, &Scene { peers, .. }) in chosen.iter().enumerate() {
        logged(&nginx, number, peers, &format!("(+{peers} ")).await?;
    }
    let mut client = Client::open(&address)?;
    let mut figures = Figures::new();
    for (number, scene) in chosen.iter().enumerate() {
        let name = scene.title();
        let cost = requests(&mut client, number, nginx.master(), folder)?;
        figures.extend(cost.map(|(what, figure)| (format!("{name}: {what}"), figure)));
    }
    for (number, scene) in chosen.iter().enumerate().filter(|(_, scene)| scene.peers == MANY) {
        let figure = changes(&etcd, &nginx, (number, *scene), folder).await?;
        figures.insert(format!("{}: {CHANGE}", scene.title()), figure);
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
    Ok(own(&profile))
}

/// What [`REQUESTS`] took, for each.
pub fn own(profile: &Profile) -> [(&'static str, f64); 3] {
    let each = |count: f64| count / REQUESTS as f64;
    [
        ("the module's own code", each(profile.module)),
        ("calls to nginx and libraries", each(profile.calls_out)),
        ("allocations", each(profile.heap_calls)),
    ]
}

/// What applying and publishing a change of a peer's weight takes.
async fn changes(
    etcd: &Etcd,
    nginx: &Nginx,
    (upstream, scene): (usize, Scene),
    folder: &Path,
) -> Result<f64> {
    let process = nginx.master();
    for peer in 0..=CHANGES {
        let (key, value) = pair(upstream, scene, peer, 2);
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
