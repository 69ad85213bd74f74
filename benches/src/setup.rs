//! The same nginx twice: with static servers, and with peers from etcd.

use std::fmt::Write;

use harness::{
    Configuration, Etcd, Mode, Nginx, PREFIX, Result, UPSTREAM, cluster, ensure, free_port, key, upstream,
};

/// Shared memory for the peers: 10 000 of them take some 4 MB while one table takes the place of another.
const ZONE: &str = "zone=16m";

/// An nginx, and the etcd that its peers are in.
pub struct Setup {
    /// nginx.
    pub nginx: Nginx,
    /// `HOST:PORT` of the server whose locations are made for measuring.
    pub address: String,
    /// etcd, where it takes part. Ended after nginx.
    pub etcd: Option<Etcd>,
}

/// A server without what the tests' own adds to each answer: `/` passes to the upstream, the others say who answers.
fn server(port: u16, has_module: bool) -> String {
    let revision = if has_module { "location = /revision { return 200 '$pid $etcd_revision'; }" } else { "" };
    format!(
        "server {{
            listen 127.0.0.1:{port} reuseport backlog=4096;
            location / {{ proxy_pass http://{UPSTREAM}; }}
            location = /worker {{ return 200 $pid; }}
            {revision}
        }}"
    )
}

/// The key of peer `number`.
pub fn peer_key(number: usize) -> String {
    key(&format!("node-{number:05}"))
}

impl Setup {
    /// A stock nginx with `peers` servers, all of them at `backend`.
    ///
    /// # Errors
    ///
    /// Those of starting.
    pub async fn fixed(peers: usize, backend: &str, mode: Mode) -> Result<Self> {
        let port = free_port()?;
        let mut servers = String::new();
        for _ in 0..peers {
            writeln!(servers, "server {backend};")?;
        }
        let configuration = Configuration::stock()
            .mode(mode)
            .workers(1)
            .http(&format!("upstream {UPSTREAM} {{ {servers} }}"))
            .http(&server(port, false));
        let nginx = Nginx::start(configuration).await?;
        Ok(Self { nginx, address: format!("127.0.0.1:{port}"), etcd: None })
    }

    /// An nginx with `peers` keys in etcd, all of them with `backend` as their value, and `directives` in the upstream. It has taken
    /// them when this returns.
    ///
    /// # Errors
    ///
    /// Those of starting.
    pub async fn live(
        peers: usize,
        backend: &str,
        mode: Mode,
        workers: usize,
        directives: &str,
    ) -> Result<Self> {
        let port = free_port()?;
        let etcd = Etcd::start().await?;
        if peers > 0 {
            etcd.put_all((0..peers).map(|number| (peer_key(number), backend.to_owned()))).await?;
        }
        let configuration = Configuration::new()
            .mode(mode)
            .workers(workers)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream(ZONE, directives))
            .http(&server(port, true));
        let nginx = Nginx::start(configuration).await?;
        if peers > 0 {
            // By the log, since each request would count among those that are measured.
            let line = nginx.wait_for_log("peers (+").await?;
            ensure!(line.contains(&format!(": {peers} peers (+{peers} ")), "{line}");
        }
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
