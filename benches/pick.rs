//! How long a pick and its release take, straight from the crate peer-zone: what a request pays beside nginx's own work.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    hint::black_box,
    ptr::NonNull,
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use peer_zone::{Desired, Outcome, Parameters, Pick, Publisher, Zone, protocol::Publishing};

/// Numbers of peers; the last is beyond what any of nginx's own methods can be used with.
const PEERS: [u32; 5] = [2, 100, 1_000, 10_000, 100_000];
/// Bytes of zone per peer: a peer takes about 200, its place in two tables another 100.
const ZONE_PER_PEER: usize = 512;
/// Bytes of zone besides: the header, the list of workers and two empty tables.
const ZONE_AT_LEAST: usize = 1 << 20;
/// Any second will do: no peer fails.
const NOW: u32 = 1_000;

/// Memory for a zone.
struct Memory {
    base: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size, 64).expect("a layout");
        // SAFETY: the size is not 0.
        let base =
            NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        Self { base, layout }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was allocated so.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}

fn peer(number: u32) -> Desired {
    let name = format!("10.{}.{}.{}:80", number >> 16, number >> 8 & 0xff, number & 0xff);
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
    Desired {
        key: Some(format!("node-{number}").into()),
        // As long as a `sockaddr_in`.
        socket_address: [&[2, 0, 0, 80], &number.to_be_bytes()[..], &[0; 8]].concat().into(),
        name: name.into(),
        parameters,
    }
}

fn pick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick and release");
    for peers in PEERS {
        let memory = Memory::new(ZONE_AT_LEAST + peers as usize * ZONE_PER_PEER);
        // SAFETY: the memory is used by nothing else, and stays until after the last use of the zone.
        let zone = unsafe { Zone::format(memory.base, memory.layout.size(), 1) }.expect("large enough");
        // SAFETY: there is no other publisher.
        let mut publisher = unsafe { Publisher::take_over(zone, &Publishing::unshared()) };
        publisher.publish((0..peers).map(peer).collect(), &Publishing::unshared()).expect("they fit");
        let mut worker = zone.join(1, 1).expect("a free entry");
        group.bench_function(BenchmarkId::from_parameter(peers), |bencher| {
            bencher.iter(|| match worker.pick(black_box(NOW), |_| false, false) {
                Pick::Peer(held) => {
                    black_box(worker.peer(&held));
                    worker.release(held, Outcome::Answered, black_box(NOW));
                }
                Pick::Busy => panic!("no peer"),
            });
        });
    }
}

criterion_group!(benches, pick);
criterion_main!(benches);
