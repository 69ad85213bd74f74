//! Clients that open one session after the other, and remember each failure.

use std::time::Instant;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Failure, Report, Result, TcpSession};

/// Running clients. Dropping it ends them.
#[derive(Debug)]
pub struct TcpLoad {
    clients: JoinSet<Report>,
    stop: CancellationToken,
}

impl TcpLoad {
    /// Starts `count` clients. Each session is opened, hears the node's name, has something echoed,
    /// and is closed in order.
    pub fn start(address: &str, count: usize) -> Self {
        let (mut clients, stop) = (JoinSet::new(), CancellationToken::new());
        for _ in 0..count {
            clients.spawn(ask(address.to_owned(), stop.clone()));
        }
        Self { clients, stop }
    }

    /// Lets each client finish its present session, and gives what became of all.
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

async fn session(address: &str) -> Result<String> {
    let mut session = TcpSession::open(address).await?;
    session.echo("hello").await?;
    let node = session.node().to_owned();
    session.finish().await?;
    Ok(node)
}

async fn ask(address: String, stop: CancellationToken) -> Report {
    let mut report = Report::default();
    while !stop.is_cancelled() {
        let began = Instant::now();
        match session(&address).await {
            Ok(node) => {
                report.answered += 1;
                *report.nodes.entry(node).or_default() += 1;
            }
            Err(error) => report.failures.push(Failure {
                began,
                ended: Instant::now(),
                reason: error.to_string(),
            }),
        }
    }
    report
}
