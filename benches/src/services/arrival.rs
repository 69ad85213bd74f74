//! From etcd's acknowledgment to the first request, and what a change takes.

use std::time::{Duration, Instant};

use harness::{Etcd, Nginx, PREFIX, Result, UPSTREAM, ensure, free_port};
use tokio::time::sleep;

use super::configuration;
use super::platform::{NODES, Platform, Service};
use super::rounds::ready;
use crate::backend::Backend;
use crate::client::Client;
use crate::farm::{Farm, allow_descriptors};
use crate::neighbours::process::spent;
use crate::plan::Plan;
use crate::statistics::{median, percentile};
use crate::table::Table;

/// The prefix of an upstream without groups.
const PLAIN: &str = "/plain/";
/// From one change to the next: nothing is summed up.
const APART: Duration = Duration::from_millis(50);
/// After changes, until all of their work is done.
const SETTLED: Duration = Duration::from_secs(2);
/// How long a change may take until it has a request.
const ARRIVED: Duration = Duration::from_secs(10);
/// What is answered where no node is.
const NONE: &str = "none";
/// Aimed at: how much later than a node of an upstream of its own a new service may answer, in
/// milliseconds.
const LATER: f64 = 1.0;
/// Aimed at: the processor time of a change among all nodes, in milliseconds.
const CHANGE: f64 = 0.2;

/// The servers: one for services, one for the plain upstream. Both answer [`NONE`] where there is
/// no node, so that the client keeps its connection.
fn servers(services: u16, plain: u16) -> String {
    let server = |port: u16, upstream: &str| {
        format!(
            "server {{
                listen 127.0.0.1:{port} backlog=4096;
                location / {{ proxy_pass http://{upstream}; error_page 502 =200 @none; }}
                location @none {{ return 200 {NONE}; }}
            }}\n"
        )
    };
    format!(
        "upstream plain {{ etcd main {PLAIN}; }}\n{}{}",
        server(services, UPSTREAM),
        server(plain, "plain")
    )
}

/// Asks until a node answers with this name, and gives the milliseconds since `began`.
fn first_request(client: &mut Client, host: &str, name: &str, began: Instant) -> Result<f64> {
    while client.get_from(host)? != name {
        ensure!(began.elapsed() < ARRIVED, "no request after {ARRIVED:?}");
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// Measures among the most services of the plan.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    allow_descriptors()?;
    let services = plan.services.last().copied().unwrap_or_default();
    let farm = Farm::start()?;
    let platform = Platform::of(services, NODES, farm.port());
    let etcd = Etcd::start().await?;
    etcd.put_all(platform.all_pairs(PREFIX)).await?;
    let (own, port, plain) = (free_port()?, free_port()?, free_port()?);
    let configuration =
        configuration::ours(&etcd, services * NODES, own).http(&servers(port, plain));
    let nginx = Nginx::start(configuration).await?;
    ready(&nginx, services).await?;
    let mut table = Table::new(
        &format!("A change among {services} services of {NODES} nodes, routed by as many hosts"),
        ["plain upstream", "by name", "difference"],
    );
    arrivals(&mut table, plan, &etcd, [port, plain]).await?;
    changes(&mut table, plan, &etcd, &nginx, &platform).await?;
    nginx.check_log()?;
    Ok(table)
}

/// A new node of a plain upstream, and a new host with its service and node, by turns.
async fn arrivals(table: &mut Table, plan: &Plan, etcd: &Etcd, ports: [u16; 2]) -> Result<()> {
    let backends = [Backend::start("x")?, Backend::start("y")?];
    let [mut services, mut plain] = {
        let open = |port| Client::open(&format!("127.0.0.1:{port}"));
        [open(ports[0])?, open(ports[1])?]
    };
    let (mut of_plain, mut of_services) = (Vec::new(), Vec::new());
    for change in 0..plan.changes {
        let (name, backend) = (["x", "y"][change % 2], &backends[change % 2]);
        let address = backend.address().to_string();
        sleep(APART).await;
        etcd.put(format!("{PLAIN}node"), &address).await?;
        of_plain.push(first_request(&mut plain, "plain", name, Instant::now())?);
        sleep(APART).await;
        let service = Service::new(&format!("new-{change}"), vec![address]);
        etcd.put_all(Platform::pairs(&service, PREFIX)).await?;
        of_services.push(first_request(&mut services, &service.host, name, Instant::now())?);
    }
    let mut row = |what: &str, figure: fn(&mut [f64]) -> f64| {
        let (plain, services) = (figure(&mut of_plain), figure(&mut of_services));
        let later = services - plain;
        let what = format!("ms from etcd's acknowledgment to the first request ({what})");
        table.row(&what, format!("{plain:.2}"), format!("{services:.2}"), format!("{later:+.2}"));
        later
    };
    row("99 of 100", |times| percentile(times, 0.99));
    let later = row("median", median);
    table.aim(&format!("<= +{LATER}"), later <= LATER);
    Ok(())
}

/// The processor time of a change in all processes of nginx.
async fn changes(
    table: &mut Table,
    plan: &Plan,
    etcd: &Etcd,
    nginx: &Nginx,
    platform: &Platform,
) -> Result<()> {
    let services = platform.services();
    let mut row = |what: &str, plain: f64, figure: f64| {
        let what = format!("ms of processor of all processes {what}");
        let more = figure - plain;
        table.row(&what, format!("{plain:.3}"), format!("{figure:.3}"), format!("{more:+.3}"));
        table.aim(&format!("<= {CHANGE}"), figure <= CHANGE);
    };
    let weight = |change: usize| change % 9 + 2;
    let of_plain = time(plan, nginx, async |change| {
        let address = &services[0].nodes[0];
        let value = format!("{address} weight={}", weight(change));
        etcd.put(format!("{PLAIN}node"), value).await.map(drop)
    })
    .await?;
    let of_node = time(plan, nginx, async |change| {
        let service = &services[change * 7_919 % services.len()];
        let key = format!("{PREFIX}{}/node-0", service.name);
        let value = format!("{} weight={}", service.nodes[0], weight(change));
        etcd.put(key, value).await.map(drop)
    })
    .await?;
    row("for a change of a node", of_plain, of_node);
    let of_plain = time(plan, nginx, async |change| {
        let address = services[change % services.len()].nodes[0].clone();
        etcd.put(format!("{PLAIN}added-{change}"), address).await.map(drop)
    })
    .await?;
    let of_service = time(plan, nginx, async |change| {
        let address = services[change % services.len()].nodes[0].clone();
        let service = Service::new(&format!("added-{change}"), vec![address]);
        etcd.put_all(Platform::pairs(&service, PREFIX)).await.map(drop)
    })
    .await?;
    row("for a new node, and a new host and service", of_plain, of_service);
    Ok(())
}

/// The processor time of one of many changes, without that of as long a time in which nothing
/// happens, in milliseconds.
async fn time(
    plan: &Plan,
    nginx: &Nginx,
    mut change: impl AsyncFnMut(usize) -> Result<()>,
) -> Result<f64> {
    sleep(SETTLED).await;
    let before = spent(nginx.master())?;
    sleep(plan.idle).await;
    let idle = (spent(nginx.master())? - before).as_secs_f64() / plan.idle.as_secs_f64();
    let (before, began) = (spent(nginx.master())?, Instant::now());
    for number in 0..plan.changes {
        change(number).await?;
        sleep(APART).await;
    }
    sleep(SETTLED).await;
    let taken = (spent(nginx.master())? - before).as_secs_f64();
    let taken = taken - idle * began.elapsed().as_secs_f64();
    Ok(taken.max(0.0) * 1e3 / plan.changes as f64)
}
