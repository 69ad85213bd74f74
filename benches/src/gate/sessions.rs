//! What the gate counts of sessions of `stream {}`: as [`scene`](super::scene) of requests, in an
//! nginx of its own.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;

use harness::{Configuration, Etcd, Mode, Nginx, Result, cluster, ensure, eventually, free_port};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::scene::{Figures, MANY, PATIENCE, REQUESTS, Scene, fleet, own};
use crate::callgrind::between_marks_without_alarms;
use crate::client::Client;
use crate::count::FEW;
use crate::counting::WARM_UP;
use crate::farm::allow_descriptors;
use crate::method::Method;
use crate::plan::Plan;
use crate::setup::LISTED;
use crate::stream::{IDLE, KEY, session};

/// Where the peers listen, beside those of requests.
const PORT: u16 = 11_908;

/// The upstreams.
const UPSTREAMS: [Scene; 9] = [
    Scene::of(Method::RoundRobin, FEW),
    Scene::of(Method::LeastConn, FEW),
    Scene::of(Method::RandomTwo, FEW),
    Scene::of(Method::HashConsistent, FEW),
    Scene::of(Method::RoundRobin, FEW).without_statistics(),
    Scene::of(Method::LeastConn, FEW).without_statistics(),
    Scene::of(Method::HashConsistent, FEW).without_statistics(),
    Scene::of(Method::RoundRobin, MANY),
    Scene::of(Method::HashConsistent, MANY),
];

/// What a plan chooses of them.
fn chosen(plan: &Plan) -> Vec<Scene> {
    UPSTREAMS.into_iter().filter(|scene| scene.is_chosen(plan)).collect()
}

/// Whether a plan chooses all of them.
pub fn is_whole(plan: &Plan) -> bool {
    chosen(plan).len() == UPSTREAMS.len()
}

fn prefix(upstream: usize) -> String {
    format!("/gate/sessions/{upstream}/")
}

/// What stands below the prefix of an upstream.
fn pair(upstream: usize, number: usize) -> (String, String) {
    let address = fleet(Method::RoundRobin, MANY).address(number, PORT);
    (format!("{}node-{number:05}", prefix(upstream)), address)
}

/// An nginx of one process, with a server of HTTP's that makes marks and one of stream's for each
/// upstream. Gives their addresses, the former first.
fn configuration(etcd: &Etcd, chosen: &[Scene]) -> Result<(Configuration, Vec<String>)> {
    let (mut stream, mut addresses) = (cluster("main", &etcd.url()), Vec::new());
    let address = format!("127.0.0.1:{}", free_port()?);
    let marks = format!("server {{ listen {address}; location = /worker {{ return 200 $pid; }} }}");
    addresses.push(address);
    for (number, scene) in chosen.iter().enumerate() {
        let address = format!("127.0.0.1:{}", free_port()?);
        let (prefix, zone, directives) = (prefix(number), scene.zone(), scene.directives(KEY));
        writeln!(
            stream,
            "upstream sessions_{number} {{ etcd main {prefix} {zone}; {directives} }}
            server {{ listen {address}; proxy_pass sessions_{number}; }}"
        )?;
        addresses.push(address);
    }
    let configuration = Configuration::new()
        .mode(Mode::Single)
        .workers(1)
        // The harness's own server passes to it.
        .http("upstream firehose { server 127.0.0.1:9; }")
        .http(&marks)
        .stream(&stream);
    Ok((configuration, addresses))
}

/// Counts what the plan chooses of the upstreams, with nginx writing to `folder`.
///
/// # Errors
///
/// Where something could not be counted.
pub async fn count(plan: &Plan, folder: &Path) -> Result<Figures> {
    allow_descriptors()?;
    let chosen = chosen(plan);
    let peers = eventually(PATIENCE, "the port of the peers", async || {
        Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?)
    })
    .await?;
    let etcd = Etcd::start().await?;
    for (upstream, &Scene { peers, .. }) in chosen.iter().enumerate() {
        etcd.put_all((0..peers).map(|number| pair(upstream, number))).await?;
    }
    let (configuration, addresses) = configuration(&etcd, &chosen)?;
    let nginx = Nginx::start(configuration).await?;
    let process = nginx.master();
    for (number, scene) in chosen.iter().enumerate() {
        let text = format!("\"sessions_{number}\": {0} peers (+{0} ", scene.peers);
        eventually(LISTED, &text, async || {
            ensure!(!nginx.log_lines(&text).is_empty(), "{}", nginx.log());
            Ok(())
        })
        .await?;
    }
    let mut client = Client::open(&addresses[0])?;
    let mut figures = Figures::new();
    for (scene, address) in chosen.iter().zip(&addresses[1..]) {
        for number in 0..WARM_UP {
            session(address, &peers, &[process], number).await?;
        }
        client.get("/worker")?;
        // Between this one and the one before there is nothing but the answer to the mark itself.
        client.get("/worker")?;
        sleep(IDLE).await;
        client.get("/worker")?;
        for number in 0..REQUESTS {
            session(address, &peers, &[process], number).await?;
        }
        client.get("/worker")?;
        let profile = between_marks_without_alarms(folder, process)?;
        ensure!(profile.module > 0.0, "callgrind knows no module");
        let name = scene.title();
        figures.extend(own(&profile).map(|(what, one)| (format!("stream, {name}: {what}"), one)));
    }
    nginx.check_log()?;
    Ok(figures)
}
