//! What an open session takes: of a worker's own memory, and of the zone.

use std::net::Ipv4Addr;

use harness::{Mode, Result, memory};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::session::Session;
use super::setup::{SESSIONS, Start, StreamSetup};
use crate::count::FEW;
use crate::farm::allow_descriptors;
use crate::fleet::Fleet;
use crate::part::{self, Part, Programs};
use crate::plan::Plan;
use crate::setup::filled;
use crate::table::Table;
use crate::throughput::worker;

/// Sessions that are opened and closed before memory is looked at: by then the allocator has taken
/// what it keeps.
const WARM_UP: usize = 50;
/// Aimed at: the most of memory that a session may take, as a multiple of what it takes with static
/// servers.
const AIM: f64 = 1.02;
/// Nothing is closed in the time of a measurement.
const SERVER: [&str; 2] = ["backlog=4096", "proxy_timeout 1h;"];
const DRAIN: &str = "etcd_drain timeout=1h spread=10s;";

/// Bytes for each session that is open.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Memory {
    /// Of the worker's own memory.
    pub own: f64,
    /// Of the zone.
    pub zone: f64,
}

/// Opens as many sessions, each with a message in each direction.
async fn open(
    started: &StreamSetup,
    peers: &TcpListener,
    worker: i32,
    count: usize,
) -> Result<Vec<Session>> {
    let mut sessions = Vec::new();
    for number in 0..count {
        let mut session = Session::open(&started.sessions, peers, &[worker], number).await?;
        session.echo().await?;
        sessions.push(session);
    }
    Ok(sessions)
}

/// What an open session takes.
///
/// # Errors
///
/// Where sessions cannot be opened.
pub async fn memory_of_one(plan: &Plan, live: bool) -> Result<Memory> {
    allow_descriptors()?;
    let peers = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    let port = peers.local_addr()?.port();
    let fleet = Fleet { sessions: plan.stream_sessions, ..Fleet::plain(FEW) };
    let start = Start { directives: DRAIN, server: SERVER, ..Start::plain(Mode::Foreground) };
    let started = if live {
        StreamSetup::live(&fleet, filled(&fleet, port).await?, &start).await?
    } else {
        StreamSetup::fixed(&fleet, port, &start).await?
    };
    let worker = worker(&started.setup)?;
    let zone = async || -> Result<u64> {
        if !live {
            return Ok(0);
        }
        let mut status = started.setup.nginx.status().await?;
        let upstream = status.upstreams.remove(SESSIONS).ok_or("not in the status")?;
        Ok(upstream.zone.used)
    };
    for session in open(&started, &peers, worker, WARM_UP).await? {
        session.close().await?;
    }
    let before = (memory(worker)?, zone().await?);
    let sessions = open(&started, &peers, worker, plan.stream_sessions).await?;
    let after = (memory(worker)?, zone().await?);
    for session in sessions {
        session.close().await?;
    }
    started.setup.check()?;
    let each =
        |before: u64, after: u64| after.saturating_sub(before) as f64 / plan.stream_sessions as f64;
    Ok(Memory { own: each(before.0, after.0), zone: each(before.1, after.1) })
}

/// Rows for a session beside one with static servers.
///
/// # Errors
///
/// Where something could not be measured.
pub fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "Memory of a session of stream, of {} that are open and have had a message in each \
             direction",
            plan.stream_sessions
        ),
        ["static", "etcd_drain", "ratio"],
    );
    let [fixed, live] = [false, true]
        .map(|live| part::run::<Memory>(&Part::SessionMemory { live }, &Programs::default()));
    let (fixed, live) = (fixed?, live?);
    table.compare("bytes of a worker's own memory", fixed.own, live.own);
    table.compare("bytes of it and of the zone", fixed.own + fixed.zone, live.own + live.zone);
    table.aim(&format!("<= {AIM}"), (live.own + live.zone) / (fixed.own + fixed.zone) <= AIM);
    Ok(table)
}
