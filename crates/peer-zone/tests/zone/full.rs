//! A zone without room: the last good list stays, what is gone goes, and with room all is as if nothing had been.

use peer_zone::{Desired, Method, Outcome, protocol::Publishing};

use crate::fixture::{Fixture, ask, at, collect, peer, pick, publish, rows, with};

fn peers(count: usize) -> Vec<Desired> {
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

#[test]
fn the_list_stays() {
    let fixture = Fixture::new(1 << 16);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &peers(3)).expect("room");
    let (generation, used) = (publisher.generation(), fixture.used());
    for _ in 0..3 {
        let full = publish(&mut publisher, &peers(5_000)).expect_err("no room");
        assert_eq!((full.peers, full.size), (5_000, 1 << 16));
        assert!(fixture.zone.statistics().is_full);
        assert_eq!((publisher.generation(), fixture.used()), (generation, used));
    }
    assert!(publisher.listed().eq(&peers(3)));
    assert_eq!(ask(&mut fixture.worker(), 1), "0");
    publish(&mut publisher, &peers(3)).expect("the same");
    assert!(!fixture.zone.statistics().is_full);
}

#[test]
fn what_is_gone_goes_though_there_is_no_room() {
    let fixture = Fixture::new(1 << 16);
    let count = most(&fixture);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &peers(count)).expect("room for these");
    let mut worker = fixture.worker();
    let held: Vec<_> = (0..count).map(|_| pick(&mut worker, 1)).collect();
    // One after the other, with other parameters for those that stay, while no connection ends; nothing may need memory that there is not.
    for left in (0..count).rev() {
        let last = format!("node-{left:04}");
        let keep = |peer: &Desired| {
            let weight = 1 + (peer.name.len() * 31 + left) as u32 % 7 * 13;
            (peer.key.as_deref() != Some(&last))
                .then(|| with(peer.clone(), |it| it.weight = weight).parameters)
        };
        let changes =
            publisher.retain(keep, 0, &Publishing::unshared()).expect("needs no more than there was");
        assert_eq!(changes.removed, 1);
        assert!(fixture.zone.statistics().is_full);
        assert_eq!(publisher.listed().len(), left);
    }
    assert_eq!(rows(&mut worker).iter().filter(|row| row.3).count(), count);
    for held in held {
        worker.release(held, Outcome::Answered, None, at(1));
    }
    collect(&mut publisher);
    publish(&mut publisher, &peers(count)).expect("room again");
    assert!(!fixture.zone.statistics().is_full);
    assert_eq!(rows(&mut worker).len(), count);
}

#[test]
fn a_report_leaves_room_for_what_is_gone() {
    let fixture = Fixture::new(1 << 16);
    let count = most(&fixture);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &peers(count)).expect("room for these");
    let publishing = Publishing::unshared();
    for length in (0..1 << 14).step_by(500) {
        publisher.report(&vec![0; length], &publishing);
    }
    publisher.retain(|peer| (&*peer.name != "[0]").then_some(peer.parameters), 0, &publishing).expect("room");
    assert_eq!(publisher.listed().len(), count - 1);
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
    // A peer and its part of a table, of which there are two at a change.
    let (few, used) = (fixture.used() - empty, |fixture: &Fixture| fixture.used() - empty);
    publish(&mut publisher, &peers(2 * MORE)).expect("room");
    collect(&mut publisher);
    let more = used(&fixture) - few;
    let table = MORE * (36 + 8 + 160 * 8);
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
    assert!(fits <= bound && fits * 10 >= bound * 9, "{fits} peers of at most {bound}");
}
