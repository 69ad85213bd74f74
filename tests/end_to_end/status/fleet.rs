//! Many peers, and clients that read their status with bare sockets.

use std::collections::BTreeMap;

use harness::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Some twelve megabytes of status: more than the sockets of a connection take.
pub const PEERS: usize = 10_000;
/// With room for many tables.
pub const ZONE: &str = "zone=32m";

/// The name of a peer, in the order of its number.
pub fn name(number: usize) -> String {
    format!("peer-{number:06}")
}

/// Its value: an address of no host.
pub fn value(number: usize) -> String {
    format!("10.{}.{}.{}:80", number >> 16, number >> 8 & 255, number & 255)
}

/// nginx with one worker and so many peers.
pub async fn start(server: &str) -> Result<(Etcd, Nginx)> {
    let etcd = Etcd::start().await?;
    let pairs = (0..PEERS).map(|number| (key(&name(number)), value(number)));
    let revision = etcd.put_all(pairs).await?;
    let nginx = Nginx::start(
        Configuration::new()
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream(ZONE, ""))
            // For readers that are slow on a slow machine.
            .http("send_timeout 10m;")
            .server(server),
    )
    .await?;
    applied(&nginx, revision).await?;
    Ok((etcd, nginx))
}

/// What the status says without peers.
pub async fn totals(nginx: &Nginx) -> Result<Value> {
    let answer = nginx.get("/etcd?peers=0").await?;
    ensure!(answer.status == 200, "status {}", answer.status);
    Ok(serde_json::from_slice(&answer.body)?)
}

/// Waits until a revision is applied; the status of all peers would be much to ask for each time.
pub async fn applied(nginx: &Nginx, revision: i64) -> Result<Value> {
    eventually(SOON, &format!("revision {revision} is applied"), async || {
        let totals = totals(nginx).await?;
        let now = totals["upstreams"][UPSTREAM]["revision"].as_i64();
        ensure!(now >= Some(revision), "{now:?}");
        Ok(totals)
    })
    .await
}

/// A client that takes no more than it reads.
pub struct Reader {
    stream: TcpStream,
    /// What it has read.
    pub read: Vec<u8>,
}

impl Reader {
    /// Asks for a path by HTTP/1.0, where a response is neither in chunks nor kept open.
    pub async fn ask(nginx: &Nginx, path: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        let mut stream = socket.connect(nginx.address().parse()?).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// Reads so many bytes more. Says whether the response goes on.
    pub async fn take(&mut self, count: usize) -> Result<bool> {
        let until = self.read.len() + count;
        while self.read.len() < until {
            let mut part = vec![0; (until - self.read.len()).min(1 << 16)];
            let length = timeout(SOON, self.stream.read(&mut part)).await??;
            if length == 0 {
                return Ok(false);
            }
            self.read.extend_from_slice(&part[..length]);
        }
        Ok(true)
    }

    /// Reads to the end; gives the status line with the headers, and the body.
    pub async fn finish(mut self) -> Result<(String, Vec<u8>)> {
        while self.take(1 << 20).await? {}
        let at = self.read.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no header")?;
        let body = self.read.split_off(at + 4);
        Ok((String::from_utf8(self.read)?, body))
    }
}

/// The peers of a document, by key, with how often each is there.
pub fn counts(document: &Value) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    let peers = document["upstreams"][UPSTREAM]["peers"].as_array().ok_or("no peers")?;
    for peer in peers {
        *counts.entry(peer["key"].as_str().ok_or("no key")?.to_owned()).or_default() += 1;
    }
    Ok(counts)
}
