//! Services by name beside the same nginx with an `upstream` for each and a `map`, HAProxy and
//! Envoy.

use std::time::{Duration, Instant};

use harness::{Result, ensure};
use tokio::time::sleep;

use super::platform::{NODES, Platform, Service};
use super::proxy::{Proxy, ask};
use crate::backend::Backend;
use crate::farm::{Farm, allow_descriptors};
use crate::neighbours::{
    Figures, Program, Row, first_line, leave_first_processor, load, measure_apart, render,
};
use crate::part::Part;
use crate::plan::Plan;
use crate::statistics::median;

/// The programs that are compared.
const PROGRAMS: [Program; 4] = [Program::Ours, Program::Nginx, Program::Haproxy, Program::Envoy];
/// Hosts that requests go to: a connection to each node of all of them would be more than the
/// machine has descriptors.
const ASKED: usize = 1_000;
/// After a start or a change, until all of its work is done.
const SETTLED: Duration = Duration::from_secs(2);
/// From an answer to the next change: nothing is summed up.
const APART: Duration = Duration::from_millis(50);
/// For how long changes are made at most: some take seconds each.
const LONGEST: Duration = Duration::from_secs(30);
/// How long a new service may take until it has a request.
const ARRIVED: Duration = Duration::from_secs(60);

/// How a program takes a new service.
fn way(program: Program) -> &'static str {
    match program {
        Program::Ours => "keys in etcd",
        Program::Nginx | Program::Haproxy => "a reload",
        Program::Envoy => "CDS and RDS in files",
        Program::Caddy => "not measured",
    }
}

/// The name of a row at a number of services.
type Name = fn(usize) -> String;

fn ready(services: usize) -> String {
    format!("ms from the start to the first request, {services} services")
}

fn memory(services: usize) -> String {
    format!("MiB of memory, {services} services")
}

fn memory_of_etcd(services: usize) -> String {
    format!("MiB of memory of etcd, {services} services")
}

fn per_request(services: usize) -> String {
    format!("µs of processor a request, {services} services")
}

fn per_service(services: usize) -> String {
    format!("ms of processor for a new host and service, {services} services")
}

fn delay(services: usize) -> String {
    format!("ms until it answers its first request (median), {services} services")
}

fn after(services: usize) -> String {
    format!("MiB of memory after these, {services} services")
}

/// The rows, in their order.
fn rows(plan: &Plan) -> Vec<Row> {
    let rows: [(Name, usize); 7] = [
        (ready, 0),
        (memory, 1),
        (memory_of_etcd, 1),
        (per_request, 1),
        (per_service, 2),
        (delay, 2),
        (after, 1),
    ];
    rows.into_iter()
        .flat_map(|(name, digits)| plan.services.iter().map(move |&size| (name(size), digits)))
        .map(|(name, digits)| Row { name, is_more_better: false, digits })
        .collect()
}

/// Measures all programs, and gives the table in Markdown.
///
/// # Errors
///
/// Where not even a process can be started.
pub fn measure_all(plan: &Plan) -> Result<String> {
    let columns = PROGRAMS.map(|program| {
        (program, way(program), measure_apart(program, &Part::ServicesBeside { program }))
    });
    Ok(render(&rows(plan), &columns))
}

/// Measures one program with all numbers of services.
///
/// # Errors
///
/// Where the machine cannot be prepared.
pub async fn measure(program: Program, plan: &Plan) -> Result<Figures> {
    allow_descriptors()?;
    leave_first_processor()?;
    let mut figures = Figures::new();
    for &services in &plan.services {
        if let Err(error) = of_size(program, plan, services, &mut figures).await {
            let reason = first_line(&error.to_string());
            let missing = rows(plan).into_iter().map(|row| row.name);
            if let Some(name) = missing
                .filter(|name| name.contains(&format!(" {services} services")))
                .find(|name| !figures.contains_key(name))
            {
                figures.insert(name, Err(reason));
            }
        }
    }
    Ok(figures)
}

async fn of_size(
    program: Program,
    plan: &Plan,
    services: usize,
    figures: &mut Figures,
) -> Result<()> {
    let farm = Farm::start()?;
    let platform = Platform::of(services, NODES, farm.port());
    let mut take = |name: String, figure: f64| figures.insert(name, Ok(figure));
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut times = Vec::new();
    for _ in 1..plan.counted_starts {
        let proxy = Proxy::start(program, platform.clone()).await?;
        times.push(proxy.ready.as_secs_f64() * 1e3);
    }
    let mut proxy = Proxy::start(program, platform.clone()).await?;
    times.push(proxy.ready.as_secs_f64() * 1e3);
    take(ready(services), median(&mut times));
    sleep(SETTLED).await;
    take(memory(services), mebibytes(proxy.memory()?));
    take(memory_of_etcd(services), mebibytes(proxy.memory_of_etcd()?));
    let step = services.div_ceil(ASKED);
    let hosts: Vec<_> =
        platform.services().iter().step_by(step).map(|service| service.host.as_str()).collect();
    load(&proxy.address(), &hosts, Duration::ZERO, hosts.len() as u64)?;
    let before = proxy.spent()?;
    let loaded = load(&proxy.address(), &hosts, plan.neighbour_time, 1)?;
    let spent = (proxy.spent()? - before).as_secs_f64();
    ensure!(loaded.failed == 0.0, "{} requests have failed", loaded.failed);
    take(per_request(services), spent * 1e6 / loaded.answered);
    let [spent, until_first] = new_services(&mut proxy, plan).await?;
    take(per_service(services), spent);
    take(delay(services), until_first);
    take(after(services), mebibytes(proxy.memory()?));
    Ok(())
}

/// Adds services one by one: the processor time of each in all processes of the proxy, in
/// milliseconds, and the median of the time until it answers.
async fn new_services(proxy: &mut Proxy, plan: &Plan) -> Result<[f64; 2]> {
    let backend = Backend::start("new")?;
    sleep(SETTLED).await;
    let before = proxy.spent()?;
    sleep(SETTLED).await;
    let idle = (proxy.spent()? - before).as_secs_f64() / SETTLED.as_secs_f64();
    let (before, began) = (proxy.spent()?, Instant::now());
    let (mut times, mut asked) = (Vec::new(), 0);
    while times.len() < plan.neighbour_changes && began.elapsed() < LONGEST {
        let name = format!("new-{}", times.len());
        let service = Service::new(&name, vec![backend.address().to_string()]);
        let host = service.host.clone();
        sleep(APART).await;
        let since = proxy.add(service).await?;
        loop {
            asked += 1;
            match ask(&proxy.address(), &host) {
                Ok(answer) if answer == "new" => break,
                Ok(answer) => return Err(format!("{host} is answered by {answer:?}").into()),
                Err(error) => {
                    let said = proxy.last_line();
                    ensure!(since.elapsed() < ARRIVED, "{host}: {error} ({said})");
                }
            }
            // What it takes to answer these counts.
            sleep(pause(since.elapsed())).await;
        }
        times.push(since.elapsed().as_secs_f64() * 1e3);
    }
    sleep(SETTLED).await;
    let spent = (proxy.spent()? - before).as_secs_f64() - idle * began.elapsed().as_secs_f64();
    let each = spent.max(0.0) * 1e3 / times.len() as f64;
    ensure!(asked >= times.len(), "nothing was asked");
    Ok([each, median(&mut times)])
}

/// How long to wait for the next request: a part of the time so far, so that the requests cost
/// little beside what they wait for.
fn pause(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(Duration::from_micros(50), Duration::from_millis(20))
}
