//! A zone with peers in it.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    ptr::NonNull,
    sync::Arc,
};

use peer_zone::{
    Capacity, Method, Parameters, PeerSpec, Process, Publisher, TableOptions, Worker, Zone,
    protocol::Publishing,
};

/// Bytes of zone per peer: a peer takes about 200, its place in each of two tables another 100.
const PER_PEER: usize = 512;
/// Bytes besides for `hash consistent`, which has 160 points of 8 bytes for each peer, in each of
/// two tables.
const RING_PER_PEER: usize = 2 * 160 * 8;
/// Bytes of zone besides: the header, the list of workers and an empty table.
const AT_LEAST: usize = 1 << 20;
/// As many as a small machine has: each worker here has a column of its own.
const CAPACITY: Capacity = Capacity { workers: 4, processes: 64 };

/// Peers of one weight, each with an address and a key of its own.
pub struct Fleet {
    base: NonNull<u8>,
    layout: Layout,
    zone: Zone,
}

// SAFETY: the zone is made to be used by many processes at a time; the memory is given back by
// whoever drops this.
unsafe impl Sync for Fleet {}

fn peer(number: u32) -> PeerSpec {
    let name: Arc<str> =
        format!("10.{}.{}.{}:80", number >> 16, number >> 8 & 0xff, number & 0xff).into();
    let parameters = Parameters {
        weight: 1,
        max_conns: 0,
        max_fails: 1,
        fail_timeout: 10,
        slow_start: 0,
        backup: false,
        down: false,
        drain: false,
    };
    PeerSpec {
        key: Some(format!("node-{number:06}").into()),
        // As long as a `sockaddr_in`.
        socket_address: [&[2, 0, 0, 80], &number.to_be_bytes()[..], &[0; 8]].concat().into(),
        server: Arc::clone(&name),
        name,
        sticky: 0,
        route: None,
        labels: None,
        source: None,
        group: None,
        create_revision: 0,
        joined: 0,
        parameters,
    }
}

impl Fleet {
    /// As many peers, in tables as this method needs them.
    pub fn new(peers: u32, method: Method) -> Self {
        let ring = if method == Method::HashConsistent { RING_PER_PEER } else { 0 };
        let size = AT_LEAST + peers as usize * (PER_PEER + ring);
        let layout = Layout::from_size_align(size, 64).expect("a layout");
        // SAFETY: the size is not 0.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })
            .unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: the memory is used by nothing else, and stays until `drop`; no worker here
        // outlives the fleet.
        let zone = unsafe { Zone::format(base, size, CAPACITY) }.expect("large enough");
        let publishing = Publishing::unshared();
        // SAFETY: there is no other publisher.
        let mut publisher = unsafe { Publisher::take_over(zone, &publishing) };
        publisher.set_options(TableOptions { method, ..TableOptions::default() }, 0, &publishing);
        publisher.publish((0..peers).map(peer).collect(), 0, &publishing).expect("they fit");
        Self { base, layout, zone }
    }

    /// The worker of this process id.
    pub fn worker(&self, process: u32) -> Worker {
        self.zone.join(Process::new(process, u64::from(process)), |_| true).expect("a free entry")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // SAFETY: it was allocated so.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}
