//! How long a pick and its release take, straight from the crate peer-zone: what a request pays
//! beside nginx's own work.
//!
//! Three groups: each method by the number of peers; `least_conn` where every peer has connections,
//! beside an exact order of all peers; and the same two while another worker picks as well.

mod exact;
mod fleet;

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread::scope,
    time::Duration,
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use peer_zone::{
    KeyProgress, LeastTime, Method, Now, Pick, PickContext, PickedPeer, RequestOutcome,
    ResponseTime, Times, Worker,
};

use self::{exact::Order, fleet::Fleet};

/// Numbers of peers; the last is beyond what any of nginx's own methods can be used with.
const PEERS: [u32; 5] = [2, 100, 1_000, 10_000, 100_000];
const METHODS: [Method; 10] = [
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
/// Keys that requests have by turns: more than a processor's guesses of branches can learn by
/// heart.
const KEYS: u32 = 4_096;
/// Any moment will do: no peer fails.
const NOW: Now = Now { seconds: 1_000, milliseconds: 1_000_000 };
/// What a peer took to answer, in microseconds; likewise.
const RESPONSE_TIME: u32 = 2_000;
/// Open connections per peer, on average, where all are busy.
const BUSY: u32 = 4;

/// What each method finds its key in: text for `hash`, three bytes of an address for `ip_hash`.
fn keys(method: Method) -> Vec<Vec<u8>> {
    (0..KEYS)
        .map(|number| match method {
            Method::IpHash => number.wrapping_mul(0x9E37_79B9).to_be_bytes()[..3].to_vec(),
            _ => format!("/channel/{number:05}").into_bytes(),
        })
        .collect()
}

fn pick(worker: &mut Worker, method: Method, key: &[u8]) -> PickedPeer {
    let context =
        PickContext { method, key: black_box(key), sticky: None, ..PickContext::default() };
    match worker.pick(&context, &mut KeyProgress::default(), black_box(NOW), |_| false, false) {
        Pick::Peer(held) => held,
        Pick::Busy => panic!("no peer"),
    }
}

fn pick_and_release(worker: &mut Worker, method: Method, key: &[u8]) {
    let held = pick(worker, method, key);
    black_box(worker.peer(&held));
    let times = match method {
        Method::PeakEwma => Some(Times::Peak(RESPONSE_TIME)),
        Method::LeastTime(_) => {
            let milliseconds = RESPONSE_TIME / 1_000;
            Some(Times::Average { header: milliseconds, response: milliseconds })
        }
        _ => None,
    };
    worker.release(held, RequestOutcome::Answered, times, black_box(NOW));
}

fn each_method(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick and release");
    for method in METHODS {
        let keys = keys(method);
        for peers in PEERS {
            let fleet = Fleet::new(peers, method);
            let mut worker = fleet.worker(1);
            let mut key = keys.iter().cycle();
            group.bench_function(BenchmarkId::new(method.name(), peers), |bencher| {
                bencher.iter(|| {
                    let key = key.next().map(Vec::as_slice).unwrap_or_default();
                    pick_and_release(&mut worker, method, key);
                });
            });
        }
    }
}

/// Connections to all peers, never fewer than one; they stay open until the zone goes.
fn occupy(fleet: &Fleet, peers: u32) -> Vec<PickedPeer> {
    let mut worker = fleet.worker(2);
    let once = (0..peers).map(|_| Method::RoundRobin);
    let more = (0..peers * (BUSY - 1)).map(|_| Method::Random);
    once.chain(more).map(|method| pick(&mut worker, method, &[])).collect()
}

fn busy_least_conn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("all peers busy");
    for peers in PEERS {
        let fleet = Fleet::new(peers, Method::LeastConn);
        let occupied = occupy(&fleet, peers);
        let mut worker = fleet.worker(1);
        group.bench_function(BenchmarkId::new("least_conn", peers), |bencher| {
            bencher.iter(|| pick_and_release(&mut worker, Method::LeastConn, &[]));
        });
        drop(occupied);
        let order = Order::busy(peers, BUSY);
        group.bench_function(BenchmarkId::new("an exact order", peers), |bencher| {
            bencher.iter(|| order.release(black_box(order.pick())));
        });
    }
}

/// Has another thread do the same, as another worker would, for as long as `body` runs: until it is
/// told that it is over.
fn beside(other: impl Fn(&AtomicBool) + Sync, body: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    scope(|scope| {
        scope.spawn(|| other(&is_over));
        body();
        is_over.store(true, Relaxed);
    });
}

fn two_workers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("all peers busy, two workers");
    for peers in PEERS {
        let fleet = Fleet::new(peers, Method::LeastConn);
        let occupied = occupy(&fleet, peers);
        let other = |is_over: &AtomicBool| {
            let mut worker = fleet.worker(3);
            while !is_over.load(Relaxed) {
                pick_and_release(&mut worker, Method::LeastConn, &[]);
            }
            worker.leave();
        };
        let mut worker = fleet.worker(1);
        group.bench_function(BenchmarkId::new("least_conn", peers), |bencher| {
            beside(other, || {
                bencher.iter(|| pick_and_release(&mut worker, Method::LeastConn, &[]))
            });
        });
        drop(occupied);
        let order = Order::busy(peers, BUSY);
        let other = |is_over: &AtomicBool| {
            while !is_over.load(Relaxed) {
                order.release(black_box(order.pick()));
            }
        };
        group.bench_function(BenchmarkId::new("an exact order", peers), |bencher| {
            beside(other, || bencher.iter(|| order.release(black_box(order.pick()))));
        });
    }
}

fn short() -> Criterion {
    // Some sixty figures, each of nanoseconds: what criterion takes by default for each would be
    // ten minutes.
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args()
}

criterion_group! {
    name = benches;
    config = short();
    targets = each_method, busy_least_conn, two_workers
}
criterion_main!(benches);
