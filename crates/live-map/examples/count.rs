use live_map::*;
use std::hint::black_box;
use std::sync::atomic::AtomicU64;
#[inline(never)]
pub fn exact(map: SharedMap<'_>, name: &[u8], into: &mut [u8]) -> usize {
    let Some(name) = Name::exact(name) else { return 0 };
    map.get(&name, |found| {
        let n = found.len().min(into.len());
        found.copy_to(&mut into[..n]);
        n
    })
    .ok()
    .flatten()
    .unwrap_or(0)
}
#[inline(never)]
pub fn host(map: SharedMap<'_>, name: &[u8], into: &mut [u8]) -> usize {
    map.get_host(name, |found| {
        let n = found.len().min(into.len());
        found.copy_to(&mut into[..n]);
        n
    })
    .ok()
    .flatten()
    .unwrap_or(0)
}
#[inline(never)]
pub fn splits(value: &[u8], key: &[u8]) -> usize {
    split::choose(value, key).map_or(0, |n| n.len())
}
#[inline(never)]
pub fn new(words: &[AtomicU64]) -> SharedMap<'_> {
    SharedMap::new(words)
}
fn main() {
    let mut args = std::env::args().skip(1);
    let n: usize = args.next().unwrap().parse().unwrap();
    let what = args.next().unwrap();
    let words: Vec<AtomicU64> = (0..2 << 20).map(|_| AtomicU64::new(0)).collect();
    let mut w = MapWriter::take_over(&words, false);
    let key = |i: usize| format!("host-{i:07}.acme.com"); // 21
    let key = |i: usize| key(i)[1..].to_string(); // 20
    assert_eq!(key(1).len(), 20);
    let began = std::time::Instant::now();
    for i in 0..n {
        w.put(&Name::exact(key(i).as_bytes()).unwrap(), b"service-42").unwrap();
    }
    eprintln!("{} ns/put", began.elapsed().as_nanos() as usize / n.max(1));
    if what != "host-plain" {
        w.put(&hosts::parse(b"*.example.com").unwrap(), b"service-43").unwrap();
    }
    w.publish(Tag::default());
    let map = new(black_box(&words));
    let mut into = [0; 64];
    let mut sum = 0;
    let rounds = 1000;
    let began = std::time::Instant::now();
    for i in 0..rounds {
        let k = key((i * 7919) % n);
        let k = k.as_bytes();
        sum += match &*what {
            "exact" => exact(map, black_box(k), &mut into),
            "host-exact" | "host-plain" => host(map, black_box(k), &mut into),
            "mask" => host(map, black_box(b"www.shop.example.com"), &mut into),
            "miss" => host(map, black_box(b"www.shop.nothing.org"), &mut into),
            "split" => splits(black_box(b"web-v1 90, web-v2 10"), black_box(k)),
            _ => 0,
        };
    }
    eprintln!("{sum} {} ns", began.elapsed().as_nanos() / rounds as u128);
}
