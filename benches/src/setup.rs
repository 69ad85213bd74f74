//! The same nginx twice: with static servers, and with peers from etcd.

use std::error::Error;
use std::fmt::{self, Display, Formatter, Write};
use std::time::Duration;

use harness::{
    Configuration, Etcd, Mode, Nginx, PREFIX, Result, UPSTREAM, cluster, ensure, eventually,
    free_port, key, upstream,
};

use crate::fleet::Fleet;
use crate::method::KEY;

/// Connections of a worker besides those that it keeps. Of the module's, at most one in two is
/// kept.
const CONNECTIONS: usize = 4_096;
/// How long it may take until peers are there: valgrind takes minutes to sort the points of
/// 100 000.
pub const LISTED: Duration = Duration::from_secs(600);

/// What nginx says when the watcher of a process ended while it still read the keys: under valgrind
/// on a busy machine, where it cannot show within a second that it lives.
const TAKEN_OVER: &str = "exited before all keys were read";

/// Another worker took over the watcher.
#[derive(Clone, Copy, Debug)]
pub struct TakenOver;

impl Display for TakenOver {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("another worker took over the watcher")
    }
}

impl Error for TakenOver {}

/// An nginx, and the etcd that its peers are in.
pub struct Setup {
    /// nginx.
    pub nginx: Nginx,
    /// `HOST:PORT` of the server whose locations are made for measuring.
    pub address: String,
    /// etcd, where it takes part. Ended after nginx.
    pub etcd: Option<Etcd>,
}

/// A server without what the tests' own adds to each answer: `/` passes to the upstream, the others
/// say who answers.
fn server(port: u16, has_module: bool, fleet: &Fleet) -> String {
    let keeps =
        if fleet.keeps { "proxy_http_version 1.1; proxy_set_header Connection '';" } else { "" };
    let scheme = if fleet.tls { "https" } else { "http" };
    let sessions = if fleet.sessions > 0 {
        "location /ws {
            proxy_pass http://{UPSTREAM}; proxy_http_version 1.1;
            proxy_set_header Upgrade websocket; proxy_set_header Connection upgrade;
            proxy_read_timeout 1h; proxy_send_timeout 1h;
        }"
        .replace("{UPSTREAM}", UPSTREAM)
    } else {
        String::new()
    };
    let revision =
        if has_module { "location = /revision { return 200 '$pid $etcd_revision'; }" } else { "" };
    format!(
        "server {{
            listen 127.0.0.1:{port} reuseport backlog=4096;
            location / {{ proxy_pass {scheme}://{UPSTREAM}; {keeps} }}
            location = /worker {{ return 200 $pid; }}
            {sessions}
            {revision}
        }}"
    )
}

/// The key of peer `number`.
pub fn peer_key(number: usize) -> String {
    key(&format!("node-{number:05}"))
}

/// An etcd with a key for each peer, all of them on `peer_port`.
///
/// # Errors
///
/// Those of etcd.
pub async fn filled(fleet: &Fleet, peer_port: u16) -> Result<Etcd> {
    let etcd = Etcd::start().await?;
    if fleet.peers > 0 {
        let address = |number| (peer_key(number), fleet.address(number, peer_port));
        etcd.put_all((0..fleet.peers).map(address)).await?;
    }
    Ok(etcd)
}

fn connections(fleet: &Fleet) -> usize {
    CONNECTIONS + if fleet.keeps { 2 * fleet.peers } else { 0 } + 2 * fleet.sessions
}

/// Waits until nginx has its peers.
///
/// # Errors
///
/// Where it does not come to have them, and [`TakenOver`].
pub async fn listed(nginx: &Nginx, peers: usize) -> Result<()> {
    // By the log, since each request would count among those that are measured.
    let line = eventually(LISTED, "the peers", async || {
        let lines = [TAKEN_OVER, "peers (+"].map(|text| nginx.log_lines(text));
        lines.into_iter().flatten().next().ok_or_else(|| nginx.log().into())
    })
    .await?;
    if line.contains(TAKEN_OVER) {
        return Err(TakenOver.into());
    }
    ensure!(line.contains(&format!(": {peers} peers (+{peers} ")), "{line}");
    Ok(())
}

impl Setup {
    /// A stock nginx with these as its servers, all of them on `port`.
    ///
    /// # Errors
    ///
    /// Those of starting.
    pub async fn fixed(fleet: &Fleet, peer_port: u16, mode: Mode) -> Result<Self> {
        let port = free_port()?;
        let mut servers = fleet.method.stock_directive(KEY);
        for number in 0..fleet.peers {
            writeln!(servers, "server {};", fleet.address(number, peer_port))?;
        }
        if fleet.keeps {
            write!(servers, "keepalive {};", fleet.peers)?;
        }
        let configuration = Configuration::stock()
            .mode(mode)
            .workers(1)
            .connections(connections(fleet))
            .http(&format!("upstream {UPSTREAM} {{ {servers} }}"))
            .http(&server(port, false, fleet));
        let nginx = Nginx::start(configuration).await?;
        Ok(Self { nginx, address: format!("127.0.0.1:{port}"), etcd: None })
    }

    /// An nginx with these as keys in etcd, all of them on `peer_port`, and `directives` in the
    /// upstream. It has taken them when this returns.
    ///
    /// # Errors
    ///
    /// Those of starting, and [`TakenOver`].
    pub async fn live(
        fleet: &Fleet,
        peer_port: u16,
        mode: Mode,
        workers: usize,
        directives: &str,
    ) -> Result<Self> {
        let etcd = filled(fleet, peer_port).await?;
        let how = |configuration: Configuration| configuration.mode(mode).workers(workers);
        let setup = Self::beginning(etcd, fleet, &fleet.zone(), directives, how).await?;
        if fleet.peers > 0 {
            listed(&setup.nginx, fleet.peers).await?;
        }
        Ok(setup)
    }

    /// The same with an etcd that has the keys, and with these parameters of `etcd`; nginx has not
    /// yet taken the peers when this returns.
    ///
    /// # Errors
    ///
    /// Those of starting.
    pub async fn beginning(
        etcd: Etcd,
        fleet: &Fleet,
        parameters: &str,
        directives: &str,
        how: impl FnOnce(Configuration) -> Configuration,
    ) -> Result<Self> {
        let port = free_port()?;
        let keeps = if fleet.keeps { "etcd_keepalive 8;" } else { "" };
        let directives = format!("{} {keeps} {directives}", fleet.method.directive(KEY));
        let configuration = how(Configuration::new())
            .connections(connections(fleet))
            .http(&cluster("main", &etcd.url()))
            .http(&upstream(parameters, &directives))
            .http(&server(port, true, fleet));
        let nginx = Nginx::start(configuration).await?;
        Ok(Self { nginx, address: format!("127.0.0.1:{port}"), etcd: Some(etcd) })
    }

    /// The etcd.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn etcd(&self) -> Result<&Etcd> {
        Ok(self.etcd.as_ref().ok_or("no etcd")?)
    }

    /// Fails if nginx said anything that a sound run has no reason for.
    ///
    /// # Errors
    ///
    /// What it said.
    pub fn check(&self) -> Result<()> {
        self.nginx.check_log()?;
        let lines = self.nginx.log_lines("[error]");
        ensure!(lines.is_empty(), "{PREFIX}: {}", lines.join("\n"));
        Ok(())
    }
}
