//! What publishing changes, and what it leaves as it is.

use change_history::{ChangedKeys, Keys};
use peer_zone::Changes;

use crate::fixture::{
    Fixture, PARAMETERS, ask, at, collect, fail, peer, pick, publish, rows, server, with,
};

#[test]
fn counts_what_changed() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    let changes = |[added, removed, changed]: [&str; 3], of_server_lines| {
        let count = |keys: &str| keys.chars().count();
        let keys = |keys: &str| {
            let mut list = Keys::default();
            keys.chars().for_each(|key| list.push(&key.to_string().into()));
            list
        };
        Changes {
            added: count(added),
            removed: count(removed),
            changed: count(changed),
            of_server_lines,
            keys: ChangedKeys {
                added: keys(added),
                removed: keys(removed),
                changed: keys(changed),
            },
        }
    };
    // Several addresses of a key are several peers, and one key.
    let peers = |[added, removed, changed]: [usize; 3], keys, of_server_lines| Changes {
        added,
        removed,
        changed,
        ..changes(keys, of_server_lines)
    };
    let steps = [
        (vec![], changes(["", "", ""], 0)),
        (vec![peer("a", "1"), peer("b", "2")], changes(["ab", "", ""], 0)),
        (vec![peer("b", "2"), peer("a", "1")], changes(["", "", ""], 0)),
        (vec![peer("a", "1"), peer("c", "3")], changes(["c", "b", ""], 0)),
        // Another address under the same key.
        (vec![peer("a", "9"), peer("c", "3")], changes(["", "", "a"], 0)),
        (vec![peer("a", "9"), with(peer("c", "3"), |it| it.weight = 5)], changes(["", "", "c"], 0)),
        // A host name with one address, then with three, then with one of them and another.
        (vec![peer("a", "9"), peer("a", "8"), peer("a", "7")], peers([2, 1, 0], ["", "c", "a"], 0)),
        (vec![peer("a", "6"), peer("a", "8")], peers([0, 1, 1], ["", "", "a"], 0)),
        (vec![server("1"), server("1"), peer("a", "8")], peers([0, 1, 0], ["", "", "a"], 2)),
        (
            vec![server("1"), with(server("1"), |it| it.weight = 2), peer("a", "8")],
            changes(["", "", ""], 1),
        ),
        (vec![server("1")], changes(["", "a", ""], 1)),
        (vec![], changes(["", "", ""], 1)),
    ];
    for (desired, expected) in steps {
        assert_eq!(publish(&mut publisher, &desired), Ok(expected), "{desired:?}");
        collect(&mut publisher);
    }
}

#[test]
fn the_same_again_changes_nothing() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    let desired = [server("s"), peer("a", "1"), peer("b", "2")];
    publish(&mut publisher, &desired).expect("room");
    let (generation, used) = (publisher.generation(), fixture.used());
    for _ in 0..100 {
        assert_eq!(publish(&mut publisher, &desired), Ok(Changes::default()));
    }
    assert_eq!((publisher.generation(), fixture.used()), (generation, used));
    let mut worker = fixture.worker();
    assert_eq!(worker.table().expect("a table").generation(), generation);
}

#[test]
fn of_the_same_key_and_address_the_first_counts() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    let used = fixture.used();
    let twice = [with(peer("a", "1"), |it| it.weight = 7), peer("a", "1")];
    for _ in 0..3 {
        // In every second round the peer comes back before it is collected.
        assert_eq!(publish(&mut publisher, &twice).expect("room").added, 1);
        assert_eq!(publisher.listed().map(|peer| peer.parameters.weight).collect::<Vec<_>>(), [7]);
        assert_eq!(publish(&mut publisher, &[]).expect("room").removed, 1);
    }
    collect(&mut publisher);
    assert_eq!(fixture.used(), used);
}

#[test]
fn what_lives_outlives_every_change_around_it() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    let steady = with(peer("steady", "1"), |it| it.max_fails = 5);
    publish(&mut publisher, &[steady.clone(), with(peer("b", "2"), |it| it.down = true)])
        .expect("room");
    let mut worker = fixture.worker();
    let held = pick(&mut worker, 1);
    assert_eq!(fail(&mut worker, 1), "1");
    let id = held.id();
    for round in 0..50 {
        let other = peer(&format!("other {round}"), "2");
        let steady = with(steady.clone(), |it| it.weight = 1 + round % 3);
        publish(&mut publisher, &[steady, with(other, |it| it.down = true)]).expect("room");
        collect(&mut publisher);
    }
    let table = worker.table().expect("a table");
    let row = table.rows().find(|row| row.peer.key == Some(b"steady")).expect("still there");
    assert_eq!((row.peer.id, row.connections.all(), row.peer.fails), (id, 1, 1));
    assert_eq!((row.peer.requests, row.peer.failures), (2, 1));
    assert_eq!(row.parameters.max_fails, 5);
    drop(table);
    worker.release(held, peer_zone::RequestOutcome::Answered, None, at(2));
}

#[test]
fn another_address_is_another_peer() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[peer("a", "1"), peer("b", "2")]).expect("room");
    let mut worker = fixture.worker();
    let held = pick(&mut worker, 1);
    publish(&mut publisher, &[peer("a", "3"), peer("b", "2")]).expect("room");
    let found = rows(&mut worker);
    assert_eq!(found[0], (Some("a".into()), "3".into(), 0, false));
    assert_eq!(found[2], (Some("a".into()), "1".into(), 1, true));
    worker.release(held, peer_zone::RequestOutcome::Answered, None, at(1));
}

#[test]
fn nothing_is_picked_before_the_first_table_nor_from_an_empty_one() {
    let fixture = Fixture::new(1 << 18);
    let mut worker = fixture.worker();
    assert!(worker.table().is_none());
    assert!(crate::fixture::try_pick(&mut worker, 1).is_none());
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    assert!(crate::fixture::try_pick(&mut worker, 1).is_none());
    assert_eq!(worker.zone().tries(), 0);
    publish(&mut publisher, &[peer("a", "1")]).expect("room");
    assert_eq!(ask(&mut worker, 1), "1");
}

#[test]
fn servers_keep_their_lines_order_and_stand_first() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    let backup = with(server("y"), |it| it.backup = true);
    publish(&mut publisher, &[peer("a", "1"), server("z"), backup, server("x")]).expect("room");
    let mut worker = fixture.worker();
    let found: Vec<String> = rows(&mut worker).into_iter().map(|row| row.1).collect();
    assert_eq!(found, ["z", "x", "1", "y"]);
    assert_eq!(worker.table().expect("a table").rows().next().expect("one").parameters, PARAMETERS);
}

#[test]
fn a_string_too_long_for_a_peer_takes_no_memory() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    let used = fixture.used();
    assert!(publish(&mut publisher, &[peer(&"k".repeat(65_536), "1")]).is_err());
    assert_eq!(fixture.used(), used);
    publish(&mut publisher, &[peer(&"k".repeat(65_535), "1")]).expect("room");
}

#[test]
fn reports_replace_each_other() {
    let fixture = Fixture::new(1 << 16);
    let mut publisher = fixture.publisher();
    publish(&mut publisher, &[]).expect("room");
    let used = fixture.used();
    let mut worker = fixture.worker();
    assert_eq!(worker.with_report(<[u8]>::len), 0);
    let publishing = peer_zone::protocol::Publishing::unshared();
    for length in [10, 5_000, 0, 300] {
        publisher.publish_report(&vec![length as u8; length], &publishing);
        worker.with_report(|bytes| assert_eq!(bytes, vec![length as u8; length]));
    }
    // There is no room: the last one goes.
    publisher.publish_report(&vec![0; 1 << 16], &publishing);
    assert_eq!(worker.with_report(<[u8]>::len), 0);
    assert_eq!(fixture.used(), used);
}
