//! Sessions per second, and processor time of a session.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use harness::{Mode, Result, SOON, ensure};

use super::METHODS;
use super::setup::{Start, StreamSetup};
use crate::count::FEW;
use crate::farm::{Farm, allow_descriptors};
use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::setup::filled;
use crate::statistics::median;
use crate::table::Table;
use crate::throughput::{CONNECTIONS, Column, Figures, load_by, worker};

/// The numbers of peers that are measured.
const PEERS: [usize; 3] = [FEW, 1_000, 10_000];
/// What a client sends: the farm answers it, and closes.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// A session that the peer ends after its answer, as a client whose number is new.
fn ask(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(REQUEST)?;
    let (mut buffer, mut filled) = ([0; 1024], 0);
    loop {
        match stream.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    let answer = &buffer[..filled];
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "answered: {}", answer.escape_ascii());
    Ok(())
}

/// Sessions until `time` is over.
fn load(started: &StreamSetup, time: Duration) -> Result<Figures> {
    let address: SocketAddr = started.sessions.parse()?;
    let clients = (0..CONNECTIONS).map(|_| move |_| ask(address)).collect();
    load_by(clients, worker(&started.setup)?, time, 1)
}

/// Compares static with etcd for each method at each number of peers.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "Sessions of stream through one worker, {CONNECTIONS} at the same time, medians of {} \
             rounds (shares the machine with load and peers)",
            plan.throughput_rounds
        ),
        ["static", "etcd", "ratio"],
    );
    allow_descriptors()?;
    for method in METHODS.into_iter().filter(|method| plan.methods.contains(method)) {
        for peers in PEERS.into_iter().filter(|peers| plan.peers.contains(peers)) {
            compare(&mut table, plan, &Fleet::of(peers, method)).await?;
        }
    }
    Ok(table)
}

/// Rows of a fleet: rounds of both by turns, so that what else the machine does hits both.
async fn compare(table: &mut Table, plan: &Plan, fleet: &Fleet) -> Result<()> {
    let (farm, start) = (Farm::start()?, Start::plain(Mode::Foreground));
    let live = StreamSetup::live(fleet, filled(fleet, farm.port()).await?, &start).await?;
    let fixed = StreamSetup::fixed(fleet, farm.port(), &start).await?;
    let setups = [fixed, live];
    for setup in &setups {
        load(setup, Duration::from_millis(100))?;
    }
    let mut rounds: [Vec<Figures>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..plan.throughput_rounds {
        for (setup, figures) in setups.iter().zip(&mut rounds) {
            figures.push(load(setup, plan.throughput_time)?);
        }
    }
    for setup in &setups {
        setup.setup.check()?;
    }
    let name = format!("{}, {} peers", fleet.method.name(), fleet.peers);
    let columns: [Column; 2] = [
        ("sessions per second", |figures| figures.per_second, 0),
        ("µs of processor per session", |figures| figures.time_per_request, 1),
    ];
    for (what, figure, digits) in columns {
        let [mut fixed, mut live] =
            rounds.each_ref().map(|figures| figures.iter().map(figure).collect::<Vec<_>>());
        let mut ratios: Vec<f64> =
            live.iter().zip(&fixed).map(|(live, fixed)| live / fixed).collect();
        let [fixed, live] =
            [&mut fixed, &mut live].map(|values| format!("{:.digits$}", median(values)));
        let ratio = format!("{:.3}", median(&mut ratios));
        table.row(&format!("{what}, {name}"), fixed, live, ratio);
    }
    Ok(())
}
