//! A zone in memory of its own, and short names for what every test does.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    ptr::NonNull,
};

use peer_zone::{
    Capacity, Changes, KeyProgress, LeastTime, Method, Now, Parameters, PeerSpec, Pick,
    PickContext, PickedPeer, Process, Publisher, RequestOutcome, ResponseTime, TableOptions,
    Withdrawn, Worker, Zone, ZoneFull, protocol::Publishing,
};

pub const METHODS: [Method; 10] = [
    Method::RoundRobin,
    Method::LeastConn,
    Method::Random,
    Method::RandomTwo,
    Method::LeastTime(LeastTime { time: ResponseTime::Header, is_inflight: false }),
    Method::LeastTime(LeastTime { time: ResponseTime::LastByte, is_inflight: true }),
    Method::PeakEwma,
    Method::Hash,
    Method::HashConsistent,
    Method::IpHash,
];

/// For how many processes there is room.
pub const PROCESSES: u32 = 48;

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
        Self::with(size, Capacity { workers, processes: PROCESSES })
    }

    pub fn with(size: usize, capacity: Capacity) -> Self {
        let layout = Layout::from_size_align(size, 64).expect("a layout");
        // SAFETY: the size is not 0.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })
            .unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: the memory is ours alone, and stays until `drop`; nothing made from the zone
        // outlives the fixture in a test.
        let zone = unsafe { Zone::format(base, size, capacity) }.expect("large enough");
        Self { base, layout, zone }
    }

    /// A publisher, after which there is no other: tests drop or forget the one before.
    pub fn publisher(&self) -> Publisher {
        // SAFETY: as said above.
        unsafe { Publisher::take_over(self.zone, &Publishing::unshared()) }
    }

    /// As [`Fixture::publisher`], for an upstream that needs these.
    pub fn publisher_with(&self, options: TableOptions) -> Publisher {
        let mut publisher = self.publisher();
        publisher.set_options(options, 0, &Publishing::unshared());
        publisher
    }

    pub fn publisher_of(&self, method: Method) -> Publisher {
        self.publisher_with(TableOptions { method, ..TableOptions::default() })
    }

    pub fn worker(&self) -> Worker {
        self.worker_of(1)
    }

    pub fn worker_of(&self, process: u32) -> Worker {
        self.zone.join(process_of(process), |_| true).expect("a free entry")
    }

    /// All of the memory, as it is just now, while nobody else uses it.
    pub fn bytes(&self) -> Vec<u8> {
        // SAFETY: it was allocated so, with zeroes, and stays until `drop`.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.layout.size()) }.to_vec()
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
pub fn peer(key: &str, address: &str) -> PeerSpec {
    PeerSpec { key: Some(key.into()), ..server(address) }
}

/// A peer of a `server` line.
pub fn server(address: &str) -> PeerSpec {
    PeerSpec {
        key: None,
        socket_address: address.as_bytes().into(),
        name: format!("[{address}]").into(),
        server: format!("[{address}]").into(),
        parameters: PARAMETERS,
        sticky: 0,
        route: None,
        labels: None,
        source: None,
        group: None,
        create_revision: 0,
        joined: 0,
    }
}

/// The peer with other parameters.
pub fn with(mut peer: PeerSpec, change: impl FnOnce(&mut Parameters)) -> PeerSpec {
    change(&mut peer.parameters);
    peer
}

pub fn publish(publisher: &mut Publisher, desired: &[PeerSpec]) -> Result<Changes, ZoneFull> {
    publisher.publish(desired.to_vec(), 0, &Publishing::unshared())
}

/// As [`publish`], at this time (ms).
pub fn publish_at(publisher: &mut Publisher, desired: &[PeerSpec], now: u64) -> Changes {
    publisher.publish(desired.to_vec(), now, &Publishing::unshared()).expect("room")
}

/// The process of this id.
pub fn process_of(id: u32) -> Process {
    Process::new(id, u64::from(id) * 10)
}

/// The one that the publisher is in.
pub fn publisher_process() -> Process {
    process_of(1_000_000)
}

pub fn collect_once(publisher: &mut Publisher) {
    publisher.reclaim_memory(publisher_process(), |_| true, &Publishing::unshared());
}

/// Until nothing more comes back, where every worker lives.
pub fn collect(publisher: &mut Publisher) {
    collect_with(publisher, |_| true);
}

pub fn collect_with(publisher: &mut Publisher, is_alive: impl Fn(Process) -> bool) {
    // Once to clear the columns of the dead and to publish a table without the removed, once to
    // free that one's predecessor.
    for _ in 0..3 {
        publisher.reclaim_memory(publisher_process(), &is_alive, &Publishing::unshared());
    }
}

pub fn try_pick(worker: &mut Worker, now: u32) -> Option<PickedPeer> {
    try_pick_but(worker, now, |_| false, false)
}

/// Without those that the request has tried.
pub fn try_pick_but(
    worker: &mut Worker,
    now: u32,
    tried: impl Fn(u64) -> bool,
    has_tried: bool,
) -> Option<PickedPeer> {
    match worker.pick(
        &PickContext::default(),
        &mut KeyProgress::default(),
        at(now),
        tried,
        has_tried,
    ) {
        Pick::Peer(held) => Some(held),
        Pick::Busy => None,
    }
}

/// By a method, without those that the request has tried.
pub fn pick_by(
    worker: &mut Worker,
    context: &PickContext<'_>,
    progress: &mut KeyProgress,
    now: Now,
    tried: &[u64],
) -> Option<PickedPeer> {
    match worker.pick(context, progress, now, |id| tried.contains(&id), !tried.is_empty()) {
        Pick::Peer(held) => Some(held),
        Pick::Busy => None,
    }
}

/// The first try of a request.
pub fn pick_first(worker: &mut Worker, context: &PickContext<'_>, now: Now) -> Option<PickedPeer> {
    pick_by(worker, context, &mut KeyProgress::default(), now, &[])
}

pub fn context(method: Method) -> PickContext<'static> {
    // The keyed methods need one; the others do not look at it.
    PickContext { method, key: b"key", sticky: None, ..PickContext::default() }
}

/// What the worker is told of peers that have left.
pub fn withdrawn(worker: &mut Worker, now: u64) -> Vec<Withdrawn> {
    let mut told = Vec::new();
    worker.read_withdrawals(now, |withdrawn| told.push(withdrawn));
    told
}

/// The ids of the peers that are listed, by their addresses.
pub fn ids(worker: &mut Worker) -> std::collections::BTreeMap<String, u64> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let Some(table) = worker.table() else { return std::collections::BTreeMap::new() };
    table
        .rows()
        .filter(|row| !row.is_removed)
        .map(|row| (text(row.peer.socket_address), row.peer.id))
        .collect()
}

pub fn pick(worker: &mut Worker, now: u32) -> PickedPeer {
    try_pick(worker, now).expect("a peer")
}

pub fn address(worker: &Worker, held: &PickedPeer) -> String {
    String::from_utf8(worker.peer(held).socket_address.to_vec()).expect("text")
}

/// This millisecond, in both clocks.
pub fn at_ms(milliseconds: u64) -> Now {
    Now { seconds: (milliseconds / 1_000) as u32, milliseconds }
}

/// This second, in both clocks.
pub fn at(seconds: u32) -> Now {
    Now { seconds, milliseconds: u64::from(seconds) * 1_000 }
}

/// The address that the next request gets, and an answer from it.
pub fn ask(worker: &mut Worker, now: u32) -> String {
    end(worker, now, RequestOutcome::Answered)
}

/// The address that the next request gets, and a failure there.
pub fn fail(worker: &mut Worker, now: u32) -> String {
    end(worker, now, RequestOutcome::Failed)
}

fn end(worker: &mut Worker, now: u32, outcome: RequestOutcome) -> String {
    let held = pick(worker, now);
    let address = address(worker, &held);
    worker.release(held, outcome, None, at(now));
    address
}

/// Key, address, open connections, and whether it is removed, of each row.
pub fn rows(worker: &mut Worker) -> Vec<(Option<String>, String, u32, bool)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let Some(table) = worker.table() else { return Vec::new() };
    table
        .rows()
        .map(|row| {
            (
                row.peer.key.map(text),
                text(row.peer.socket_address),
                row.connections.all(),
                row.is_removed,
            )
        })
        .collect()
}
