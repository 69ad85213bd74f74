//! Free ports.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

use crate::Result;

/// The lowest port given out: above those of well-known services.
const LOWEST: u16 = 12_000;

/// Ports that a process takes for itself at a time.
const BLOCK: u16 = 32;

/// The blocks that this process has, each held for as long as it runs, and the next port of the
/// last one.
static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks { held: Vec::new(), round: 0, next: 0, end: 0 });

struct Blocks {
    /// Sockets whose names stand for the blocks: of two processes only one can have a name, and
    /// whichever way it ends, the name is free again.
    held: Vec<(UnixListener, u16)>,
    /// Where it takes its own ones again, since there are no others: the next of them.
    round: usize,
    next: u16,
    end: u16,
}

/// A port of 127.0.0.1 that nobody listens on.
///
/// It lies below the range from which the system takes ports for clients and for listeners on port
/// 0, and is given out twice neither by this process, until all have been, nor by another one that
/// runs beside it: so it stays free until its user binds it, and between a server's stop and
/// restart.
///
/// # Errors
///
/// When no port is left.
pub fn free_port() -> Result<u16> {
    let mut blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let end: u16 = range.split_whitespace().next().ok_or("an empty port range")?.parse()?;
    if end < LOWEST + BLOCK {
        return Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port());
    }
    for _ in LOWEST..end {
        if blocks.next == blocks.end {
            blocks.take_another((end - LOWEST) / BLOCK)?;
        }
        let port = blocks.next;
        blocks.next += 1;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port".into())
}

impl Blocks {
    /// Takes the next of `count` blocks that nobody has, from one on that differs by process: what
    /// a test that has ended used is then not used again at once.
    fn take_another(&mut self, count: u16) -> Result<()> {
        let first = u64::from(std::process::id()) * 97 + self.held.len() as u64;
        for block in (0..u64::from(count)).map(|number| (first + number) % u64::from(count)) {
            let name = SocketAddr::from_abstract_name(format!("firehose-router-ports-{block}"))?;
            if let Ok(socket) = UnixListener::bind_addr(&name) {
                self.held.push((socket, LOWEST + block as u16 * BLOCK));
                self.round = self.held.len() - 1;
                break;
            }
        }
        let (_, first) = self.held.get(self.round).ok_or("no free port")?;
        (self.next, self.end) = (*first, first + BLOCK);
        self.round = (self.round + 1) % self.held.len();
        Ok(())
    }
}
