//! Who sees a change, and when: a bare watch, and each worker.
//!
//! All count changes in the same way: the first after the start is number 1. So what one shows can
//! be held against what another does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Instant;

use etcd_client::{Client as EtcdClient, WatchOptions};
use harness::{Etcd, PREFIX, Result, SOON, ensure};

use crate::client::Client;

/// The number of an observer: the bare watch is 0, the workers follow.
type Observer = usize;

/// An observer has seen a change, and so all before it.
struct Sight {
    observer: Observer,
    change: i64,
    at: Instant,
}

/// How a worker shows that it has seen a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Its `$etcd_revision`: cheap to ask for, so that it is seen at once.
    Revision,
    /// The node that a request came to is another than before: what a user of nginx sees.
    Node,
}

/// The threads that look, and what they have seen.
pub struct Observers {
    sights: Receiver<Result<Sight>>,
    /// For each observer: changes and when they were seen, in order.
    seen: Vec<Vec<(i64, Instant)>>,
    is_ending: Arc<AtomicBool>,
    poller: Option<JoinHandle<()>>,
}

/// Follows the prefix until etcd ends: as little as a program can do to see a change.
fn watch(url: &str, before: i64, sights: &Sender<Result<Sight>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = EtcdClient::connect([url], None).await?;
        let mut stream = client.watch(PREFIX, Some(WatchOptions::new().with_prefix())).await?;
        // etcd has the watch once it says so: a change from here on is seen.
        ensure!(stream.message().await?.is_some_and(|first| first.created()), "no watch");
        sights.send(Ok(Sight { observer: 0, change: 0, at: Instant::now() }))?;
        while let Some(message) = stream.message().await? {
            let at = Instant::now();
            ensure!(!message.canceled(), "cancelled: {}", message.cancel_reason());
            for event in message.events() {
                let change = event.kv().ok_or("an event without a key")?.mod_revision() - before;
                sights.send(Ok(Sight { observer: 0, change, at }))?;
            }
        }
        Ok(())
    })
}

/// Asks one worker after the other, without pause. One thread, so that at any time one of the
/// workers and it want a processor at most: with a thread for each there would be none left for
/// etcd, nor for the watchers.
fn poll(
    mut clients: Vec<Client>,
    sign: Sign,
    before: i64,
    is_ending: &AtomicBool,
    sights: &Sender<Result<Sight>>,
) -> Result<()> {
    // The first look is a sight, too: that of no change yet.
    let mut shown = vec![-1; clients.len()];
    let mut nodes = vec![String::new(); clients.len()];
    while !is_ending.load(Relaxed) {
        for (worker, client) in clients.iter_mut().enumerate() {
            let change = match sign {
                Sign::Revision => {
                    let text = client.get("/revision")?;
                    text.rsplit(' ').next().unwrap_or_default().parse::<i64>()? - before
                }
                Sign::Node => {
                    let node = client.get("/")?;
                    let is_other = nodes[worker] != node;
                    node.clone_into(&mut nodes[worker]);
                    shown[worker] + i64::from(is_other)
                }
            };
            if change > shown[worker] {
                shown[worker] = change;
                sights.send(Ok(Sight { observer: worker + 1, change, at: Instant::now() }))?;
            }
        }
    }
    Ok(())
}

impl Observers {
    /// Starts to look: at the prefix, and at each worker to which a client leads.
    ///
    /// # Errors
    ///
    /// When the watch does not come about.
    pub async fn start(etcd: &Etcd, clients: Vec<Client>, sign: Sign) -> Result<Self> {
        let (sender, sights) = channel();
        let (url, before) = (etcd.url(), etcd.revision().await?);
        let is_ending = Arc::new(AtomicBool::new(false));
        let seen = vec![Vec::new(); clients.len() + 1];
        spawn({
            let sender = sender.clone();
            move || {
                if let Err(error) = watch(&url, before, &sender) {
                    // Nobody listens any more where etcd has been ended after the measurement.
                    let _ = sender.send(Err(error));
                }
            }
        });
        let mut observers = Self { sights, seen, is_ending: is_ending.clone(), poller: None };
        while observers.seen[0].is_empty() {
            observers.receive()?;
        }
        observers.poller = Some(spawn(move || {
            if let Err(error) = poll(clients, sign, before, &is_ending, &sender) {
                let _ = sender.send(Err(error));
            }
        }));
        observers.wait_for(0)?;
        Ok(observers)
    }

    fn receive(&mut self) -> Result<()> {
        let sight =
            self.sights.recv_timeout(SOON).map_err(|_| "nobody saw anything for too long")??;
        self.seen[sight.observer].push((sight.change, sight.at));
        Ok(())
    }

    /// Waits until all have seen a change.
    ///
    /// # Errors
    ///
    /// When one does not.
    pub fn wait_for(&mut self, change: i64) -> Result<()> {
        while self.seen.iter().any(|seen| seen.last().is_none_or(|&(last, _)| last < change)) {
            self.receive()?;
        }
        Ok(())
    }

    /// How long after `began` a change was seen: by the bare watch, by the first worker, by the
    /// last one; in milliseconds.
    pub fn times(&self, change: i64, began: Instant) -> [f64; 3] {
        let first = |seen: &Vec<(i64, Instant)>| {
            let at =
                seen.iter().find(|&&(number, _)| number >= change).map_or(began, |&(_, at)| at);
            at.duration_since(began).as_secs_f64() * 1e3
        };
        let mut workers: Vec<f64> = self.seen[1..].iter().map(first).collect();
        workers.sort_unstable_by(f64::total_cmp);
        let [bare, first_worker] =
            [first(&self.seen[0]), workers.first().copied().unwrap_or_default()];
        [bare, first_worker, workers.last().copied().unwrap_or_default()]
    }
}

impl Drop for Observers {
    fn drop(&mut self) {
        self.is_ending.store(true, Relaxed);
        if let Some(poller) = self.poller.take() {
            let _ = poller.join();
        }
    }
}
