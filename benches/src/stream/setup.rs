//! The same nginx twice, with `stream {}`: with static servers, and with peers from etcd.

use std::fmt::Write;

use harness::{Configuration, Etcd, Mode, Nginx, PREFIX, Result, cluster, free_port};

use crate::fleet::Fleet;
use crate::setup::{Setup, listed};

/// The upstream of `stream {}`.
pub const SESSIONS: &str = "sessions";
/// What sessions are balanced by where the method goes by a key.
pub const KEY: &str = "$remote_addr";
/// Connections of a worker besides those of the sessions.
const CONNECTIONS: usize = 4_096;

/// What is different from a start to another one.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// How nginx runs.
    pub mode: Mode,
    /// With how many workers.
    pub workers: usize,
    /// Directives in the upstream, of the module's.
    pub directives: &'a str,
    /// Whether nginx's own servers are in shared memory.
    pub has_zone: bool,
    /// Parameters of `listen`, and directives of the server.
    pub server: [&'a str; 2],
}

impl Start<'_> {
    /// With one worker, and nothing else.
    pub const fn plain(mode: Mode) -> Self {
        Self { mode, workers: 1, directives: "", has_zone: false, server: ["backlog=4096", ""] }
    }
}

/// An nginx with a server of HTTP's that says who answers, whose address is the setup's, and one of
/// `stream {}`.
pub struct StreamSetup {
    /// nginx and etcd.
    pub setup: Setup,
    /// `HOST:PORT` of the server that passes to the upstream.
    pub sessions: String,
}

impl StreamSetup {
    async fn start(
        configuration: Configuration,
        etcd: Option<Etcd>,
        fleet: &Fleet,
        start: &Start<'_>,
        upstream: &str,
    ) -> Result<Self> {
        let (port, sessions) = (free_port()?, free_port()?);
        let [listen, directives] = start.server;
        let cluster = etcd.as_ref().map_or_else(String::new, |etcd| cluster("main", &etcd.url()));
        let configuration = configuration
            .mode(start.mode)
            .workers(start.workers)
            .connections(CONNECTIONS + 2 * fleet.sessions)
            // The harness's own server passes to it.
            .http("upstream firehose { server 127.0.0.1:9; }")
            .http(&format!(
                "server {{
                    listen 127.0.0.1:{port} reuseport;
                    location = /worker {{ return 200 $pid; }}
                }}"
            ))
            .stream(&format!(
                "{cluster}
                upstream {SESSIONS} {{ {upstream} }}
                server {{
                    listen 127.0.0.1:{sessions} reuseport {listen};
                    proxy_pass {SESSIONS};
                    {directives}
                }}"
            ));
        let nginx = Nginx::start(configuration).await?;
        let setup = Setup { nginx, address: format!("127.0.0.1:{port}"), etcd };
        Ok(Self { setup, sessions: format!("127.0.0.1:{sessions}") })
    }

    /// A stock nginx with these as its servers, all of them on `port`.
    ///
    /// # Errors
    ///
    /// Those of starting.
    pub async fn fixed(fleet: &Fleet, port: u16, start: &Start<'_>) -> Result<Self> {
        let zone =
            if start.has_zone { format!("zone fixed {};", zone_size(fleet)) } else { "".into() };
        let mut servers = zone + &fleet.method.stock_directive(KEY);
        for number in 0..fleet.peers {
            writeln!(servers, "server {};", fleet.address(number, port))?;
        }
        Self::start(Configuration::stock(), None, fleet, start, &servers).await
    }

    /// An nginx with peers from this etcd, and those already in it.
    ///
    /// # Errors
    ///
    /// Those of starting, and of an upstream that does not come to have its peers.
    pub async fn live(fleet: &Fleet, etcd: Etcd, start: &Start<'_>) -> Result<Self> {
        let (zone, balance) = (fleet.zone(), fleet.method.directive(KEY));
        let upstream = format!("etcd main {PREFIX} {zone}; {balance} {}", start.directives);
        let started =
            Self::start(Configuration::new(), Some(etcd), fleet, start, &upstream).await?;
        listed(&started.setup.nginx, fleet.peers).await?;
        Ok(started)
    }
}

/// Enough for nginx's own servers.
fn zone_size(fleet: &Fleet) -> String {
    format!("{}k", 256 + fleet.peers)
}
