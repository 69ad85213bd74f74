//! What a peer takes of the zone, by what its upstream needs.

use peer_zone::{Method, PeerSpec, TableOptions};

use crate::fixture::{Fixture, peer, publish};

/// A peer like most: an IPv4 address, and a key of twelve bytes.
fn ordinary(index: usize) -> PeerSpec {
    let name = format!("10.0.{}.{}:8080", 100 + index / 100, 100 + index % 100);
    PeerSpec {
        // The size of a `sockaddr_in`.
        socket_address: format!("{index:016}").as_bytes().into(),
        name: name.as_str().into(),
        server: name.as_str().into(),
        sticky: index as u64 + 1,
        ..peer(&format!("node-{index:07}"), "")
    }
}

/// Bytes for each peer: those that stay taken, and those of them that are the table's, which is
/// there twice while it changes.
fn bytes_per_peer(options: TableOptions) -> (usize, usize) {
    const PEERS: usize = 1_000;
    let taken = |peers: usize| {
        let fixture = Fixture::with_workers(1 << 23, 4);
        let mut publisher = fixture.publisher_with(options);
        let peers: Vec<PeerSpec> = (0..peers).map(ordinary).collect();
        publish(&mut publisher, &peers).expect("room");
        let before = fixture.used();
        // A pinned table shows how large it is.
        let mut worker = fixture.worker();
        let table = worker.table().expect("a table");
        let mut others = peers;
        others[0].parameters.max_fails = 7;
        publish(&mut publisher, &others).expect("room");
        let of_table = fixture.used() - before;
        drop(table);
        (before, of_table)
    };
    let (few, many) = (taken(PEERS), taken(2 * PEERS));
    ((many.0 - few.0) / PEERS, (many.1 - few.1) / PEERS)
}

#[test]
fn a_peer_takes_so_many_bytes() {
    /// In the base of a ring of 2 000 servers: less than 30 bits for a point.
    const POINTS: usize = 565;
    let options =
        |method, is_sticky| TableOptions { method, is_sticky, checking: None, is_grouped: false };
    // The peer itself, with columns for four workers, and its entry; in a table that one's place,
    // and 8 bytes for an order by weights.
    let sizes = [
        (options(Method::RoundRobin, false), 208 + 32, 4 + 8),
        (options(Method::RoundRobin, true), 208 + 32, 4 + 8 + 4),
        (options(Method::Hash, false), 208 + 32, 4 + 8 + 8),
        // A slot of the ring. The points of a weight of 1 are in the base of the ring, which tables
        // share.
        (options(Method::HashConsistent, false), 208 + 32 + POINTS, 4 + 8 + 4),
    ];
    for (options, of_peer, of_table) in sizes {
        let found = bytes_per_peer(options);
        println!("{}, cookies: {}: {found:?}", options.method.name(), options.is_sticky);
        // Blocks are rounded up, by less than one for each thousand peers.
        assert!(
            found.0.abs_diff(of_peer + of_table) <= 1 && found.1.abs_diff(of_table) <= 1,
            "{options:?}: {found:?}"
        );
    }
}

#[test]
fn a_peer_stays_small_with_a_great_many_workers() {
    let taken = |workers| {
        let fixture = Fixture::with_workers(1 << 23, workers);
        let mut publisher = fixture.publisher();
        let none = fixture.used();
        let peers: Vec<PeerSpec> = (0..1_000).map(ordinary).collect();
        publish(&mut publisher, &peers).expect("room");
        (fixture.used() - none) / peers.len()
    };
    let (few, many) = (taken(4), taken(1_024));
    assert!(many <= few + 4 * (64 - 8), "{many} bytes a peer, {few} with few workers");
}

/// What docs/reference/limits.md guarantees of 1m: the old table and the new one are there while
/// it changes, each with its base, and workers may have both pinned before a collection.
#[test]
fn a_megabyte_holds_450_peers_of_a_ring_in_steps_of_any_size() {
    const PEERS: usize = 450;
    for step in [1, 10, 50, 100, PEERS] {
        let fixture = Fixture::with_workers(1 << 20, 4);
        let mut publisher = fixture.publisher_of(Method::HashConsistent);
        let wanted: Vec<PeerSpec> = (0..PEERS).map(ordinary).collect();
        let steps = (step..PEERS).step_by(step).chain([PEERS]);
        let mut reader = fixture.worker();
        for count in steps {
            let _pinned = reader.table();
            publish(&mut publisher, &wanted[..count])
                .unwrap_or_else(|full| panic!("{count} in steps of {step}: {full:?}"));
        }
        assert_eq!(publisher.count(), PEERS);
    }
}
