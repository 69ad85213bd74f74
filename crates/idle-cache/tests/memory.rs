//! What the cache allocates: nothing once it is made, and nothing that it fills.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use idle_cache::{IdleCache, Peer};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Bytes that were asked for without a word of what is in them.
    static BYTES_TO_FILL: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts what the thread asks of it.
struct Counting;

// SAFETY: everything is passed on as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES_TO_FILL.set(BYTES_TO_FILL.get() + layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn only_new_allocates() {
    let mut cache = IdleCache::new(100, 150);
    let peer = |number: u64| Peer { index: (number % 150) as usize, id: number % 150 };
    let before = ALLOCATIONS.get();
    for number in 0_u64..100_000 {
        let kept = cache.insert(peer(number.wrapping_mul(number)), number % 2, 3, number);
        let kept = kept.expect("a peer");
        match number % 5 {
            0 => drop(cache.take_newest(peer(number), number % 3)),
            1 => drop(cache.remove(kept.slot)),
            2 => drop(cache.pop_peer(peer(number))),
            _ => (),
        }
    }
    while cache.pop().is_some() {}
    assert_eq!(ALLOCATIONS.get(), before);
}

/// There is an index for each place in a zone: all workers together would fill many times as much
/// memory as the zone's peers take.
#[test]
fn memory_of_peers_without_items_is_not_touched() {
    let before = BYTES_TO_FILL.get();
    let cache = IdleCache::<u64>::new(10, 1 << 20);
    let filled = BYTES_TO_FILL.get() - before;
    assert!(filled < 4_096 && cache.is_empty(), "{filled} bytes");
}
