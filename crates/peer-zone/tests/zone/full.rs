//! A zone without room for all: as many as fit are published, what is there stays, what is gone
//! goes, and with room all is as if nothing had been.

use std::collections::{BTreeMap, BTreeSet};

use peer_zone::{
    Changes, Method, PeerSpec, Publisher, RequestOutcome, TableOptions, ZoneFull,
    protocol::Publishing,
};
use proptest::prelude::*;

use crate::fixture::{Fixture, ask, at, collect, peer, pick, publish, rows, server, with};

fn peers(count: usize) -> Vec<PeerSpec> {
    (0..count).map(|index| peer(&format!("node-{index:04}"), &index.to_string())).collect()
}

/// As many peers as fit into the zone when they come at once.
fn most(fixture: &Fixture) -> usize {
    let mut publisher = fixture.publisher();
    let fits = (1..).take_while(|&count| {
        let fits = publish(&mut publisher, &peers(count)).is_ok();
        publish(&mut publisher, &[]).expect("what is gone can go");
        collect(&mut publisher);
        fits
    });
    fits.last().expect("one at least")
}

/// As a caller of the publisher does: how many are left out is noted.
fn publish_noted(
    fixture: &Fixture,
    publisher: &mut Publisher,
    desired: &[PeerSpec],
) -> Result<Changes, ZoneFull> {
    let result = publish(publisher, desired);
    fixture.zone.set_left_out(result.as_ref().err().map_or(0, |full| full.left_out));
    result
}

/// Until nothing more comes back, and nothing more fits.
fn settle(
    fixture: &Fixture,
    publisher: &mut Publisher,
    desired: &[PeerSpec],
) -> Result<Changes, ZoneFull> {
    loop {
        collect(publisher);
        let (free_count, result) =
            (publisher.free_count(), publish_noted(fixture, publisher, desired));
        if publisher.free_count() == free_count {
            return result;
        }
    }
}

fn keys(publisher: &Publisher) -> Vec<String> {
    publisher.listed().filter_map(|peer| peer.key.as_deref().map(str::to_owned)).collect()
}

#[test]
fn as_many_as_fit_are_there_and_the_first_ones() {
    let fixture = Fixture::new(1 << 16);
    let mut publisher = fixture.publisher();
    let wanted: Vec<PeerSpec> = [server("s")].into_iter().chain(peers(5_000)).collect();
    let full = publish_noted(&fixture, &mut publisher, &wanted).expect_err("no room for all");
    let count = publisher.count();
    assert!(count > 50, "{count}");
    assert_eq!((full.peers, full.left_out, full.changes.added), (5_001, 5_001 - count, count - 1));
    assert!(publisher.listed().eq(&wanted[..count]), "the line, then by key");
    let (generation, used) = (publisher.generation(), fixture.used());
    for _ in 0..3 {
        let full = publish_noted(&fixture, &mut publisher, &wanted).expect_err("still");
        assert_eq!(*full.changes, Changes::default());
        assert_eq!(fixture.zone.left_out() as usize, full.left_out);
        assert_eq!((publisher.generation(), fixture.used()), (generation, used));
    }
    assert_eq!(ask(&mut fixture.worker(), 1), "s");
    // Nearly as many as when they are not too many.
    let most = most(&Fixture::new(1 << 16));
    assert!(count + 8 >= most, "{count} of {most}");
    publish_noted(&fixture, &mut publisher, &wanted[..10]).expect("few");
    assert_eq!(fixture.zone.statistics().left_out, 0);
}

#[test]
fn those_in_service_are_not_displaced() {
    let fixture = Fixture::new(1 << 16);
    let mut publisher = fixture.publisher();
    let last = [peer("z-1", "1"), peer("z-2", "2")];
    publish(&mut publisher, &last).expect("room");
    let wanted: Vec<PeerSpec> = last.iter().cloned().chain(peers(1_000)).collect();
    for _ in 0..2 {
        publish_noted(&fixture, &mut publisher, &wanted).expect_err("no room for all");
        let listed = keys(&publisher);
        assert!(
            listed.ends_with(&["z-1".to_owned(), "z-2".to_owned()]) && listed.len() > 50,
            "{listed:?}"
        );
        // Another publisher decides alike.
        drop(publisher);
        publisher = fixture.publisher();
        assert_eq!(keys(&publisher), listed);
    }
}

#[test]
fn a_rolling_replacement_keeps_it_full() {
    let fixture = Fixture::new(1 << 16);
    let count = most(&fixture);
    let mut publisher = fixture.publisher();
    let of = |name: &str, numbers: std::ops::Range<usize>| {
        numbers
            .map(|number| peer(&format!("{name}-{number:04}"), &number.to_string()))
            .collect::<Vec<_>>()
    };
    let replaced = count + count / 4;
    for gone in 0..=replaced {
        let wanted = [of("a", gone..replaced), of("c", 0..gone)].concat();
        let full = publish_noted(&fixture, &mut publisher, &wanted).expect_err("no room for all");
        let listed = publisher.count();
        assert_eq!(full.left_out, replaced - listed);
        assert!(listed + 8 >= count, "{listed} of {count} after {gone}");
        collect(&mut publisher);
        // Without another change.
        let _ = publish_noted(&fixture, &mut publisher, &wanted);
        collect(&mut publisher);
    }
    assert!(keys(&publisher).iter().all(|key| key.starts_with('c')), "all have been replaced");
}

#[test]
fn what_is_gone_goes_though_there_is_no_room() {
    let fixture = Fixture::new(1 << 16);
    let mut publisher = fixture.publisher();
    let wanted = peers(1_000);
    publish_noted(&fixture, &mut publisher, &wanted).expect_err("no room for all");
    let count = publisher.count();
    let mut worker = fixture.worker();
    let held: Vec<_> = (0..count).map(|_| pick(&mut worker, 1)).collect();
    // One after the other, with other parameters for those that stay, while no connection ends;
    // nothing may need memory that there is not.
    for left in (0..count).rev() {
        let others = wanted[count..].iter().cloned();
        let kept = wanted[..left].iter().cloned().map(|peer| {
            let weight = 1 + (peer.name.len() * 31 + left) as u32 % 7 * 13;
            with(peer, |it| it.weight = weight)
        });
        let kept: Vec<PeerSpec> = kept.collect();
        let wanted: Vec<PeerSpec> = kept.iter().cloned().chain(others).collect();
        let full = publish_noted(&fixture, &mut publisher, &wanted).expect_err("no room for all");
        assert_eq!((full.changes.removed, full.changes.added), (1, 0));
        assert!(publisher.listed().eq(&kept));
    }
    assert_eq!(rows(&mut worker).iter().filter(|row| row.3).count(), count);
    for held in held {
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    // Nearly as many: what is free may lie in other places.
    settle(&fixture, &mut publisher, &wanted[..count - 8]).expect("room again");
    assert_eq!(rows(&mut worker).len(), count - 8);
}

#[test]
fn there_is_room_for_a_report_and_a_report_leaves_room_for_what_is_gone() {
    let fixture = Fixture::new(1 << 16);
    let mut publisher = fixture.publisher();
    let publishing = Publishing::unshared();
    let wanted = peers(1_000);
    for left_out in 0..100 {
        let _ = publish_noted(&fixture, &mut publisher, &wanted[left_out..]);
        if !publisher.publish_report(&[0; 900], &publishing) {
            // It has room as soon as what is gone is forgotten.
            collect(&mut publisher);
            assert!(publisher.publish_report(&[0; 900], &publishing), "{left_out}");
        }
    }
    for length in (0..1 << 14).step_by(500) {
        publisher.publish_report(&vec![0; length], &publishing);
    }
    let listed: Vec<PeerSpec> = publisher.listed().cloned().collect();
    publish(&mut publisher, &listed[1..]).expect("fewer");
    assert_eq!(publisher.count(), listed.len() - 1);
}

#[test]
fn what_is_too_large_costs_only_itself() {
    for is_new in [true, false] {
        let fixture = Fixture::new(1 << 18);
        let mut publisher = fixture.publisher_of(Method::HashConsistent);
        let huge = with(peer("a", "0"), |it| it.weight = 65_535);
        if !is_new {
            publish(&mut publisher, &[peer("a", "0")]).expect("room");
        }
        let drained = with(huge.clone(), |it| it.drain = true);
        let wanted: Vec<PeerSpec> = [drained].into_iter().chain(peers(10)).collect();
        let full =
            publish_noted(&fixture, &mut publisher, &wanted).expect_err("no room for that one");
        assert_eq!((full.left_out, full.peers, full.changes.added), (1, 11, 10));
        assert_eq!(publisher.count(), if is_new { 10 } else { 11 });
        if !is_new {
            let parameters = publisher.listed().next().expect("the first").parameters;
            assert_eq!(
                (parameters.weight, parameters.drain),
                (1, true),
                "all but what has no room"
            );
        }
    }
}

#[test]
fn another_method_that_has_no_room_takes_nobody_out_of_service() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    let wanted = peers(400);
    publish(&mut publisher, &wanted).expect("room");
    drop(publisher);
    let mut publisher = fixture.publisher_of(Method::HashConsistent);
    let full = publish_noted(&fixture, &mut publisher, &wanted).expect_err("no room for the ring");
    assert!(full.lacks_method && full.left_out == 0, "{full:?}");
    // What is gone goes all the same, and what is added waits.
    let others: Vec<PeerSpec> = wanted[1..].iter().cloned().chain([peer("z", "z")]).collect();
    let full = publish_noted(&fixture, &mut publisher, &others).expect_err("no room for the ring");
    assert!(full.lacks_method && full.changes.removed == 1 && full.left_out == 1, "{full:?}");
    collect(&mut publisher);
    publish_noted(&fixture, &mut publisher, &wanted[..20]).expect("room for these");
    assert_eq!(publisher.count(), 20);
}

#[test]
fn it_says_how_large_a_zone_would_do() {
    for method in [Method::RoundRobin, Method::Hash, Method::HashConsistent] {
        for count in [300, 1_000, 3_000] {
            let fixture = Fixture::new(1 << 16);
            let mut publisher = fixture.publisher_of(method);
            let full = publish(&mut publisher, &peers(count)).expect_err("no room for all");
            let size = (full.needs * 9 / 8).next_multiple_of(1 << 12);
            publish(&mut Fixture::new(size).publisher_of(method), &peers(count)).expect("room");
            publish(&mut Fixture::new(full.needs / 2).publisher_of(method), &peers(count))
                .expect_err("not twice as much as needed");
        }
    }
}

/// Wanted peers by number: the weight of each, and how long its key is.
type Wanted = BTreeMap<u16, (u32, u8)>;

fn desired(wanted: &Wanted) -> Vec<PeerSpec> {
    let one = |(number, &(weight, length)): (&u16, &(u32, u8))| {
        let key = format!("{number:05}-{}", "x".repeat(usize::from(length) * 40));
        with(peer(&key, &number.to_string()), |it| it.weight = weight)
    };
    wanted.iter().map(one).collect()
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let steps = (0_u16..300, 1_usize..250);
    (steps, prop::collection::vec((1_u32..4, 0_u8..4), 250))
        .prop_map(|((first, count), sizes)| (first..).zip(sizes.into_iter().take(count)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..ProptestConfig::default()
    })]

    #[test]
    fn as_many_as_fit_and_those_in_service_first(
        lists in prop::collection::vec((wanted(), any::<[bool; 2]>()), 1..12),
        is_ring in any::<bool>(),
    ) {
        let (size, method) =
            if is_ring { (1 << 18, Method::HashConsistent) } else { (1 << 16, Method::RoundRobin) };
        let options = TableOptions { method, ..TableOptions::default() };
        let fixture = Fixture::new(size);
        let mut publisher = fixture.publisher_with(options);
        let publishing = Publishing::unshared();
        for (wanted, [collects, takes_over]) in lists {
            let wanted = desired(&wanted);
            let before: BTreeSet<String> = keys(&publisher).into_iter().collect();
            let result = publish_noted(&fixture, &mut publisher, &wanted);
            let listed: BTreeMap<String, PeerSpec> = publisher
                .listed()
                .map(|peer| (peer.key.as_deref().unwrap_or("").to_owned(), peer.clone()))
                .collect();
            let by_key: BTreeMap<&str, &PeerSpec> =
                wanted.iter().map(|peer| (peer.key.as_deref().unwrap_or(""), peer)).collect();
            for (key, peer) in &listed {
                let wanted = by_key.get(&**key);
                prop_assert!(
                    wanted.is_some_and(|it| it.parameters.weight >= peer.parameters.weight),
                    "{} is not wanted",
                    key
                );
            }
            for key in before.iter().filter(|key| by_key.contains_key(&***key)) {
                prop_assert!(listed.contains_key(key), "{} was in service, and is wanted", key);
            }
            let lacking: Vec<&PeerSpec> = wanted
                .iter()
                .filter(|peer| listed.get(peer.key.as_deref().unwrap_or("")) != Some(peer))
                .collect();
            prop_assert_eq!(result.err().map_or(0, |full| full.left_out), lacking.len());
            prop_assert_eq!(fixture.zone.left_out() as usize, lacking.len());
            let is_full = !lacking.is_empty();
            if is_full && !publisher.publish_report(&[0; 900], &publishing) {
                collect(&mut publisher);
                prop_assert!(publisher.publish_report(&[0; 900], &publishing));
            }
            if collects && settle(&fixture, &mut publisher, &wanted).is_err() {
                // Not more fit than what room is kept for reports and changes.
                let listed: Vec<PeerSpec> = publisher.listed().cloned().collect();
                let is_lacking = |peer: &&PeerSpec| !listed.iter().any(|it| it.key == peer.key);
                let lacking: Vec<&PeerSpec> = wanted.iter().filter(is_lacking).collect();
                for some in lacking.chunks_exact(20).take(10) {
                    fixture.zone.set_left_out(0);
                    let more: Vec<PeerSpec> =
                        listed.iter().chain(some.iter().copied()).cloned().collect();
                    prop_assert!(
                        publish_noted(&fixture, &mut publisher, &more).is_err(),
                        "{} and {:?}",
                        listed.len(),
                        some
                    );
                }
            }
            if takes_over {
                drop(publisher);
                publisher = fixture.publisher_with(options);
            }
        }
        fixture.zone.set_left_out(0);
        publish(&mut publisher, &[]).expect("room for none");
        collect(&mut publisher);
        let full = publish(&mut publisher, &[peer("a", "1")]);
        prop_assert!(full.is_ok());
    }
}

#[test]
fn one_more_at_a_time_until_it_is_full_and_back() {
    let fixture = Fixture::new(1 << 16);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    let used = fixture.used();
    let mut count = 0;
    while publish(&mut publisher, &peers(count + 1)).is_ok() {
        count += 1;
    }
    assert!(count > 50, "only {count} peers in 64 kB");
    for left in (0..count).rev() {
        publish(&mut publisher, &peers(left)).expect("fewer");
        collect(&mut publisher);
    }
    assert_eq!(fixture.used(), used);
}

#[test]
fn a_ring_grows_until_two_of_them_fill_the_zone() {
    /// At a time.
    const MORE: usize = 10;
    let size = 1 << 21;
    let fixture = Fixture::new(size);
    let mut publisher = fixture.publisher_of(Method::HashConsistent);
    let empty = fixture.used();
    publish(&mut publisher, &peers(MORE)).expect("room");
    collect(&mut publisher);
    // A peer and its part of a table and of a base, of which there are two at a change.
    let (few, used) = (fixture.used() - empty, |fixture: &Fixture| fixture.used() - empty);
    publish(&mut publisher, &peers(2 * MORE)).expect("room");
    collect(&mut publisher);
    let more = used(&fixture) - few;
    let table = MORE * (4 + 8 + 4 + 160 * 28 / 8);
    let bound = MORE * (size - empty) / (more + table);
    let fits = (3..)
        .map(|step| step * MORE)
        .take_while(|&count| {
            let fits = publish(&mut publisher, &peers(count)).is_ok();
            collect(&mut publisher);
            fits
        })
        .last()
        .expect("some");
    assert!(fits <= bound && fits * 5 >= bound * 4, "{fits} peers of at most {bound}");
}
