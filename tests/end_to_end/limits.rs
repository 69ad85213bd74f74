//! `max_conns`: no peer has more at a time, whatever the method, the workers and the load.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::*;
use nix::sys::signal::Signal;

const WORKERS: usize = 4;
/// Nodes of each method.
const NODES: usize = 3;
/// Requests that each may have.
const LIMIT: u64 = 3;
/// Clients at a time: as many again as there is room for, and more.
const CLIENTS: usize = 24;
/// Requests of each method, those that find no room included.
const REQUESTS: u64 = 500;
/// What an answer takes: short enough for many, long enough for all room to be taken at times.
const DELAY: Duration = Duration::from_millis(4);

/// Each has an upstream of its own.
const METHODS: [(&str, &str); 9] = [
    ("turns", "round_robin"),
    ("least", "least_conn"),
    ("any", "random"),
    ("two", "random two"),
    ("hash", "hash $request_id"),
    ("ring", "hash $request_id consistent"),
    ("address", "ip_hash"),
    ("time", "least_time last_byte inflight"),
    ("peak", "peak_ewma"),
];

/// One nginx with an upstream for each method, and nodes for each.
struct Full {
    nginx: Nginx,
    nodes: BTreeMap<&'static str, Vec<Node>>,
    _etcd: Etcd,
}

impl Full {
    async fn start() -> Result<Self> {
        let etcd = Etcd::start().await?;
        let mut configuration = Configuration::firehose(&etcd).workers(WORKERS);
        let (mut nodes, mut revision) = (BTreeMap::new(), 0);
        for (name, method) in METHODS {
            let of_method = start_nodes(NODES).await?;
            let values = of_method.iter().map(|node| {
                (
                    format!("/{name}/{}", node.name()),
                    format!("{} max_conns={LIMIT}", node.address()),
                )
            });
            revision = etcd.put_all(values).await?;
            nodes.insert(name, of_method);
            configuration = configuration
                .http(&format!("upstream {name} {{ etcd main /{name}/; etcd_balance {method}; }}"))
                .server(&format!(
                    "location /{name}/ {{
                        proxy_pass http://{name};
                        proxy_http_version 1.1;
                        proxy_set_header Upgrade $http_upgrade;
                        proxy_set_header Connection $connection_upgrade;
                    }}"
                ));
        }
        let nginx = Nginx::start(configuration).await?;
        let full = Self { nginx, nodes, _etcd: etcd };
        eventually(SOON, "each method has its peers", async || {
            let upstreams = full.nginx.status().await?.upstreams;
            let lacks = METHODS.iter().find(|(name, _)| upstreams[*name].peers.len() < NODES);
            ensure!(lacks.is_none() && upstreams[UPSTREAM].revision >= revision, "{lacks:?}");
            Ok(())
        })
        .await?;
        Ok(full)
    }

    /// Waits until as many connections to the peers of a method are counted.
    async fn counted(&self, name: &str, expected: u64) -> Result<()> {
        eventually(SOON, &format!("{expected} connections of {name} are counted"), async || {
            let upstream =
                self.nginx.status().await?.upstreams.remove(name).ok_or("no such upstream")?;
            let open: Vec<_> = upstream.peers.iter().map(|peer| peer.connections).collect();
            ensure!(open.iter().sum::<u64>() == expected, "{open:?}");
            Ok(())
        })
        .await
    }

    /// Opens sessions until there is no more room.
    async fn fill(&self, name: &str, sessions: &mut Vec<WebSocket>) -> Result<()> {
        let room = NODES * LIMIT as usize;
        while sessions.len() < room {
            sessions.push(self.nginx.websocket(&format!("/{name}/ws")).await?);
        }
        for node in &self.nodes[name] {
            let of_node = sessions.iter().filter(|session| session.node() == node.name()).count();
            ensure!(of_node as u64 == LIMIT, "{name}: {} has {of_node} sessions", node.name());
        }
        for _ in 0..WORKERS {
            let answer = self.nginx.get(&format!("/{name}/")).await?;
            ensure!(answer.status == 502, "{name}: room for one more: {answer:?}");
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_conns_is_not_exceeded_by_four_workers_under_load() -> Result<()> {
    let full = Full::start().await?;
    for (name, method) in METHODS {
        let nodes = &full.nodes[name];
        nodes.iter().for_each(|node| node.set_delay(DELAY));
        let load =
            Load::start(&full.nginx.address(), &format!("/{name}/"), Clients::KeepAlive, CLIENTS);
        eventually(SOON, "there were many requests, in all workers", async || {
            let answered: u64 = nodes.iter().map(|node| node.counts().requests).sum();
            ensure!(answered >= REQUESTS, "{answered} answered");
            Ok(())
        })
        .await?;
        let report = load.stop().await?;
        let full_up = report
            .failures
            .iter()
            .filter(|failure| failure.reason.starts_with("status 502"))
            .count();
        assert_eq!(full_up, report.failures.len(), "{method}: {:?}", report.failures.first());
        assert!(
            full_up > 0 && report.workers.len() > 1,
            "{method}: {full_up}, {:?}",
            report.workers
        );
        for node in nodes {
            assert_eq!(node.counts().requests_most, LIMIT, "{method}: {}", node.name());
        }
        full.counted(name, 0).await?;
    }
    full.nginx.check_log()
}

#[tokio::test]
async fn max_conns_has_the_room_of_a_killed_worker_again() -> Result<()> {
    let full = Full::start().await?;
    let mut sessions = BTreeMap::new();
    for (name, _) in METHODS {
        let of_method: &mut Vec<_> = sessions.entry(name).or_default();
        full.fill(name, of_method).await?;
    }
    let watcher = full.nginx.watcher().await?;
    signal(watcher, Signal::SIGKILL)?;
    for (name, of_method) in &mut sessions {
        let before = of_method.len();
        of_method.retain(|session| session.worker() != watcher);
        full.counted(name, of_method.len() as u64).await?;
        full.fill(name, of_method)
            .await
            .map_err(|error| format!("{before} sessions before: {error}"))?;
    }
    Ok(())
}
