//! What open WebSockets cost, and what it costs that they can be drained.

use harness::{
    Configuration, Etcd, Mode, Nginx, Node, OpenSockets, Result, SOON, WebSocket, ensure,
    eventually, key, memory,
};

use crate::count::{AIM, Count, FEW, Steps};
use crate::counting::counted;
use crate::farm::allow_descriptors;
use crate::fleet::Fleet;
use crate::method::Method;
use crate::part::{self, Part, Programs};
use crate::plan::Plan;
use crate::sessions::{DRAIN, PATH, VISITORS, port};
use crate::setup::Setup;
use crate::table::Table;

/// Sessions that are opened and closed before memory is looked at: by then the allocator has taken
/// what it keeps.
const WARM_UP: usize = 50;
/// The configuration whose sessions echo.
const SHIPPED: &str = "firehose.conf";
/// Aimed at: the most of a worker's memory that a session may take, as a multiple of what it takes
/// with static servers.
const MEMORY: f64 = 1.05;
/// Aimed at: the most that a change may cost with sessions open to other peers, as a multiple of
/// its cost with none. The worker's ticks between two changes count too, and there is one more or
/// less of them.
const CHANGE: f64 = 1.1;

/// Bytes of a worker's own memory for each session that is open.
///
/// # Errors
///
/// Where sessions cannot be opened.
pub async fn memory_of_one(plan: &Plan, live: bool) -> Result<f64> {
    allow_descriptors()?;
    let node = Node::start("a").await?;
    let fleet = Fleet { sessions: plan.sessions, ..Fleet::plain(FEW) };
    let setup = if live {
        Setup::live(&fleet, port(&node)?, Mode::Foreground, 1, DRAIN).await?
    } else {
        Setup::fixed(&fleet, port(&node)?, Mode::Foreground).await?
    };
    let worker = *setup.nginx.workers()?.first().ok_or("no worker")?;
    drop(OpenSockets::open(&setup.address, PATH, WARM_UP).await?);
    eventually(SOON, "they are gone", async || {
        let open = node.counts().websockets;
        ensure!(open == 0, "{open} are open");
        Ok(())
    })
    .await?;
    let before = memory(worker)?;
    let open = OpenSockets::open(&setup.address, PATH, plan.sessions).await?;
    let taken = memory(worker)?.saturating_sub(before);
    ensure!(open.count_open() == plan.sessions, "some have ended");
    setup.check()?;
    Ok(taken as f64 / plan.sessions as f64)
}

/// A worker's own memory for each WebSocket that is open and echoes, with `firehose.conf` as it is
/// shipped.
///
/// # Errors
///
/// Where sessions cannot be opened.
pub async fn echoes(plan: &Plan) -> Result<Table> {
    allow_descriptors()?;
    let (etcd, node) = (Etcd::start().await?, Node::start("a").await?);
    etcd.put(key("a"), node.address().to_string()).await?;
    let nginx = Nginx::start(Configuration::shipped(SHIPPED, &etcd)?).await?;
    let address = nginx.address();
    eventually(SOON, "the node serves", async || {
        let answer = nginx.get("/").await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    })
    .await?;
    let open = async |count| -> Result<Vec<WebSocket>> {
        let mut sessions = Vec::new();
        for _ in 0..count {
            let mut session = WebSocket::open(&address, PATH).await?;
            session.echo("a message").await?;
            sessions.push(session);
        }
        Ok(sessions)
    };
    let total = || -> Result<u64> { nginx.workers()?.into_iter().map(memory).sum() };
    drop(open(WARM_UP).await?);
    let before = total()?;
    let mut sessions = open(plan.echoing).await?;
    for session in &mut sessions {
        session.echo("again").await?;
    }
    let taken = total()?.saturating_sub(before) as f64 / plan.echoing as f64;
    nginx.check_log()?;
    let mut table = Table::new("Sessions that echo", ["", "etcd", ""]);
    let what = format!("bytes for an open WebSocket of {} that echo, {SHIPPED}", plan.echoing);
    table.row(&what, String::new(), format!("{taken:.0}"), String::new());
    Ok(table)
}

/// Memory of a session, instructions of a request, and instructions of a change with sessions open
/// and without.
///
/// # Errors
///
/// Where something could not be measured.
pub fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        "Sessions: a worker's own memory for each of those that are open; user-space instructions \
        of the event loop (callgrind)",
        ["without", "with", "ratio"],
    );
    let [stock, ours] =
        [false, true].map(|live| part::run::<f64>(&Part::Memory { live }, &Programs::default()));
    let (stock, ours) = (stock?, ours?);
    table.compare(
        &format!("bytes for an open WebSocket of {}: static, etcd_drain", plan.sessions),
        stock,
        ours,
    );
    table.aim(&format!("<= {MEMORY}"), ours / stock <= MEMORY);
    table.rows.extend(part::run::<Table>(&Part::Echoes, &Programs::default())?.rows);
    requests(&mut table, plan)?;
    changes(&mut table, plan)?;
    Ok(table)
}

/// Rows for a request that is no session.
fn requests(table: &mut Table, plan: &Plan) -> Result<()> {
    let (fleet, steps) = (Fleet::plain(FEW), Steps::Requests(plan.counted_requests));
    let count = |live, drains| -> Result<f64> {
        let found = counted(Count { fleet, live, drains, steps }, plan.counted_starts)?;
        Ok(found.worker()?.instructions)
    };
    let (fixed, plain, drained) = (count(false, false)?, count(true, false)?, count(true, true)?);
    table.compare("per request, 2 peers: static, etcd", fixed, plain);
    table.aim(&format!("<= {AIM}"), plain / fixed <= AIM);
    table.compare("per request, 2 peers: static, etcd_drain", fixed, drained);
    table.aim(&format!("<= {AIM}"), drained / fixed <= AIM);
    table.compare("per request, 2 peers: etcd, etcd_drain", plain, drained);
    Ok(())
}

/// Rows for a change, with and without sessions at other peers than those that change.
fn changes(table: &mut Table, plan: &Plan) -> Result<()> {
    let fleet = Fleet { sessions: plan.counted_sessions, ..Fleet::of(VISITORS, Method::LeastConn) };
    let count = |open| {
        counted(
            Count { fleet, live: true, drains: true, steps: Steps::Drains(open) },
            plan.counted_starts,
        )
    };
    let (none, all) = (count(0)?, count(plan.counted_sessions)?);
    for (who, none, all) in [
        ("a worker", none.other, all.other),
        ("the worker with the watcher", none.watcher, all.watcher),
    ] {
        let (Some(none), Some(all)) = (none, all) else {
            return Err(format!("{who} was not found").into());
        };
        let sessions = plan.counted_sessions;
        table.compare(
            &format!(
                "per drain of {VISITORS} peers, {who}: no other session, {sessions} at others"
            ),
            none.instructions,
            all.instructions,
        );
        table.aim(&format!("<= {CHANGE}"), all.instructions / none.instructions <= CHANGE);
    }
    Ok(())
}
