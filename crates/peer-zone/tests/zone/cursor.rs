//! Rows that are read in steps, between which the table changes.

use std::collections::{BTreeMap, BTreeSet};

use peer_zone::{PeerSpec, RowCursor, Table};

use crate::{
    fixture::{Fixture, peer, pick, publish, server, with},
    random::Random,
};

const ROUNDS: usize = 300;

fn key_of(table: &Table<'_>, position: usize) -> String {
    let row = table.row(position).expect("a row");
    row.peer.key.map_or_else(String::new, |key| String::from_utf8_lossy(key).into_owned())
}

fn specs(peers: &BTreeMap<u64, (u64, bool)>, servers: u64) -> Vec<PeerSpec> {
    let lines = (0..servers).map(|number| server(&format!("line-{}", number / 2)));
    let keyed = peers.iter().map(|(number, (address, backup))| {
        with(peer(&format!("key-{number:03}"), &format!("{address}")), |parameters| {
            parameters.backup = *backup;
        })
    });
    lines.chain(keyed).collect()
}

#[test]
fn row_that_stays_in_its_group_comes_once_whatever_changes_in_between() {
    let mut random = Random::from_environment();
    for _ in 0..ROUNDS {
        let fixture = Fixture::new(1 << 20);
        let (mut publisher, mut worker) = (fixture.publisher(), fixture.worker());
        let servers = random.below(4);
        let mut peers: BTreeMap<u64, (u64, bool)> = (0..random.below(60))
            .map(|_| (random.below(100), (random.below(9), random.one_in(3))))
            .collect();
        publish(&mut publisher, &specs(&peers, servers)).expect("room");
        let first: BTreeMap<u64, (u64, bool)> = peers.clone();
        let mut changed = BTreeSet::new();
        let last_id = fixture.zone.last_id();
        let mut cursor = RowCursor::default();
        let mut seen: Vec<(u64, String)> = Vec::new();
        loop {
            let table = worker.table().expect("a table");
            let mut position = table.resume(&cursor);
            for _ in 0..random.below(8) {
                let Some(id) = table.id_at(position) else { break };
                if !fixture.zone.is_made_after(id, last_id) {
                    seen.push((id, key_of(&table, position)));
                }
                position += 1;
            }
            let is_over = table.id_at(position).is_none();
            cursor = table.cursor(position);
            drop(table);
            if is_over {
                break;
            }
            if random.one_in(2) {
                let number = random.below(100);
                changed.insert(number);
                match random.below(3) {
                    0 => drop(peers.remove(&number)),
                    1 => drop(peers.insert(number, (random.below(9), random.one_in(3)))),
                    _ => drop(peers.entry(number).and_modify(|(_, backup)| *backup = !*backup)),
                }
                publish(&mut publisher, &specs(&peers, servers)).expect("room");
            }
        }
        for number in first.keys().filter(|number| !changed.contains(number)) {
            let key = format!("key-{number:03}");
            let times = seen.iter().filter(|(_, seen)| *seen == key).count();
            assert_eq!(times, 1, "{key}");
        }
        let lines: BTreeSet<u64> =
            seen.iter().filter(|(_, key)| key.is_empty()).map(|(id, _)| *id).collect();
        assert_eq!(lines.len() as u64, servers, "each line once");
    }
}

#[test]
fn peers_with_a_key_are_found_in_both_groups() {
    let fixture = Fixture::new(1 << 18);
    let (mut publisher, mut worker) = (fixture.publisher(), fixture.worker());
    let backup = |spec| with(spec, |parameters| parameters.backup = true);
    let peers = [
        server("line"),
        server("line"),
        peer("a", "1"),
        peer("b", "1"),
        peer("b", "2"),
        backup(server("line")),
        backup(peer("c", "1")),
    ];
    publish(&mut publisher, &peers).expect("room");
    let table = worker.table().expect("a table");
    let found = |key: &str| -> Vec<String> {
        let positions = table.with_key(key.as_bytes()).into_iter().flatten();
        positions.map(|position| key_of(&table, position)).collect()
    };
    assert_eq!(found("a"), ["a"]);
    assert_eq!(found("b"), ["b", "b"]);
    assert_eq!(found("c"), ["c"]);
    assert_eq!(found(""), ["", "", ""]);
    assert_eq!(found("0"), [""; 0]);
    assert_eq!(found("d"), [""; 0]);
    let numbers: Vec<_> = (0..peers.len()).map(|position| table.number_of(position)).collect();
    assert_eq!(numbers, [1, 2, 1, 1, 1, 3, 1]);
    assert_eq!(table.listed(), peers.len());
}

#[test]
fn cursor_keeps_no_memory_of_the_zone() {
    let fixture = Fixture::new(1 << 20);
    let (mut publisher, mut worker) = (fixture.publisher(), fixture.worker());
    let fleet = |weight: u32| -> Vec<PeerSpec> {
        let peers = (0..200).map(|number| peer(&format!("{number:03}"), "a"));
        peers.map(|spec| with(spec, |parameters| parameters.weight = weight)).collect()
    };
    for weight in 1..4 {
        publish(&mut publisher, &fleet(weight)).expect("room");
    }
    let before = fixture.used();
    let cursor = worker.table().expect("a table").cursor(100);
    for weight in 4..8 {
        publish(&mut publisher, &fleet(weight)).expect("room");
    }
    assert!(fixture.used() <= before + 1_024, "{} after {before}", fixture.used());
    let table = worker.table().expect("a table");
    assert_eq!(key_of(&table, table.resume(&cursor)), "100");
}

#[test]
fn removed_peers_come_once_although_they_are_in_no_order() {
    let fixture = Fixture::new(1 << 18);
    let (mut publisher, mut worker) = (fixture.publisher(), fixture.worker());
    let all: Vec<_> = ["a", "b", "c", "d"].map(|key| peer(key, key)).into();
    publish(&mut publisher, &all).expect("room");
    let held: Vec<_> = (0..4).map(|_| pick(&mut worker, 0)).collect();
    publish(&mut publisher, &all[..3]).expect("room");
    publish(&mut publisher, &all[..1]).expect("room");
    let table = worker.table().expect("a table");
    assert_eq!((table.listed(), key_of(&table, 1)), (1, "d".to_owned()));
    let cursor = table.cursor(2);
    drop(table);
    publish(&mut publisher, &[]).expect("room");
    let table = worker.table().expect("a table");
    let next = table.resume(&cursor);
    let rest: BTreeSet<_> = (next..4).map(|position| key_of(&table, position)).collect();
    assert!(!rest.contains("d") && rest.contains("b") && rest.contains("c"), "{rest:?}");
    drop(held);
}
