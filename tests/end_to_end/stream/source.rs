//! The same tests with peers of either kind: nginx's own `server` lines, or keys in etcd. What
//! holds for the first is what is expected of the second.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use futures_util::{StreamExt, TryStreamExt, stream};
use harness::*;

/// Sessions at the same time, where their order does not matter.
const TOGETHER: usize = 32;

/// Where peers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `server` lines, and the methods as nginx has them.
    Lines,
    /// Keys in etcd, and `etcd_balance`.
    Etcd,
}

/// Both, in this order: a wrong expectation shows itself with the first.
pub const SOURCES: [Source; 2] = [Source::Lines, Source::Etcd];

/// An upstream, and the server that passes to it.
#[derive(Clone, Debug)]
pub struct Route {
    name: &'static str,
    method: &'static str,
    peers: Vec<(String, String)>,
    listen: &'static str,
    server: String,
}

impl Route {
    /// An upstream with peers of these addresses, and parameters of each.
    pub fn new<A: ToString>(
        name: &'static str,
        method: &'static str,
        peers: impl IntoIterator<Item = (A, impl ToString)>,
    ) -> Self {
        let peers =
            peers.into_iter().map(|(address, words)| (address.to_string(), words.to_string()));
        Self { name, method, peers: peers.collect(), listen: "", server: String::new() }
    }

    /// Parameters of `listen`.
    pub fn listen(self, listen: &'static str) -> Self {
        Self { listen, ..self }
    }

    /// Directives of the server.
    pub fn server(self, server: &str) -> Self {
        Self { server: server.to_owned(), ..self }
    }

    fn upstream(&self, source: Source) -> String {
        let Self { name, method, peers, .. } = self;
        if source == Source::Etcd {
            let method = if method.is_empty() { "round_robin" } else { method };
            return format!(
                "upstream {name} {{ etcd main /{name}/ zone=256k; etcd_balance {method}; }}"
            );
        }
        let servers: String =
            peers.iter().map(|(address, words)| format!("server {address} {words};")).collect();
        let method = if method.is_empty() { String::new() } else { format!("{method};") };
        // nginx takes `backup` beside any method where the servers come first.
        format!("upstream {name} {{ {servers} {method} }}")
    }
}

/// What became of a session: nginx's status, and the peers that were tried, by their numbers.
pub type Way = (u16, Vec<usize>);

/// nginx with one worker and some routes.
pub struct Rig {
    pub nginx: Nginx,
    pub etcd: Option<Etcd>,
    ports: BTreeMap<&'static str, u16>,
    peers: BTreeMap<&'static str, Vec<String>>,
}

impl Source {
    /// Starts nginx with these routes, when etcd has all peers already. `further` is for `stream
    /// {}`.
    pub async fn start(self, routes: &[Route], further: &str) -> Result<Rig> {
        self.start_with(routes, further, |configuration| configuration).await
    }

    /// The same with a configuration that is changed at last.
    pub async fn start_with(
        self,
        routes: &[Route],
        further: &str,
        change: impl FnOnce(Configuration) -> Configuration,
    ) -> Result<Rig> {
        let (mut etcd, mut revision) = (None, 0);
        let mut configuration = if self == Source::Etcd {
            let started = Etcd::start().await?;
            let values = routes.iter().flat_map(|route| {
                let peers = route.peers.iter().enumerate();
                peers.map(|(number, (address, words))| {
                    (format!("/{}/{}", route.name, peer_key(number)), format!("{address} {words}"))
                })
            });
            revision = started.put_all(values).await?;
            let configuration = StreamRouter::without_server(&started);
            etcd = Some(started);
            configuration
        } else {
            Configuration::stock().http(&format!("upstream {UPSTREAM} {{ server 127.0.0.1:9; }}"))
        };
        configuration = configuration.workers(1).stream(further).stream(
            "log_format way '$remote_addr:$remote_port $server_port $status|$upstream_addr';
             access_log logs/ways.log way;",
        );
        let mut ports = BTreeMap::new();
        for route in routes {
            let port = free_port()?;
            ports.insert(route.name, port);
            let server = format!("proxy_pass {}; {}", route.name, route.server);
            configuration = configuration.stream(&route.upstream(self)).stream(&stream_server(
                port,
                route.listen,
                &server,
            ));
        }
        let nginx = Nginx::start(change(configuration)).await?;
        let peers = routes.iter().map(|route| {
            (route.name, route.peers.iter().map(|(address, _)| address.clone()).collect())
        });
        let rig = Rig { nginx, etcd, ports, peers: peers.collect() };
        rig.applied(revision).await?;
        Ok(rig)
    }
}

impl Rig {
    /// Waits until each upstream has applied a revision.
    pub async fn applied(&self, revision: i64) -> Result<()> {
        if self.etcd.is_some() {
            for name in self.ports.keys() {
                self.applied_to(name, revision).await?;
            }
        }
        Ok(())
    }

    /// The same of one upstream.
    pub async fn applied_to(&self, name: &str, revision: i64) -> Result<Upstream> {
        self.nginx.applied_to(name, revision).await
    }

    /// Where a route listens: `HOST:PORT`.
    pub fn address(&self, route: &str) -> String {
        format!("127.0.0.1:{}", self.ports[route])
    }

    /// Opens sessions one after the other, each when the one before has ended, and gives the names
    /// of the nodes; an empty one where a session has none.
    pub async fn ask(&self, route: &str, count: usize) -> Result<Vec<String>> {
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(short_session(None, &self.address(route), b"").await?.1);
        }
        Ok(nodes)
    }

    /// Opens sessions and keeps them, those that a node has taken.
    pub async fn hold(&self, route: &str, count: usize) -> Result<Vec<TcpSession>> {
        let mut held = Vec::new();
        for _ in 0..count {
            // Who is turned away hears nothing.
            held.extend(TcpSession::open(&self.address(route)).await.ok());
        }
        Ok(held)
    }

    /// Opens one session for each of these clients, one after the other, and gives the ways of all.
    pub async fn ways(&self, route: &str, clients: &[Client]) -> Result<Vec<Way>> {
        let (before, mut locals) = (self.lines(route)?.len(), Vec::new());
        for (from, first) in clients {
            locals.push(short_session(*from, &self.address(route), first.as_bytes()).await?.0);
        }
        self.ways_of(route, before, &locals)
    }

    /// The same, many at a time.
    pub async fn ways_at_once(&self, route: &str, clients: &[Client]) -> Result<Vec<Way>> {
        let (before, address) = (self.lines(route)?.len(), self.address(route));
        let sessions = clients.iter().map(async |(from, first)| -> Result<_> {
            Ok(short_session(*from, &address, first.as_bytes()).await?.0)
        });
        let locals: Vec<_> = stream::iter(sessions).buffered(TOGETHER).try_collect().await?;
        self.ways_of(route, before, &locals)
    }

    /// The lines of the log of a route: the client, nginx's status, and what was tried.
    pub fn lines(&self, route: &str) -> Result<Vec<(String, u16, String)>> {
        let log = std::fs::read_to_string(self.nginx.folder().path().join("logs/ways.log"))?;
        let port = self.ports[route].to_string();
        let mut lines = Vec::new();
        for line in log.lines() {
            let (words, tried) = line.split_once('|').ok_or(line)?;
            let [client, server, status] = words.split(' ').collect::<Vec<_>>()[..] else {
                return Err(line.into());
            };
            if server == port {
                lines.push((client.to_owned(), status.parse()?, tried.to_owned()));
            }
        }
        Ok(lines)
    }

    /// The ways of ended sessions, by where they were opened from, among the lines of the log
    /// behind so many. A port may come a second time, some time after the first.
    fn ways_of(&self, route: &str, before: usize, locals: &[SocketAddr]) -> Result<Vec<Way>> {
        let mut all: BTreeMap<_, VecDeque<_>> = BTreeMap::new();
        for (client, status, tried) in self.lines(route)?.split_off(before) {
            all.entry(client).or_default().push_back((status, tried));
        }
        let peers = &self.peers[route];
        let mut ways = Vec::new();
        for local in locals {
            let client = format!("{}:{}", local.ip(), local.port());
            let line = all.get_mut(&client).and_then(VecDeque::pop_front);
            let (status, tried) = line.ok_or(client)?;
            // Where nobody is tried, the upstream's name stands there.
            let tried = tried.split(", ").filter_map(|tried| peers.iter().position(|p| p == tried));
            ways.push((status, tried.collect()));
        }
        Ok(ways)
    }
}

/// Where a session is opened from, and how it begins.
pub type Client = (Option<IpAddr>, String);

/// Opens a session and closes it when it has heard the node's name, or has ended by itself. nginx
/// has written its line to the log by then.
async fn short_session(
    from: Option<IpAddr>,
    address: &str,
    first: &[u8],
) -> Result<(SocketAddr, String)> {
    let mut session = TcpSession::connect(from, address).await?;
    session.send(first).await?;
    let node = session.line().await.unwrap_or_default();
    // One that has ended takes nothing.
    let _ = session.shut().await;
    session.ended(SOON).await?;
    Ok((session.local(), node))
}

/// The key of a peer by its number: keys sort as the numbers do.
pub fn peer_key(number: usize) -> String {
    format!("p{number:03}")
}

/// How often each name is there.
pub fn count<S: AsRef<str>>(names: &[S]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name.as_ref()).or_default() += 1;
    }
    counts
}

/// The names of the nodes of some sessions.
pub fn nodes_of(sessions: &[TcpSession]) -> Vec<&str> {
    sessions.iter().map(TcpSession::node).collect()
}
