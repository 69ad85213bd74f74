//! Free ports.

use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use crate::Result;

/// The lowest port given out: above those of well-known services.
const LOWEST: u16 = 12_000;

/// A port of 127.0.0.1 that nobody listens on.
///
/// It lies below the range from which the system takes ports for clients and for listeners on port
/// 0, and none is given out twice by this process: so it stays free until its user binds it, and
/// between a server's stop and restart.
///
/// # Errors
///
/// When no port is left.
pub fn free_port() -> Result<u16> {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let end: u16 = range.split_whitespace().next().ok_or("an empty port range")?.parse()?;
    if end <= LOWEST {
        return Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port());
    }
    let count = end - LOWEST;
    // Test binaries that run at the same time begin at different ports.
    let next = NEXT.get_or_init(|| {
        AtomicU16::new((u64::from(std::process::id()) * 97 % u64::from(count)) as u16)
    });
    for _ in 0..count {
        let port = LOWEST + next.fetch_add(1, Relaxed) % count;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port".into())
}
