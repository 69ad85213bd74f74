//! What the ring of consistent hashing takes: bytes for each server, to find a key, to change one
//! server, and a step of a merge. Beside it, one sorted list of all points.
//!
//! A change is a server that comes and another one that goes, and includes the hashes of the points
//! of the one that comes.

mod flat;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hash_ring::{Base, Delta, EMPTY_BASE, Merge, Ring, STEP, View};

use self::flat::Flat;

const SERVERS: [u32; 4] = [10, 1_000, 10_000, 100_000];
/// How many servers have come, and as many gone, since the base was made.
const CHANGED: [u32; 3] = [0, 1, 60];
/// Keys by turns: more than a processor can learn by heart.
const KEYS: u32 = 65_536;

/// What is written after `server`.
fn name(number: u32) -> String {
    format!("10.{}.{}.{}:80", number >> 16, number >> 8 & 255, number & 255)
}

/// A ring with its base and its delta.
struct Rings {
    ring: Ring,
    base: Vec<u32>,
    delta: Vec<u32>,
    /// The slots of those that have gone, and of those that have come, are below these.
    gone: u32,
    come: u32,
}

impl Rings {
    fn new(servers: u32) -> Self {
        let mut ring = Ring::new();
        for slot in 0..servers {
            ring.add(slot, peer_balance::points(&name(slot), 1)).expect("a free slot");
        }
        let mut merge = ring.begin_merge().expect("not too large");
        let mut base = vec![0; merge.words()];
        let empty = Base::new(&EMPTY_BASE).expect("a base");
        assert!(merge.step(&empty, &mut base, usize::MAX).expect("its base"));
        ring.finish_merge(&merge).expect("it is complete");
        // Enough for any delta here.
        let mut rings = Self { ring, base, delta: vec![0; 1 << 16], gone: 0, come: servers };
        rings.publish();
        rings
    }

    fn publish(&mut self) {
        self.ring.write_delta(&mut self.delta).expect("enough words");
    }

    fn change(&mut self) {
        let hashes = peer_balance::points(&name(self.come), 1);
        self.ring.add(self.come, hashes).expect("a free slot");
        self.ring.remove(self.gone).expect("a server");
        self.publish();
        self.come += 1;
        self.gone += 1;
    }

    /// One that comes and goes again, so that the delta stays as large as it is.
    fn change_back(&mut self) {
        let slot = self.come + 1;
        let hashes = peer_balance::points(&name(slot), 1);
        self.ring.add(slot, hashes).expect("a free slot");
        self.publish();
        self.ring.remove(slot).expect("a server");
        black_box(self.ring.take_freed());
    }

    fn find(&self, hash: u32) -> Option<u32> {
        let base = Base::new(black_box(&self.base)).ok()?;
        let delta = Delta::new(black_box(&self.delta)).ok()?;
        View::new(base, delta).ok()?.find(hash, |one, other| one < other)
    }

    fn merge(&mut self) -> (Merge, Vec<u32>) {
        let merge = self.ring.begin_merge().expect("not too large");
        // Written to, as memory that was used before.
        let words = vec![1; merge.words()];
        (merge, words)
    }

    fn step(&self, (merge, words): &mut (Merge, Vec<u32>)) {
        let base = Base::new(&self.base).expect("a base");
        black_box(merge.step(&base, words, STEP).expect("its base"));
    }
}

fn keys() -> impl Iterator<Item = u32> {
    (0..KEYS).map(|number| peer_balance::key_hash(&number.to_be_bytes())).cycle()
}

fn each_size(criterion: &mut Criterion) {
    for servers in SERVERS {
        let flat = Flat::new(servers);
        let mut rings = Rings::new(servers);
        println!(
            "{servers} servers: {} bytes each in the base, {} in a flat list",
            size_of_val(&*rings.base) / servers as usize,
            flat.bytes() / servers as usize,
        );

        let mut find = criterion.benchmark_group("find");
        let mut keys = keys();
        find.bench_function(BenchmarkId::new("flat list", servers), |bencher| {
            bencher.iter(|| flat.find(keys.next().unwrap_or_default()));
        });
        for changed in CHANGED.into_iter().filter(|&changed| changed < servers) {
            while rings.gone < changed {
                rings.change();
            }
            let name = format!("base and delta of {changed}");
            find.bench_function(BenchmarkId::new(name, servers), |bencher| {
                bencher.iter(|| rings.find(keys.next().unwrap_or_default()));
            });
        }
        drop(find);

        let mut change = criterion.benchmark_group("change");
        change.bench_function(BenchmarkId::new("flat list", servers), |bencher| {
            bencher.iter(|| flat.with(servers, 0));
        });
        let name = format!("delta of {}", rings.gone);
        change.bench_function(BenchmarkId::new(name, servers), |bencher| {
            bencher.iter(|| rings.change_back());
        });
        drop(change);

        let mut merge = rings.merge();
        let mut group = criterion.benchmark_group("merge");
        group.bench_function(BenchmarkId::new("a step", servers), |bencher| {
            bencher.iter_custom(|steps| {
                let mut took = Duration::ZERO;
                for _ in 0..steps {
                    if merge.0.is_complete() {
                        merge = rings.merge();
                    }
                    let begun = Instant::now();
                    rings.step(&mut merge);
                    took += begun.elapsed();
                }
                took
            });
        });
    }
}

fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args()
}

criterion_group! {
    name = benches;
    config = short();
    targets = each_size
}
criterion_main!(benches);
