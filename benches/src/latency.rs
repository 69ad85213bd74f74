//! The time from a change in etcd to the workers that show it.

use std::time::Instant;

use harness::{Mode, Result};

use crate::backend::Backend;
use crate::client::Client;
use crate::fleet::Fleet;
use crate::observers::{Observers, Sign};
use crate::plan::Plan;
use crate::setup::{Setup, peer_key};
use crate::statistics::{median, percentile};
use crate::table::Table;

/// Workers: several, so that "the last" means something, and more than processors on a small
/// machine.
const WORKERS: usize = 4;
/// Aimed at: the most that the last worker may be behind the bare watch at the median, in
/// milliseconds.
const AIM: f64 = 1.0;

/// A change of the peers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Put,
    Delete,
}

/// The changes of one kind: their numbers, and when they were asked for.
type Asked = Vec<(i64, Instant)>;

/// nginx, etcd, and those who look.
struct Scene {
    setup: Setup,
    observers: Observers,
    backend: Backend,
    /// The number of the last change.
    last: i64,
}

impl Scene {
    /// `peer` is where the keys lead; `directives` stand in the upstream.
    async fn start(peer: Backend, sign: Sign, directives: &str) -> Result<Self> {
        let setup = Setup::live(&Fleet::plain(0), 0, Mode::Foreground, WORKERS, directives).await?;
        let mut clients = Vec::new();
        for worker in setup.nginx.workers()? {
            clients.push(Client::open_to(worker, &setup.address, "/worker")?);
        }
        // The list is there before the first change: what is timed is the watch.
        setup.nginx.applied(setup.etcd()?.revision().await?).await?;
        let observers = Observers::start(setup.etcd()?, clients, sign).await?;
        Ok(Self { setup, observers, backend: peer, last: 0 })
    }

    async fn make(&mut self, change: Change, number: usize) -> Result<(i64, Instant)> {
        let (etcd, key) = (self.setup.etcd()?, peer_key(number));
        let began = Instant::now();
        match change {
            Change::Put => etcd.put(key, self.backend.address().to_string()).await?,
            Change::Delete => etcd.delete(&key).await?,
        };
        self.last += 1;
        Ok((self.last, began))
    }

    /// Makes changes, each only when all have seen the one before.
    async fn alone(&mut self, changes: impl Iterator<Item = (Change, usize)>) -> Result<Asked> {
        let mut asked = Vec::new();
        for (change, number) in changes {
            asked.push(self.make(change, number).await?);
            self.observers.wait_for(self.last)?;
        }
        Ok(asked)
    }

    /// Makes changes one after the other as fast as etcd takes them.
    async fn following(&mut self, changes: impl Iterator<Item = (Change, usize)>) -> Result<Asked> {
        let mut asked = Vec::new();
        for (change, number) in changes {
            asked.push(self.make(change, number).await?);
        }
        self.observers.wait_for(self.last)?;
        Ok(asked)
    }

    /// Adds the rows of these changes.
    fn report(&self, table: &mut Table, what: &str, asked: &[(i64, Instant)]) {
        let times: Vec<[f64; 3]> =
            asked.iter().map(|&(change, began)| self.observers.times(change, began)).collect();
        let column = |index: usize| times.iter().map(|three| three[index]).collect::<Vec<_>>();
        let [mut bare, mut first, mut last] = [column(0), column(1), column(2)];
        let show = |values: &mut Vec<f64>| (median(values), percentile(values, 0.99));
        let (bare, first, last) = (show(&mut bare), show(&mut first), show(&mut last));
        let cell = |(middle, high): (f64, f64)| format!("{middle:.2} / {high:.2}");
        table.row(
            &format!("{what}: first worker"),
            cell(bare),
            cell(first),
            format!("{:+.2}", first.0 - bare.0),
        );
        table.row(
            &format!("{what}: last worker"),
            cell(bare),
            cell(last),
            format!("{:+.2}", last.0 - bare.0),
        );
        table.aim(&format!("<= {AIM:+}"), last.0 - bare.0 <= AIM);
    }
}

/// Times changes, alone and following each other.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "From a change to {WORKERS} workers that show it, in ms, median / 99th percentile of \
             {} changes",
            plan.changes
        ),
        ["bare watch", "nginx", "at the median"],
    );
    let all = 0..plan.changes;
    let puts = || all.clone().map(|number| (Change::Put, number));
    let deletes = || all.clone().map(|number| (Change::Delete, number));

    let mut scene = Scene::start(Backend::start("a")?, Sign::Revision, "").await?;
    let asked = scene.alone(puts()).await?;
    scene.report(&mut table, "put, alone, $etcd_revision", &asked);
    let asked = scene.alone(deletes()).await?;
    scene.report(&mut table, "delete, alone, $etcd_revision", &asked);
    let asked = scene.following(puts()).await?;
    scene.report(&mut table, "puts that follow each other, $etcd_revision", &asked);
    let asked = scene.following(deletes()).await?;
    scene.report(&mut table, "deletes that follow each other, $etcd_revision", &asked);
    scene.setup.check()?;
    drop(scene);

    // The node is the only peer that is no backup: while its key is there, every request goes to
    // it, and none when it is not. The last request there is taken to be as late as the first
    // answer of the other, so the figure errs to the long side.
    let other = Backend::start("b")?;
    let backup = format!("server {} backup;", other.address());
    let mut scene = Scene::start(Backend::start("a")?, Sign::Node, &backup).await?;
    let by_turns = all.clone().flat_map(|_| [(Change::Put, 0), (Change::Delete, 0)]);
    let asked = scene.alone(by_turns).await?;
    let of = |turn: usize| asked.iter().skip(turn).step_by(2).copied().collect::<Vec<_>>();
    scene.report(&mut table, "put, alone, first request at the node", &of(0));
    scene.report(&mut table, "delete, alone, last request at the node", &of(1));
    scene.setup.check()?;
    Ok(table)
}
