//! A zone without room for all peers of a ring: what is there goes on, with the base that it has.

use std::sync::Arc;

use peer_balance::MAX_WEIGHT;
use peer_zone::{KeyPeers, Method, PeerSpec, Publisher, ZoneFull, protocol::Publishing};

use crate::fixture::{Fixture, collect, peer, publish, with};

/// More than a ring in 256 kB has room for.
const PEERS: usize = 400;

fn publish_noted(
    fixture: &Fixture,
    publisher: &mut Publisher,
    desired: &[PeerSpec],
) -> Option<ZoneFull> {
    let full = publish(publisher, desired).err();
    fixture.zone.set_left_out(full.as_ref().map_or(0, |full| full.left_out));
    full
}

/// Peers of a full zone, and their publisher, once all of them have another address than at first,
/// a hundred at a time.
fn changed(fixture: &Fixture) -> (Vec<PeerSpec>, Publisher) {
    let of =
        |index: usize, step: usize| peer(&format!("node-{index:04}"), &format!("{step}-{index}"));
    let mut publisher = fixture.publisher_of(Method::HashConsistent);
    let mut wanted: Vec<PeerSpec> = (0..PEERS).map(|index| of(index, 0)).collect();
    for first in (0..PEERS).step_by(100) {
        publish_noted(fixture, &mut publisher, &wanted[..first + 100]);
    }
    for first in (0..PEERS).step_by(100) {
        (first..first + 100).for_each(|index| wanted[index] = of(index, 1));
        publish_noted(fixture, &mut publisher, &wanted).expect("no room for all");
        collect(&mut publisher);
    }
    (wanted, publisher)
}

#[test]
fn it_has_room_to_say_what_is_wrong() {
    let fixture = Fixture::new(1 << 18);
    let (mut wanted, mut publisher) = changed(&fixture);
    for _ in 0..20 {
        assert!(publisher.publish_report(&[0; 900], &Publishing::unshared()));
        wanted.remove(0);
        publish_noted(&fixture, &mut publisher, &wanted);
        collect(&mut publisher);
    }
}

/// A successor makes the table of the peers that it finds, with the ring that it finds.
#[test]
fn changes_are_taken_and_the_ring_stays_in_use() {
    let fixture = Fixture::new(1 << 18);
    let (mut wanted, mut publisher) = changed(&fixture);
    for takes_over in [false, true] {
        if takes_over {
            drop(publisher);
            publisher = fixture.publisher_of(Method::HashConsistent);
        }
        let before: Vec<PeerSpec> = publisher.listed().cloned().collect();
        assert!(before.len() > 50, "{}", before.len());
        for listed in before.iter().step_by(10) {
            let at = wanted.iter().position(|it| it.key == listed.key).expect("it is wanted");
            wanted[at] = with(wanted[at].clone(), |it| it.max_fails += 1);
            let full = publish_noted(&fixture, &mut publisher, &wanted).expect("still too many");
            assert!(!full.lacks_method, "{full:?}");
            let now = publisher.listed().find(|it| it.key == listed.key).expect("it stays");
            assert_eq!(now.parameters.max_fails, wanted[at].parameters.max_fails);
            collect(&mut publisher);
        }
        assert!(publisher.count() >= before.len(), "nobody had to go");
    }
}

/// To find the points of such weights would take a minute and some gigabytes.
#[test]
fn points_that_no_table_can_have_are_not_looked_for() {
    const HEAVY: usize = 60;
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher_of(Method::HashConsistent);
    let light: Vec<PeerSpec> =
        (0..HEAVY).map(|index| peer(&format!("node-{index:04}"), &format!("{index}"))).collect();
    let heavy: Vec<PeerSpec> = light
        .iter()
        .map(|spec| with(spec.clone(), |parameters| parameters.weight = MAX_WEIGHT))
        .collect();
    let full = publish_noted(&fixture, &mut publisher, &heavy).expect("no room for all");
    assert!(full.lacks_method || full.left_out > 0, "{full:?}");
    assert_eq!(publish_noted(&fixture, &mut publisher, &light), None);
    collect(&mut publisher);
    // Key by key, as etcd tells of changes.
    let keys = heavy.iter().map(|spec| KeyPeers {
        key: Arc::clone(spec.key.as_ref().expect("a key")),
        peers: vec![Arc::new(spec.clone())],
    });
    assert!(publisher.publish_keys(keys.collect(), 0, &Publishing::unshared()).is_none());
    assert_eq!(publish_noted(&fixture, &mut publisher, &light), None);
}
