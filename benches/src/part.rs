//! Each part runs in a process of its own: what a part starts ends with it, its threads disturb no
//! other part, and what the harness prints (each nginx's last log lines) is shown only where the
//! part failed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::{Folder, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::count::Count;
use crate::method::Method;
use crate::neighbours::Program;
use crate::stream::count::SessionCount;

/// What a process of its own measures.
#[derive(Debug, Deserialize, Serialize)]
pub enum Part {
    /// Instructions; callgrind writes to `folder`.
    Count {
        /// What is counted.
        what: Count,
        /// Where callgrind writes.
        folder: PathBuf,
    },
    /// What the gate compares; callgrind writes to `folder`.
    Gate {
        /// Where callgrind writes.
        folder: PathBuf,
    },
    /// Instructions of a session of stream's; callgrind writes to `folder`.
    CountSessions {
        /// What is counted.
        what: SessionCount,
        /// Where callgrind writes.
        folder: PathBuf,
    },
    /// What the gate compares of sessions of stream's; callgrind writes to `folder`.
    GateOfSessions {
        /// Where callgrind writes.
        folder: PathBuf,
    },
    /// Sessions of stream's per second, and processor time of one.
    SessionThroughput,
    /// What an open session of stream's takes of memory.
    SessionMemory {
        /// Whether peers are in etcd, and drained when they are left.
        live: bool,
    },
    /// Datagrams while peers come and go.
    Datagrams,
    /// Processor time of a change, and memory of a peer.
    Changes,
    /// Requests per second and processor time per request.
    Throughput,
    /// From a change to the workers that show it.
    Latency,
    /// What changes do to the event loop.
    Pauses,
    /// What a large status does to the event loop.
    Status,
    /// Another proxy, or this one beside it.
    Neighbour {
        /// Which.
        program: Program,
    },
    /// Another proxy with many services, or this one beside it.
    ServicesBeside {
        /// Which.
        program: Program,
    },
    /// From a new service to its first request, and what changes take.
    ServiceChanges,
    /// Handshakes with certificates by name.
    Handshakes,
    /// Memory while services go and come again.
    ServiceRounds,
    /// Instructions of requests by name; callgrind writes to `folder`.
    ServiceInstructions {
        /// How many services there are.
        services: usize,
        /// Where callgrind writes.
        folder: PathBuf,
    },
    /// The same with static upstreams and a `map`.
    StaticInstructions {
        /// How many upstreams there are.
        services: usize,
        /// Where callgrind writes.
        folder: PathBuf,
    },
    /// Requests while peers change.
    Churn,
    /// Nothing to do.
    Idle,
    /// What an open WebSocket that echoes takes, with the configuration that is shipped.
    Echoes,
    /// What many keys cost.
    GreatFleet,
    /// What an open WebSocket takes of a worker's memory.
    Memory {
        /// Whether peers are in etcd, and drained when they are left.
        live: bool,
    },
}

/// What a part is run with, where that is not the usual.
#[derive(Clone, Copy, Debug, Default)]
pub struct Programs<'a> {
    /// nginx.
    pub nginx: Option<&'a Path>,
    /// The module.
    pub module: Option<&'a Path>,
    /// The only method.
    pub method: Option<Method>,
}

/// Runs a part in a process of its own, and gives its result.
///
/// # Errors
///
/// The part's own, with all that it printed.
pub fn run<T: DeserializeOwned>(part: &Part, programs: &Programs<'_>) -> Result<T> {
    let folder = Folder::new("part")?;
    let result = folder.path().join("result.json");
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(serde_json::to_string(part)?).arg(&result).stdin(Stdio::null());
    if let Some(nginx) = programs.nginx {
        command.env("NGINX", nginx);
    }
    if let Some(module) = programs.module {
        command.env("ETCD_MODULE", module);
    }
    if let Some(method) = programs.method {
        command.env("METHODS", method.name());
    }
    let output = command.output()?;
    if !output.status.success() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        return Err(format!("{part:?}: {}\n{stdout}{stderr}", output.status).into());
    }
    Ok(serde_json::from_str(&std::fs::read_to_string(&result)?)?)
}

/// The part that this process was started to run, and where its result goes; none in the process
/// that was started by hand.
///
/// # Errors
///
/// When the arguments are not those that [`run`] gives.
pub fn asked_for() -> Result<Option<(Part, PathBuf)>> {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(part), Some(result)) => {
            let part = part.into_string().map_err(|_| "not text")?;
            Ok(Some((serde_json::from_str(&part)?, result.into())))
        }
        (None, _) => Ok(None),
        (Some(_), None) => {
            Err("usage: benchmarks (QUICK=1 for a quick look; PARTS, METHODS, PEERS to choose)"
                .into())
        }
    }
}
