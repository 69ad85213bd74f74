//! How much is measured.

use std::path::PathBuf;
use std::time::Duration;

use harness::{Result, ensure};

use crate::method::{METHODS, Method};

/// The parts of a run, by the names by which they are chosen.
pub const PARTS: [&str; 14] = [
    "instructions",
    "changes",
    "throughput",
    "churn",
    "latency",
    "pauses",
    "status",
    "sessions",
    "fleet",
    "idle",
    "stream",
    "stream-throughput",
    "stream-memory",
    "datagrams",
];

/// Parts that run only where they are named.
pub const MORE_PARTS: [&str; 7] = [
    "certificates",
    "gate",
    "neighbours",
    "services-beside",
    "services-changes",
    "services-instructions",
    "services-rounds",
];

/// The parts that compare two builds, in the order in which they run if none is named.
pub const PARTS_BESIDE: [&str; 8] =
    ["instructions", "stream", "changes", "fleet", "churn", "idle", "sessions", "status"];

/// The amounts. A whole run takes an hour or more, most of it valgrind's.
pub struct Plan {
    /// Whether this is a look.
    pub is_quick: bool,
    /// Which of [`PARTS`].
    pub parts: Vec<String>,
    /// Which methods are compared.
    pub methods: Vec<Method>,
    /// Numbers of peers to compare at, lowest first.
    pub peers: Vec<usize>,
    /// Beyond as many, nginx's own are not measured: it takes minutes to start, and walks them at
    /// each request.
    pub most_static: usize,
    /// Numbers of peers, each with an address of its own, to compare at where connections are kept.
    pub kept: [usize; 2],
    /// Numbers of keys whose list and memory are measured, and of those also with a ring.
    pub fleets: Vec<usize>,
    /// The most of these that are measured with a ring.
    pub most_in_ring: usize,
    /// Peers among which one changes.
    pub changing: usize,
    /// Requests over which instructions are counted; callgrind repeats itself to the instruction,
    /// so that few are enough.
    pub counted_requests: usize,
    /// How often, each time with a new nginx; and how often starts are timed.
    pub counted_starts: usize,
    /// Pairs of measurements of throughput, static and etcd by turns.
    pub throughput_rounds: usize,
    /// How long each takes.
    pub throughput_time: Duration,
    /// Changes of each kind whose way to the workers is timed, or whose cost.
    pub changes: usize,
    /// Changes whose effect on the event loop is timed.
    pub disturbing_changes: usize,
    /// For how long nothing happens where the cost of that is measured.
    pub idle: Duration,
    /// How long other proxies are under load, each time.
    pub neighbour_time: Duration,
    /// Changes of other proxies' endpoints.
    pub neighbour_changes: usize,
    /// Numbers of services that hosts lead to, in the order in which they are measured.
    pub services: Vec<usize>,
    /// Handshakes over which their processor time is measured.
    pub handshakes: usize,
    /// How often all services are removed and added again.
    pub rounds: usize,
    /// WebSockets through other proxies.
    pub neighbour_sessions: usize,
    /// WebSockets whose memory is looked at.
    pub sessions: usize,
    /// Those of them that echo.
    pub echoing: usize,
    /// Sessions of stream's whose memory is looked at.
    pub stream_sessions: usize,
    /// How long datagrams are sent, each time.
    pub datagram_time: Duration,
    /// WebSockets that are open while instructions of changes are counted.
    pub counted_sessions: usize,
}

/// What a variable of the environment names, with commas between; `None` where it is not set or
/// empty.
fn chosen<T>(variable: &str, read: impl Fn(&str) -> Result<T>) -> Result<Option<Vec<T>>> {
    let text = std::env::var(variable).unwrap_or_default();
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let values = words
        .map(read)
        .collect::<Result<Vec<T>>>()
        .map_err(|error| format!("{variable}: {error}"))?;
    Ok((!values.is_empty()).then_some(values))
}

/// The other build, if one is named.
///
/// # Errors
///
/// Where it is not there.
pub fn other_module() -> Result<Option<PathBuf>> {
    let Some(path) = std::env::var_os("OLD").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = std::path::absolute(&path)?;
    ensure!(path.is_file(), "OLD: no module at {}", path.display());
    Ok(Some(path))
}

impl Plan {
    fn full() -> Self {
        Self {
            is_quick: false,
            parts: PARTS.map(str::to_owned).into(),
            methods: METHODS.into(),
            peers: vec![2, 100, 1_000, 10_000, 100_000],
            most_static: 10_000,
            kept: [2, 10_000],
            fleets: vec![10_000, 100_000],
            most_in_ring: 100_000,
            changing: 10_000,
            counted_requests: 500,
            counted_starts: 3,
            throughput_rounds: 5,
            throughput_time: Duration::from_millis(1_000),
            changes: 100,
            disturbing_changes: 50,
            idle: Duration::from_secs(10),
            neighbour_time: Duration::from_secs(4),
            neighbour_changes: 50,
            services: vec![1_000, 10_000],
            handshakes: 300,
            rounds: 100,
            neighbour_sessions: 10_000,
            sessions: 5_000,
            echoing: 5_000,
            counted_sessions: 2_000,
            stream_sessions: 2_000,
            datagram_time: Duration::from_secs(10),
        }
    }

    /// A look, for while something is being changed.
    fn quick() -> Self {
        Self {
            is_quick: true,
            peers: vec![2, 10_000],
            most_in_ring: 10_000,
            counted_requests: 200,
            counted_starts: 1,
            throughput_rounds: 3,
            throughput_time: Duration::from_millis(500),
            changes: 30,
            disturbing_changes: 20,
            idle: Duration::from_secs(3),
            neighbour_time: Duration::from_secs(1),
            neighbour_changes: 10,
            services: vec![100, 1_000],
            handshakes: 60,
            rounds: 8,
            neighbour_sessions: 2_000,
            sessions: 1_000,
            echoing: 1_000,
            counted_sessions: 500,
            datagram_time: Duration::from_secs(3),
            ..Self::full()
        }
    }

    /// The quick one with `QUICK=1` in the environment. `PARTS`, `METHODS`, `PEERS` and `SERVICES`
    /// choose among what would be measured, with commas between; `ROUNDS` is a number.
    ///
    /// # Errors
    ///
    /// Where there is no such part or method, and where numbers of peers are none.
    pub fn from_environment() -> Result<Self> {
        let is_quick =
            std::env::var_os("QUICK").is_some_and(|value| !value.is_empty() && value != "0");
        let mut plan = if is_quick { Self::quick() } else { Self::full() };
        let part = |name: &str| {
            let mut parts = PARTS.iter().chain(&MORE_PARTS);
            ensure!(
                parts.any(|&part| part == name),
                "no part {name:?}; there are {}, {}",
                PARTS.join(", "),
                MORE_PARTS.join(", ")
            );
            Ok(name.to_owned())
        };
        if let Some(parts) = chosen("PARTS", part)? {
            plan.parts = parts;
        } else if other_module()?.is_some() {
            plan.parts = PARTS_BESIDE.map(str::to_owned).into();
        }
        if let Some(methods) = chosen("METHODS", Method::by_name)? {
            plan.methods = methods;
        }
        if let Some(peers) = chosen("PEERS", |number| Ok(number.parse()?))? {
            plan.fleets.retain(|keys| peers.contains(keys));
            plan.peers = peers;
        }
        if let Some(services) = chosen("SERVICES", |number| Ok(number.parse()?))? {
            plan.services = services;
        }
        if let Some([rounds]) = chosen("ROUNDS", |number| Ok(number.parse()?))?.as_deref() {
            plan.rounds = *rounds;
        }
        Ok(plan)
    }
}
