//! Clients that make small transactions, each on a connection of its own, and remember each.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use harness::*;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Between the beginnings of a client's transactions at least: PostgreSQL starts a process for each
/// connection, and where nobody is the primary, clients would do nothing but fail.
const PACE: Duration = Duration::from_millis(10);

/// A transaction that was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// When its connection was begun.
    pub(super) began: Instant,
    /// When it was acknowledged.
    pub(super) ended: Instant,
    /// What it has written.
    pub(super) number: i64,
    /// Where.
    pub(super) server: String,
}

/// A transaction that was not.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    /// When its connection was begun.
    pub(super) began: Instant,
    /// What happened; read where a test fails.
    #[allow(dead_code, reason = "it is printed")]
    pub(super) reason: String,
}

#[derive(Clone, Debug)]
enum Outcome {
    Made(Made),
    /// A server in recovery was behind the port.
    InRecovery,
    Failed(Failed),
}

/// What became of the transactions.
#[derive(Clone, Debug)]
pub(super) struct Report(Vec<Outcome>);

impl Report {
    pub(super) fn made(&self) -> impl Iterator<Item = &Made> {
        self.0.iter().filter_map(|outcome| match outcome {
            Outcome::Made(made) => Some(made),
            _ => None,
        })
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = &Failed> {
        self.0.iter().filter_map(|outcome| match outcome {
            Outcome::Failed(failed) => Some(failed),
            _ => None,
        })
    }

    pub(super) fn in_recovery(&self) -> usize {
        self.0.iter().filter(|outcome| matches!(outcome, Outcome::InRecovery)).count()
    }

    /// In a line, with the longest time in which no transaction was made.
    pub(super) fn summary(&self, written: Instant) -> String {
        let mut ends: Vec<_> = self.made().map(|made| made.ended).collect();
        ends.sort_unstable();
        let pause = ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        let after = self.made().filter(|made| made.began > written).map(|made| made.ended).min();
        let failures = self.failures().count();
        let late = self.failures().filter(|failed| failed.began > written).count();
        format!(
            "{} transactions, {failures} failures, {late} of them begun after the write, {} at a \
             replica; the first one begun after the write ended {:?} after it; none for {pause:?}",
            ends.len(),
            self.in_recovery(),
            after.map(|after| after - written),
        )
    }
}

/// Running clients. Dropping it ends them.
pub(super) struct Transactions {
    clients: JoinSet<()>,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
}

impl Transactions {
    /// Starts so many clients.
    pub(super) fn start(address: &str, count: usize) -> Self {
        let (mut clients, outcomes) = (JoinSet::new(), Arc::default());
        let numbers = Arc::new(AtomicI64::new(0));
        for _ in 0..count {
            clients.spawn(transact(
                address.to_owned(),
                Arc::clone(&numbers),
                Arc::clone(&outcomes),
            ));
        }
        Self { clients, outcomes }
    }

    /// Waits until so many more are made than now.
    ///
    /// # Errors
    ///
    /// When they are not soon.
    pub(super) async fn wait_for(&self, count: usize) -> Result<()> {
        let made = || self.report().made().count();
        let before = made();
        eventually(SOON, &format!("{count} more transactions"), async || {
            let last = || self.report().failures().last().cloned();
            ensure!(made() >= before + count, "{} since {before}, {:?}", made() - before, last());
            Ok(())
        })
        .await
    }

    fn report(&self) -> Report {
        Report(self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Ends the clients, and gives what became of all transactions.
    ///
    /// # Errors
    ///
    /// When a client itself failed.
    pub(super) async fn stop(mut self) -> Result<Report> {
        self.clients.shutdown().await;
        Ok(self.report())
    }
}

async fn transact(address: String, numbers: Arc<AtomicI64>, outcomes: Arc<Mutex<Vec<Outcome>>>) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let began = Instant::now();
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let outcome = match transaction(&address, number).await {
            Ok(Some(server)) => {
                Outcome::Made(Made { began, ended: Instant::now(), number, server })
            }
            Ok(None) => Outcome::InRecovery,
            Err(error) => Outcome::Failed(Failed { began, reason: error.to_string() }),
        };
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
    }
}

/// Where it was made; nowhere, if the server is in recovery.
async fn transaction(address: &str, number: i64) -> Result<Option<String>> {
    let mut session = Postgres::connect(address).await?;
    let rows = session.query("begin; select pg_is_in_recovery(), inet_server_port()").await?;
    let Some([recovery, port]) = rows.first().map(Vec::as_slice) else {
        return Err(format!("{rows:?}").into());
    };
    if recovery == "t" {
        return Ok(None);
    }
    let insert = format!("insert into acknowledged values ({number}); commit");
    session.query(&insert).await?;
    Ok(Some(format!("127.0.0.1:{port}")))
}
