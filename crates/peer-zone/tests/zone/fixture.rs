//! A zone in memory of its own, and short names for what every test does.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    ptr::NonNull,
};

use peer_zone::{
    Changes, Desired, Full, Held, Outcome, Parameters, Pick, Publisher, Worker, Zone, protocol::Publishing,
};

/// Memory that stays for as long as this does, and the zone in it.
pub struct Fixture {
    base: NonNull<u8>,
    layout: Layout,
    pub zone: Zone,
}

impl Fixture {
    pub fn new(size: usize) -> Self {
        Self::with_workers(size, 2)
    }

    pub fn with_workers(size: usize, workers: u32) -> Self {
        let layout = Layout::from_size_align(size, 64).expect("a layout");
        // SAFETY: the size is not 0.
        let base =
            NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: the memory is ours alone, and stays until `drop`; nothing made from the zone outlives the fixture in a test.
        let zone = unsafe { Zone::format(base, size, workers) }.expect("large enough");
        Self { base, layout, zone }
    }

    /// A publisher, after which there is no other: tests drop or forget the one before.
    pub fn publisher(&self) -> Publisher {
        // SAFETY: as said above.
        unsafe { Publisher::take_over(self.zone, &Publishing::unshared()) }
    }

    pub fn worker(&self) -> Worker {
        self.worker_of(1)
    }

    pub fn worker_of(&self, process: u32) -> Worker {
        self.zone.join(process, u64::from(process) * 10).expect("a free entry")
    }

    pub fn used(&self) -> usize {
        self.zone.statistics().used
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // SAFETY: it was allocated so.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}

pub const PARAMETERS: Parameters = Parameters {
    weight: 1,
    max_conns: 0,
    max_fails: 1,
    fail_timeout: 10,
    slow_start: 0,
    backup: false,
    down: false,
    drain: false,
};

/// A peer of etcd's.
pub fn peer(key: &str, address: &str) -> Desired {
    Desired { key: Some(key.into()), ..server(address) }
}

/// A peer of a `server` line.
pub fn server(address: &str) -> Desired {
    Desired {
        key: None,
        socket_address: address.as_bytes().into(),
        name: format!("[{address}]").into(),
        parameters: PARAMETERS,
    }
}

/// The peer with other parameters.
pub fn with(mut peer: Desired, change: impl FnOnce(&mut Parameters)) -> Desired {
    change(&mut peer.parameters);
    peer
}

pub fn publish(publisher: &mut Publisher, desired: &[Desired]) -> Result<Changes, Full> {
    publisher.publish(desired.to_vec(), &Publishing::unshared())
}

/// Until nothing more comes back, where every worker lives.
pub fn collect(publisher: &mut Publisher) {
    collect_with(publisher, |_, _| true);
}

pub fn collect_with(publisher: &mut Publisher, is_alive: impl Fn(u32, u64) -> bool) {
    // Once to clear the columns of the dead and to publish a table without the removed, once to free that one's predecessor.
    for _ in 0..3 {
        publisher.collect(&is_alive, &Publishing::unshared());
    }
}

pub fn try_pick(worker: &mut Worker, now: u32) -> Option<Held> {
    match worker.pick(now, |_| false, false) {
        Pick::Peer(held) => Some(held),
        Pick::Busy => None,
    }
}

pub fn pick(worker: &mut Worker, now: u32) -> Held {
    try_pick(worker, now).expect("a peer")
}

pub fn address(worker: &Worker, held: &Held) -> String {
    String::from_utf8(worker.peer(held).socket_address.to_vec()).expect("text")
}

/// The address that the next request gets, and an answer from it.
pub fn ask(worker: &mut Worker, now: u32) -> String {
    end(worker, now, Outcome::Answered)
}

/// The address that the next request gets, and a failure there.
pub fn fail(worker: &mut Worker, now: u32) -> String {
    end(worker, now, Outcome::Failed)
}

fn end(worker: &mut Worker, now: u32, outcome: Outcome) -> String {
    let held = pick(worker, now);
    let address = address(worker, &held);
    worker.release(held, outcome, now);
    address
}

/// Key, address, open connections, and whether it is removed, of each row.
pub fn rows(worker: &mut Worker) -> Vec<(Option<String>, String, u32, bool)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let Some(table) = worker.table() else { return Vec::new() };
    table
        .rows()
        .map(|row| (row.peer.key.map(text), text(row.peer.socket_address), row.connections, row.is_removed))
        .collect()
}
