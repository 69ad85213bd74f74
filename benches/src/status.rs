//! What a status of many peers does to the event loop of the worker that answers: the longest time
//! for which it answers nobody else.
//!
//! The time for which the worker or the client waits for a processor is taken off: what else the
//! machine does is no step of the event loop. What a hypervisor takes stays.

use std::fs::read_to_string;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use harness::{Mode, Result, SOON, ensure};
use nix::unistd::{Pid, gettid};

use crate::client::Client;
use crate::fleet::Fleet;
use crate::method::Method;
use crate::pauses::favour;
use crate::plan::Plan;
use crate::setup::Setup;
use crate::statistics::longest;
use crate::table::Table;

/// Peers.
const PEERS: usize = 100_000;
/// Where no request goes.
const PORT: u16 = 80;
/// A document is read so often.
const READINGS: usize = 3;
/// A client that has not read all after this time leaves.
const PATIENCE: Duration = Duration::from_secs(2);
/// What clients read at once.
const PART: usize = 64 * 1024;
/// A slow client waits so long after each part.
const SLOWNESS: Duration = Duration::from_millis(5);
/// Aimed at: the longest step of the event loop, in milliseconds.
const AIM: f64 = 1.0;

/// Reads a document; gives how many bytes it has read.
fn read(address: &str, path: &str, is_slow: bool) -> Result<u64> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let (mut buffer, mut count) = (vec![0; PART], 0);
    while began.elapsed() < PATIENCE {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => count += length as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if is_slow {
            sleep(SLOWNESS);
        }
    }
    Ok(count)
}

/// For how long a thread has been ready to run, and has waited for a processor, in nanoseconds: the
/// second number of its `schedstat` in /proc.
fn waited(thread: &str) -> Result<u64> {
    let path = format!("/proc/{thread}/schedstat");
    let text = read_to_string(&path)?;
    let number = text.split(' ').nth(1).and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("{path}: {text}").into())
}

/// The longest answer of a worker's thread on another connection, in milliseconds, while `busy`
/// goes on; and what that gives. The connection is a new one: nginx closes it after a million
/// requests.
fn beside<T: Send>(
    (address, worker): (&str, &str),
    busy: impl FnOnce() -> Result<T> + Send,
) -> Result<(f64, T)> {
    let is_over = AtomicBool::new(false);
    let mut client = Client::open(address)?;
    client.get("/worker")?;
    scope(|scope| {
        let asking = scope.spawn(|| {
            favour(gettid(), 0)?;
            let mut times = Vec::new();
            // At least once, however soon it is over.
            loop {
                let waits = || Ok::<_, harness::Error>(waited(worker)? + waited("thread-self")?);
                let (before, began) = (waits()?, Instant::now());
                client.get("/worker")?;
                let took = began.elapsed();
                let took = took.saturating_sub(Duration::from_nanos(waits()? - before));
                times.push(took.as_secs_f64() * 1e3);
                if is_over.load(Relaxed) {
                    break;
                }
            }
            Ok::<_, harness::Error>(longest(&times))
        });
        let result = busy();
        is_over.store(true, Relaxed);
        let longest = asking.join().map_err(|_| "the client panicked")??;
        Ok((longest, result?))
    })
}

/// Times the answers of the only worker while its status is read.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(_plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "Longest time without an answer of a worker that writes the status of {PEERS} peers, \
             in ms, without what it waits for a processor, in {READINGS} readings; client and \
             event loop each before all others on a processor"
        ),
        ["", "longest", "read"],
    );
    let fleet = Fleet { is_distinct: true, ..Fleet::of(PEERS, Method::RoundRobin) };
    let setup = Setup::live(&fleet, PORT, Mode::Foreground, 1, "").await?;
    let worker = *setup.nginx.workers()?.first().ok_or("no worker")?;
    if !favour(Pid::from_raw(worker), 1)? {
        table.title.push_str(" (NOT ALLOWED HERE: what else the machine does counts too)");
    }
    let status = setup.nginx.address();
    let thread = format!("{worker}/task/{worker}");
    let worker = (&*setup.address, &*thread);
    tokio::task::block_in_place(|| {
        let mut none = Vec::new();
        for _ in 0..READINGS {
            let rest = || {
                sleep(Duration::from_secs(1));
                Ok(())
            };
            none.push(beside(worker, rest)?.0);
        }
        let name = "nobody reads";
        table.row(name, String::new(), format!("{:.3}", longest(&none)), String::new());
        for (format, path) in [
            ("JSON", "/etcd?format=json"),
            ("JSON, no rows", "/etcd?format=json&peers=0"),
            ("Prometheus", "/etcd?format=prometheus"),
            ("OpenMetrics", "/etcd?format=openmetrics"),
            ("HTML", "/etcd?format=html"),
        ] {
            for (who, is_slow) in [("fast", false), ("slow", true)] {
                let mut times = Vec::new();
                let mut read_most = 0;
                for _ in 0..READINGS {
                    let (time, count) = beside(worker, || read(&status, path, is_slow))?;
                    ensure!(count > 0, "no {format}");
                    read_most = read_most.max(count);
                    times.push(time);
                }
                let time = longest(&times);
                let name = format!("{format}, {who} client");
                let read = format!("{:.1} MB", read_most as f64 / 1e6);
                table.row(&name, String::new(), format!("{time:.3}"), read);
                table.aim(&format!("<= {AIM}"), time <= AIM);
            }
        }
        Ok::<_, harness::Error>(())
    })?;
    setup.check()?;
    Ok(table)
}
