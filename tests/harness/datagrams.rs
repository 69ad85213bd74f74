//! Nodes that answer datagrams, and clients that send them at a pace.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{Result, ensure};

/// A datagram: its number, and when it was sent.
const LENGTH: usize = 16;
/// A datagram whose answer has not come after as long is lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often datagrams become due.
const TICK: Duration = Duration::from_millis(1);
/// What times of datagrams are counted from.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds, never 0.
fn now() -> u64 {
    BEGAN.elapsed().as_nanos() as u64 + 1
}

/// A node that sends each datagram back. It ends when this is dropped.
#[derive(Debug)]
pub struct DatagramNode {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    /// When the node was removed; 0 while it is not.
    removed: AtomicU64,
    received: AtomicU64,
    late: AtomicU64,
}

async fn answer(socket: UdpSocket, counts: Arc<Counts>) {
    let mut buffer = [0; LENGTH];
    loop {
        // A client that has gone is an error of the next call; nginx has logged it.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        counts.received.fetch_add(1, Relaxed);
        let removed = counts.removed.load(Relaxed);
        if removed > 0 && when_sent(&buffer) > removed {
            counts.late.fetch_add(1, Relaxed);
        }
        let _ = socket.send_to(&buffer[..length], client).await;
    }
}

fn datagram(number: u64) -> [u8; LENGTH] {
    let mut datagram = [0; LENGTH];
    datagram[..8].copy_from_slice(&number.to_le_bytes());
    datagram[8..].copy_from_slice(&now().to_le_bytes());
    datagram
}

fn when_sent(datagram: &[u8; LENGTH]) -> u64 {
    let [_, _, _, _, _, _, _, _, time @ ..] = *datagram;
    u64::from_le_bytes(time)
}

impl DatagramNode {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// Those of binding.
    pub async fn start(address: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let (address, counts) = (socket.local_addr()?, Arc::new(Counts::default()));
        let task = tokio::spawn(answer(socket, counts.clone()));
        Ok(Self { address, counts, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is sent from now on must not come here: the node has been removed.
    pub fn leave(&self) {
        self.counts.removed.store(now(), Relaxed);
    }

    /// What is sent may come here again: the node will be added.
    pub fn join(&self) {
        self.counts.removed.store(0, Relaxed);
    }

    /// Datagrams that have come.
    pub fn received(&self) -> u64 {
        self.counts.received.load(Relaxed)
    }

    /// Those of them that were sent when the node had been removed.
    pub fn late(&self) -> u64 {
        self.counts.late.load(Relaxed)
    }
}

impl Drop for DatagramNode {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What became of datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub struct DatagramReport {
    /// Datagrams that were sent.
    pub sent: u64,
    /// Those whose answer has not come.
    pub lost: u64,
    /// Of sending.
    pub time: Duration,
}

#[derive(Debug)]
struct Work {
    address: SocketAddr,
    /// Datagrams that are due. Closed at the end.
    due: Semaphore,
    sent: AtomicU64,
    lost: AtomicU64,
}

/// Clients with a socket each, which send a datagram when one is due and wait for its answer:
/// together they send at a pace, and never have more under way than they are.
#[derive(Debug)]
pub struct DatagramLoad {
    work: Arc<Work>,
    began: Instant,
    clients: JoinSet<Result<()>>,
    pacer: JoinHandle<()>,
}

async fn open(address: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// Waits for the answer to this datagram.
async fn answered(socket: &UdpSocket, sent: &[u8; LENGTH]) -> Result<()> {
    let mut buffer = [0; LENGTH];
    let length = socket.recv(&mut buffer).await?;
    ensure!(buffer[..length] == *sent, "another answer: {}", buffer[..length].escape_ascii());
    Ok(())
}

async fn send(work: Arc<Work>) -> Result<()> {
    let mut socket = open(work.address).await?;
    while let Ok(due) = work.due.acquire().await {
        due.forget();
        let datagram = datagram(work.sent.fetch_add(1, Relaxed));
        socket.send(&datagram).await?;
        if !timeout(PATIENCE, answered(&socket, &datagram)).await.is_ok_and(|come| come.is_ok()) {
            work.lost.fetch_add(1, Relaxed);
            // To nginx another one is a new client, so that its datagram begins a session.
            socket = open(work.address).await?;
        }
    }
    Ok(())
}

async fn pace(work: Arc<Work>, rate: u32) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (began, mut given) = (Instant::now(), 0);
    while !work.due.is_closed() {
        ticks.tick().await;
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as usize;
        work.due.add_permits(due - given);
        given = due;
    }
}

impl DatagramLoad {
    /// Starts so many clients, which send to `HOST:PORT` as many datagrams a second as `rate` says.
    ///
    /// # Errors
    ///
    /// Where the address is none.
    pub fn start(address: &str, rate: u32, clients: usize) -> Result<Self> {
        let work = Arc::new(Work {
            address: address.parse()?,
            due: Semaphore::new(0),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            tasks.spawn(send(work.clone()));
        }
        let pacer = tokio::spawn(pace(work.clone(), rate));
        Ok(Self { work, began: Instant::now(), clients: tasks, pacer })
    }

    /// Datagrams that have been sent so far.
    pub fn sent(&self) -> u64 {
        self.work.sent.load(Relaxed)
    }

    /// Sends no more, and waits for the answers.
    ///
    /// # Errors
    ///
    /// Those of the sockets.
    pub async fn stop(mut self) -> Result<DatagramReport> {
        self.work.due.close();
        let time = self.began.elapsed();
        while let Some(ended) = self.clients.join_next().await {
            ended??;
        }
        Ok(DatagramReport {
            sent: self.work.sent.load(Relaxed),
            lost: self.work.lost.load(Relaxed),
            time,
        })
    }
}

impl Drop for DatagramLoad {
    fn drop(&mut self) {
        self.pacer.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::{DatagramLoad, DatagramNode};
    use crate::{Result, SOON, ensure, eventually};

    #[tokio::test]
    async fn datagrams_to_a_removed_node_are_late() -> Result<()> {
        let node = DatagramNode::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let load = DatagramLoad::start(&node.address().to_string(), 1_000, 4)?;
        let received = async |least: u64| {
            eventually(SOON, "datagrams have come", async || {
                ensure!(node.received() >= least, "{}", node.received());
                Ok(())
            })
            .await
        };
        received(10).await?;
        assert_eq!(node.late(), 0);
        node.leave();
        received(node.received() + 10).await?;
        assert!(node.late() > 0);
        let report = load.stop().await?;
        assert_eq!((report.sent, report.lost), (node.received(), 0));
        Ok(())
    }
}
