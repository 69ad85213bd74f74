//! Clients that ask without pause, and remember each failure.

use std::collections::BTreeMap;
use std::time::Instant;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Answer, Connection, Result, ensure, get};

/// How the clients connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// A connection per request.
    Fresh,
    /// A connection each, for all their requests.
    KeepAlive,
}

/// A request without a whole answer with status 200.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When it was begun, connecting included.
    pub began: Instant,
    /// When it was known to have failed.
    pub ended: Instant,
    /// What happened.
    pub reason: String,
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Those answered well.
    pub answered: u64,
    /// The others.
    pub failures: Vec<Failure>,
    /// Answers by node.
    pub nodes: BTreeMap<String, u64>,
    /// Answers by worker.
    pub workers: BTreeMap<i32, u64>,
}

impl Report {
    pub(crate) fn merge(&mut self, other: Self) {
        self.answered += other.answered;
        self.failures.extend(other.failures);
        for (node, count) in other.nodes {
            *self.nodes.entry(node).or_default() += count;
        }
        for (worker, count) in other.workers {
            *self.workers.entry(worker).or_default() += count;
        }
    }

    fn record(&mut self, began: Instant, answer: Result<Answer>) {
        let reason = match answer {
            Ok(answer) if answer.status == 200 => {
                self.answered += 1;
                *self.nodes.entry(answer.node().to_owned()).or_default() += 1;
                *self.workers.entry(answer.worker()).or_default() += 1;
                return;
            }
            Ok(answer) => format!("status {} from worker {}", answer.status, answer.worker()),
            Err(error) => error.to_string(),
        };
        self.failures.push(Failure { began, ended: Instant::now(), reason });
    }

    /// Fails unless there were requests, and none of them failed.
    ///
    /// # Errors
    ///
    /// The number of failures and the first of them.
    pub fn without_failure(&self) -> Result<()> {
        ensure!(self.answered > 0, "no request was answered");
        let first = self.failures.first();
        ensure!(first.is_none(), "{} of {} failed: {first:?}", self.failures.len(), self.answered);
        Ok(())
    }
}

/// Running clients. Dropping it ends them.
#[derive(Debug)]
pub struct Load {
    clients: JoinSet<Report>,
    stop: CancellationToken,
}

impl Load {
    /// Starts `count` clients that ask for a path.
    pub fn start(address: &str, path: &str, clients: Clients, count: usize) -> Self {
        let (mut set, stop) = (JoinSet::new(), CancellationToken::new());
        for _ in 0..count {
            set.spawn(ask(address.to_owned(), path.to_owned(), clients, stop.clone()));
        }
        Self { clients: set, stop }
    }

    /// Lets each client finish its present request, and gives what became of all.
    ///
    /// # Errors
    ///
    /// When a client itself failed.
    pub async fn stop(mut self) -> Result<Report> {
        self.stop.cancel();
        let mut report = Report::default();
        while let Some(of_client) = self.clients.join_next().await {
            report.merge(of_client?);
        }
        Ok(report)
    }
}

async fn ask(address: String, path: String, clients: Clients, stop: CancellationToken) -> Report {
    let mut report = Report::default();
    let mut connection = None;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let answer = match clients {
            Clients::Fresh => get(&address, &path).await,
            Clients::KeepAlive => ask_again(&mut connection, &address, &path).await,
        };
        if answer.is_err() {
            connection = None;
        }
        report.record(began, answer);
    }
    report
}

async fn ask_again(
    connection: &mut Option<Connection>,
    address: &str,
    path: &str,
) -> Result<Answer> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::open(address).await?),
    };
    open.get(path).await
}
