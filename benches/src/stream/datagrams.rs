//! Datagrams at a pace while nodes come and go.

use std::time::{Duration, Instant};

use harness::{
    DatagramLoad, DatagramNode, DatagramReport, Mode, Result, ensure, eventually, free_port,
};

use super::setup::{SESSIONS, Start, StreamSetup};
use crate::farm::allow_descriptors;
use crate::fleet::Fleet;
use crate::method::Method;
use crate::plan::Plan;
use crate::setup::{filled, peer_key};
use crate::table::Table;

/// Nodes.
const NODES: usize = 20;
/// Datagrams a second.
const RATE: u32 = 10_000;
/// Aimed at: the least share of that which is sent, without which the loss says little.
const LEAST: f64 = 0.95;
/// Datagrams that are under way at the same time: fewer than fit in the socket of a worker.
const CLIENTS: usize = 200;
/// Workers.
const WORKERS: usize = 2;
/// Longer than the kernel remembers a datagram.
const TRACKED: Duration = Duration::from_secs(200);
/// A datagram is a session, which its answer ends.
const SERVER: [&str; 2] = ["udp", "proxy_responses 1; proxy_timeout 5s;"];

/// Datagrams with one kind of servers.
#[derive(Default)]
struct Totals {
    sent: u64,
    lost: u64,
    time: Duration,
}

impl Totals {
    fn add(&mut self, report: &DatagramReport) {
        self.sent += report.sent;
        self.lost += report.lost;
        self.time += report.time;
    }

    fn rate(&self) -> f64 {
        self.sent as f64 / self.time.as_secs_f64()
    }
}

/// Removes nodes one after the other, and adds them again, until the time is over. Gives the
/// changes.
async fn change(started: &StreamSetup, nodes: &[DatagramNode], time: Duration) -> Result<u64> {
    let (etcd, nginx) = (started.setup.etcd()?, &started.setup.nginx);
    let (began, mut changes) = (Instant::now(), 0);
    for (number, node) in nodes.iter().enumerate().cycle() {
        if began.elapsed() > time {
            break;
        }
        let revision = etcd.delete(&peer_key(number)).await?;
        nginx.applied_to(SESSIONS, revision).await?;
        node.leave();
        // Datagrams for as long as the next change takes.
        let other = (number + nodes.len() / 2) % nodes.len();
        let address = nodes[other].address().to_string();
        let revision =
            etcd.put(peer_key(other), format!("{address} weight={}", 2 + changes % 2)).await?;
        nginx.applied_to(SESSIONS, revision).await?;
        node.join();
        let revision = etcd.put(peer_key(number), node.address().to_string()).await?;
        nginx.applied_to(SESSIONS, revision).await?;
        changes += 3;
    }
    Ok(changes)
}

/// Waits until the kernel has room to track the connections of a measurement, where it tracks any:
/// a datagram for which there is none is refused.
async fn room(plan: &Plan) -> Result<()> {
    let number = |name: &str| -> Result<u64> {
        let path = format!("/proc/sys/net/netfilter/nf_conntrack_{name}");
        Ok(std::fs::read_to_string(path)?.trim().parse()?)
    };
    let (Ok(most), Ok(_)) = (number("max"), number("count")) else { return Ok(()) };
    let needed = (f64::from(RATE) * plan.datagram_time.as_secs_f64() * 1.2) as u64;
    eventually(TRACKED, "room for tracked connections", async || {
        let count = number("count")?;
        ensure!(count + needed <= most, "{count} of {most} are tracked");
        Ok(())
    })
    .await
}

/// Sends datagrams through stock servers and through those of etcd, by turns.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    allow_descriptors()?;
    let fleet = Fleet { is_distinct: true, ..Fleet::of(NODES, Method::RoundRobin) };
    let port = free_port()?;
    let mut nodes = Vec::new();
    for number in 0..NODES {
        nodes.push(DatagramNode::start(fleet.address(number, port).parse()?).await?);
    }
    let start = Start { workers: WORKERS, server: SERVER, ..Start::plain(Mode::Foreground) };
    let fixed = StreamSetup::fixed(&fleet, port, &start).await?;
    let live = StreamSetup::live(&fleet, filled(&fleet, port).await?, &start).await?;
    let (mut of_fixed, mut of_live, mut changes) = (Totals::default(), Totals::default(), 0);
    for _ in 0..plan.throughput_rounds {
        room(plan).await?;
        let load = DatagramLoad::start(&fixed.sessions, RATE, CLIENTS)?;
        tokio::time::sleep(plan.datagram_time).await;
        of_fixed.add(&load.stop().await?);
        room(plan).await?;
        let load = DatagramLoad::start(&live.sessions, RATE, CLIENTS)?;
        changes += change(&live, &nodes, plan.datagram_time).await?;
        of_live.add(&load.stop().await?);
    }
    fixed.setup.check()?;
    live.setup.check()?;
    ensure!(changes > 0, "no change was made");
    let late: u64 = nodes.iter().map(DatagramNode::late).sum();
    let seconds = of_live.time.as_secs_f64();
    let mut table = Table::new(
        &format!(
            "Datagrams to {NODES} nodes, {RATE} a second, each a session, {CLIENTS} under way at \
             most; with etcd {:.0} changes a second",
            changes as f64 / seconds
        ),
        ["static", "etcd", ""],
    );
    let [fixed_rate, live_rate] = [&of_fixed, &of_live].map(Totals::rate);
    let row = |table: &mut Table, what: &str, fixed: String, live: String| {
        table.row(what, fixed, live, String::new());
    };
    row(&mut table, "datagrams a second", format!("{fixed_rate:.0}"), format!("{live_rate:.0}"));
    let least = LEAST * f64::from(RATE);
    table.aim(&format!(">= {least:.0}"), live_rate >= least);
    row(&mut table, "datagrams", of_fixed.sent.to_string(), of_live.sent.to_string());
    row(&mut table, "of them lost", of_fixed.lost.to_string(), of_live.lost.to_string());
    let share = |totals: &Totals| totals.lost as f64 / totals.sent as f64;
    table.aim("no more than static", share(&of_live) <= share(&of_fixed));
    row(
        &mut table,
        "to a node that was removed when they were sent",
        String::new(),
        late.to_string(),
    );
    table.aim("0", late == 0);
    Ok(table)
}
