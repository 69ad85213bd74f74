//! Figures of requests: what becomes of each attempt at a peer is counted once.

mod faults;
mod memory;
mod sums;
mod toggled;

use harness::*;
use serde_json::Value;

/// The figures of an upstream or a peer in the status.
#[derive(Clone, Debug)]
pub struct Figures(pub Value);

impl Figures {
    /// A number; `path` is such as `/responses/2xx`.
    pub fn number(&self, path: &str) -> u64 {
        let found = self.0.pointer(path).and_then(Value::as_u64);
        found.unwrap_or_else(|| panic!("no number at {path} in {}", self.0))
    }

    /// All numbers of an object or a list.
    pub fn sum(&self, path: &str) -> u64 {
        let found = self.0.pointer(path).unwrap_or_else(|| panic!("no {path} in {}", self.0));
        let sum = |values: &mut dyn Iterator<Item = &Value>| values.filter_map(Value::as_u64).sum();
        match found {
            Value::Object(fields) => sum(&mut fields.values()),
            Value::Array(items) => sum(&mut items.iter()),
            other => panic!("{path} is {other}"),
        }
    }

    /// Attempts that have come to an end which is counted.
    pub fn ended(&self) -> u64 {
        self.sum("/responses") + self.sum("/failures")
    }
}

/// What the status says of the usual upstream, as it stands.
async fn status(nginx: &Nginx) -> Result<Value> {
    let answer = nginx.get("/etcd").await?;
    let document: Value = serde_json::from_slice(&answer.body)?;
    Ok(document["upstreams"][UPSTREAM].clone())
}

/// The figures of the usual upstream.
async fn totals(nginx: &Nginx) -> Result<Figures> {
    Ok(Figures(status(nginx).await?["statistics"].clone()))
}

/// The figures of the peer with this key.
async fn of_peer(nginx: &Nginx, key: &str) -> Result<Figures> {
    let status = status(nginx).await?;
    let peers = status["peers"].as_array().ok_or("no peers")?;
    let peer = peers.iter().find(|peer| peer["key"] == key).ok_or("no such peer")?;
    Ok(Figures(peer["statistics"].clone()))
}

/// Waits until so many attempts have come to an end.
async fn ended(nginx: &Nginx, count: u64) -> Result<Figures> {
    eventually(SOON, &format!("{count} attempts have ended"), async || {
        let totals = totals(nginx).await?;
        ensure!(totals.ended() == count, "{totals:?}");
        Ok(totals)
    })
    .await
}

/// What the access log says of a request.
async fn logged(nginx: &Nginx, path: &str) -> Result<String> {
    eventually(SOON, &format!("{path} is logged"), async || {
        let log = std::fs::read_to_string(nginx.folder().path().join("logs/access.log"))?;
        let line = log.lines().find_map(|line| line.strip_prefix(&format!("{path} ")));
        line.map(str::to_owned).ok_or_else(|| log.into())
    })
    .await
}
