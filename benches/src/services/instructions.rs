//! Instructions of a request that goes to a service by name, with few services and with many.
//!
//! One nginx under callgrind has an upstream of its own, and two whose groups are named by maps: of
//! few hosts, and of many. It is a single process, which has the watcher from its start to its end.
//! Another one has as many static upstreams and a `map`.

use std::path::Path;
use std::process::Command;

use harness::{
    Configuration, Etcd, Folder, Mode, Nginx, Result, UPSTREAM, cluster, ensure, eventually,
    free_port,
};
use serde::{Deserialize, Serialize};

use super::configuration::{self, zone};
use super::platform::{Platform, ROUTES, name};
use super::proxy::TEMPORARY;
use super::rounds::DEADLINE;
use crate::callgrind::between_marks;
use crate::client::Client;
use crate::counting::{WARM_UP, under_callgrind};
use crate::farm::{Farm, allow_descriptors};
use crate::neighbours::Program;
use crate::neighbours::process::Process;
use crate::part::Part;
use crate::plan::Plan;
use crate::table::Table;

/// Nodes of each service: what is compared with is an upstream of as many.
const NODES: usize = 2;
/// Services where there are few.
const FEW: usize = 10;
/// Times that requests are counted: the fewest instructions are those without a line that is logged
/// or a clock that ticks meanwhile.
const TIMES: usize = 3;
/// Aimed at: instructions above those of an upstream of its own.
const MORE: f64 = 300.0;
/// Aimed at: the figure with many services, as a multiple of that with few.
const SAME: f64 = 1.02;

/// Instructions of a request.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Cost {
    /// All.
    pub all: f64,
    /// Of the module's own code.
    pub module: f64,
}

/// The fewest instructions of a request to these hosts by turns.
fn count(folder: &Path, process: i32, address: &str, hosts: &[String]) -> Result<Cost> {
    let mut client = Client::open(address)?;
    let ask = |client: &mut Client, count: usize| -> Result<()> {
        let mut numbers = (0..count).map(|number| number * 7_919 % hosts.len());
        numbers.try_for_each(|number| client.get_from(&hosts[number]).map(drop))
    };
    let requests = crate::gate::REQUESTS;
    ask(&mut client, WARM_UP)?;
    let mut least: Option<Cost> = None;
    for _ in 0..TIMES {
        client.get("/worker")?;
        // Between this one and the one before there is nothing but the answer to the mark itself.
        client.get("/worker")?;
        ask(&mut client, requests)?;
        client.get("/worker")?;
        let profile = between_marks(folder, process)?;
        let each = |count: f64| count / requests as f64;
        let cost = Cost { all: each(profile.steady()), module: each(profile.module) };
        least = Some(least.map_or(cost, |least| Cost {
            all: least.all.min(cost.all),
            module: least.module.min(cost.module),
        }));
    }
    Ok(least.ok_or("nothing was counted")?)
}

fn hosts(platform: &Platform) -> Vec<String> {
    platform.services().iter().map(|service| service.host.clone()).collect()
}

/// Counts requests to an upstream of its own, to few services, and to many.
///
/// # Errors
///
/// Where something could not be counted.
pub async fn count_ours(services: usize, folder: &Path) -> Result<[Cost; 3]> {
    allow_descriptors()?;
    let farm = Farm::waiting()?;
    let platforms = [1, FEW, services].map(|count| Platform::of(count, NODES, farm.port()));
    let etcd = Etcd::start().await?;
    let (mut http, mut ports) = (String::new(), Vec::new());
    for (number, platform) in platforms.iter().enumerate() {
        let (nodes, routes) = (format!("/nodes-{number}/"), format!("/{number}{ROUTES}"));
        etcd.put_all(platform.all_pairs(&nodes).map(|(key, value)| {
            // Each map has routes of its own.
            let key =
                key.strip_prefix(ROUTES).map_or(key.clone(), |host| format!("{routes}{host}"));
            (key, value)
        }))
        .await?;
        let port = free_port()?;
        ports.push(port);
        let (upstream, group) = if number == 0 {
            (UPSTREAM.to_owned(), String::new())
        } else {
            let map = zone(platform.services().len());
            http += &format!("etcd_map $host $service_{number} main {routes} hostnames {map};\n");
            (format!("services_{number}"), format!("etcd_group $service_{number};"))
        };
        let zone = zone(NODES * platform.services().len());
        http += &format!("upstream {upstream} {{ etcd main {nodes} {zone}; {group} }}\n");
        http += &configuration::server(port, &upstream);
    }
    let configuration = Configuration::new()
        .mode(Mode::Single)
        .workers(1)
        .http(&cluster("main", &etcd.url()))
        .http(&http);
    let nginx = Nginx::start(configuration).await?;
    let address = |number: usize| format!("127.0.0.1:{}", ports[number]);
    for (number, platform) in platforms.iter().enumerate() {
        let last = platform.services().last().ok_or("no service")?;
        eventually(DEADLINE, "the services", async || {
            super::proxy::ask(&address(number), &last.host)
        })
        .await?;
    }
    let count =
        |number: usize| count(folder, nginx.master(), &address(number), &hosts(&platforms[number]));
    let found = [count(0)?, count(1)?, count(2)?];
    nginx.check_log()?;
    Ok(found)
}

/// Counts requests to as many static upstreams behind a `map`.
///
/// # Errors
///
/// Where something could not be counted.
pub async fn count_static(services: usize, folder: &Path) -> Result<Cost> {
    allow_descriptors()?;
    let farm = Farm::waiting()?;
    let platform = Platform::of(services, NODES, farm.port());
    let port = free_port()?;
    let nginx = Folder::new("static")?;
    // The size of maps must be said before the first one, and the harness's server has one.
    let text = configuration::nginx(&platform, port, ["master_process off;", TEMPORARY])?;
    nginx.write("nginx.conf", &text)?;
    let mut command = Command::new(Program::Nginx.path()?);
    command.arg("-p").arg(nginx.path()).args(["-c", "nginx.conf"]);
    let mut process = Process::start(command, nginx.path())?;
    let (address, hosts) = (format!("127.0.0.1:{port}"), hosts(&platform));
    // It looks through all upstreams for each that it reads.
    eventually(DEADLINE, "nginx answers", async || {
        ensure!(process.runs()?, "it has ended: {}", process.last_line());
        super::proxy::ask(&address, &hosts[0])
    })
    .await?;
    count(folder, process.pid()?, &address, &hosts)
}

/// Counts each in an nginx of its own.
///
/// # Errors
///
/// Where something could not be counted.
pub fn measure(plan: &Plan) -> Result<Table> {
    let services = plan.services.last().copied().unwrap_or_default();
    let title = format!(
        "User-space instructions of a request to a host of many, {NODES} nodes in each service, \
         the last one {} (callgrind; a single process with the watcher)",
        name(services - 1)
    );
    let mut table = Table::new(&title, ["own upstream", "by name", "difference"]);
    let [own, few, many]: [Cost; 3] =
        under_callgrind(true, None, |folder| Part::ServiceInstructions { services, folder })?;
    let mut row = |what: &str, other: f64, figure: f64| {
        let more = figure - other;
        table.row(what, format!("{other:.0}"), format!("{figure:.0}"), format!("{more:+.0}"));
    };
    row(&format!("{FEW} services, all code"), own.all, few.all);
    row(&format!("{FEW} services, the module's own"), own.module, few.module);
    row(&format!("{services} services, the module's own"), own.module, many.module);
    row(&format!("{services} services, all code"), own.all, many.all);
    table.aim(&format!("<= +{MORE}"), many.all - own.all <= MORE);
    let ratio = many.all / few.all;
    let [few, many] = [few.all, many.all].map(|figure| format!("{figure:.0}"));
    let what = format!("all code, {FEW} services (left) and {services}");
    table.row(&what, few, many.clone(), format!("{ratio:.4}"));
    table.aim(&format!("the same (<= {SAME})"), ratio <= SAME);
    let fixed: Cost =
        under_callgrind(true, None, |folder| Part::StaticInstructions { services, folder })?;
    let what = format!("all code, {services} static upstreams and a map (left), and by name");
    let ratio = many.parse::<f64>()? / fixed.all;
    table.row(&what, format!("{:.0}", fixed.all), many, format!("{ratio:.4}"));
    Ok(table)
}
