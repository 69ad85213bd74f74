//! What a change costs all processes of nginx together, and what a peer takes of the zone.

use std::time::Duration;

use harness::{Mode, Nginx, PREFIX, Result, UPSTREAM, ensure, eventually};

use crate::fleet::Fleet;
use crate::method::Method;
use crate::plan::Plan;
use crate::setup::{Setup, peer_key};
use crate::table::Table;
use crate::throughput::time_of;

/// Those whose tables differ: a plan alone, ranges of weights, points on a ring.
pub const METHODS: [Method; 3] = [Method::RoundRobin, Method::Hash, Method::HashConsistent];
/// Workers, each of which learns of a change.
const WORKERS: usize = 4;
/// Any port: no request is made.
const PORT: u16 = 80;
/// Aimed at: the processor time of a change, in milliseconds.
const TIME: f64 = 5.0;
/// Aimed at: the most bytes of zone for a peer with an IPv4 address.
const BYTES: f64 = 512.0;
/// How long a change may take to be applied.
const APPLIED: Duration = Duration::from_secs(60);

/// What is changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Weight,
    Leaves,
    Joins,
}

fn time_of_all(nginx: &Nginx) -> Result<Duration> {
    let processes = nginx.workers()?.into_iter().chain([nginx.master()]);
    processes.map(time_of).sum()
}

/// By the log, so that nothing is asked of nginx.
async fn applied(nginx: &Nginx, revision: i64) -> Result<()> {
    eventually(APPLIED, &format!("revision {revision}"), async || {
        let has_come = nginx
            .log_lines(&format!(", revision {revision}"))
            .iter()
            .any(|line| line.contains(" peers (+"));
        has_come.then_some(()).ok_or_else(|| "not yet".into())
    })
    .await
}

/// The processor time of a change, in milliseconds.
async fn make(setup: &Setup, fleet: &Fleet, change: Change, changes: usize) -> Result<f64> {
    let etcd = setup.etcd()?;
    let before = time_of_all(&setup.nginx)?;
    for number in 0..changes {
        let (key, address) = (peer_key(number * 7), fleet.address(number * 7, PORT));
        let revision = match change {
            Change::Weight => etcd.put(key, format!("{address} weight=2")).await?,
            Change::Leaves => etcd.delete(&key).await?,
            Change::Joins => etcd.put(key, address).await?,
        };
        applied(&setup.nginx, revision).await?;
    }
    Ok((time_of_all(&setup.nginx)? - before).as_secs_f64() * 1e3 / changes as f64)
}

/// Measures both for each kind of table.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    let peers = plan.changing;
    let mut table = Table::new(
        &format!(
            "One change among {peers} peers ({WORKERS} workers; master, workers and watcher \
             together), and memory"
        ),
        ["", "etcd", ""],
    );
    for method in METHODS.into_iter().filter(|method| plan.methods.contains(method)) {
        let fleet = Fleet { is_distinct: true, ..Fleet::of(peers, method) };
        let setup = Setup::live(&fleet, PORT, Mode::Foreground, WORKERS, "").await?;
        let status = setup.nginx.status().await?;
        let used = status.upstreams.get(UPSTREAM).ok_or("no upstream")?.zone.used;
        for (what, change) in
            [("of weight", Change::Weight), ("leaves", Change::Leaves), ("joins", Change::Joins)]
        {
            let time = make(&setup, &fleet, change, plan.changes).await?;
            table.row(
                &format!("{}: ms of processor, {what}", method.name()),
                String::new(),
                format!("{time:.2}"),
                String::new(),
            );
            table.aim(&format!("< {TIME}"), time < TIME);
        }
        let bytes = used as f64 / peers as f64;
        table.row(
            &format!("{}: bytes of zone per peer", method.name()),
            String::new(),
            format!("{bytes:.0}"),
            String::new(),
        );
        table.aim(&format!("<= {BYTES}"), bytes <= BYTES);
        setup.check()?;
        ensure!(setup.nginx.workers()?.len() == WORKERS, "{PREFIX}: a worker has ended");
    }
    Ok(table)
}
