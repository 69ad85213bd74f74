//! Cookies that name peers.

use peer_zone::{
    Changes, CheckPolicy, Health, Method, Parameters, PeerSpec, PickContext, PickedPeer,
    RequestOutcome, TableOptions, Worker, protocol::Publishing,
};

use crate::fixture::{
    Fixture, METHODS, address, at, collect, context, peer, pick_by, pick_first, publish, rows,
    server, with,
};

/// The id by which a cookie names `b`: more than 32 bits.
const B: u64 = 0xB000_0000_0000_0001;

fn three() -> Vec<PeerSpec> {
    let mut peers = vec![peer("a", "1"), peer("b", "2"), server("3")];
    for (peer, sticky) in peers.iter_mut().zip([u64::MAX, B, 3]) {
        peer.sticky = sticky;
    }
    peers
}

fn with_b(change: impl FnOnce(&mut Parameters)) -> Vec<PeerSpec> {
    let mut peers = three();
    peers[1] = with(peers[1].clone(), change);
    peers
}

fn options(method: Method) -> TableOptions {
    TableOptions { method, is_sticky: true, checking: None, is_grouped: false }
}

fn named(method: Method, id: u64) -> PickContext<'static> {
    PickContext { sticky: Some(id), ..context(method) }
}

fn open(worker: &mut Worker, context: &PickContext<'_>, now: u32) -> (String, PickedPeer) {
    let held = pick_first(worker, context, at(now)).expect("a peer");
    (address(worker, &held), held)
}

fn ask(worker: &mut Worker, context: &PickContext<'_>, now: u32) -> String {
    let (address, held) = open(worker, context, now);
    worker.release(held, RequestOutcome::Answered, None, at(now));
    address
}

#[test]
fn the_peer_that_a_cookie_names_is_picked_by_every_method() {
    for method in METHODS {
        let fixture = Fixture::new(1 << 20);
        let mut publisher = fixture.publisher_with(options(method));
        publish(&mut publisher, &three()).expect("room");
        let mut worker = fixture.worker();
        for (id, expected) in [(u64::MAX, "1"), (B, "2"), (3, "3")] {
            for _ in 0..5 {
                let (address, held) = open(&mut worker, &named(method, id), 1);
                assert_eq!((&*address, held.sticky()), (expected, Some(id)), "{}", method.name());
                worker.release(held, RequestOutcome::Answered, None, at(1));
            }
        }
        // Also where it gets no new sessions, which the others then share.
        publish(&mut publisher, &with_b(|it| it.drain = true)).expect("room");
        assert_eq!(ask(&mut worker, &named(method, B), 1), "2", "{}", method.name());
        for key in 0..20_u8 {
            let key = [key; 3];
            let context = PickContext { method, key: &key, sticky: None, ..PickContext::default() };
            assert_ne!(ask(&mut worker, &context, 1), "2", "{}", method.name());
        }
        // And as a backup.
        publish(&mut publisher, &with_b(|it| it.backup = true)).expect("room");
        assert_eq!(ask(&mut worker, &named(method, B), 1), "2", "{}", method.name());
    }
}

#[test]
fn a_peer_that_may_not_serve_is_not_picked_for_its_cookie_either() {
    for method in METHODS {
        let fixture = Fixture::new(1 << 20);
        let checking = Some(CheckPolicy { mandatory: false, panic: false });
        let mut publisher = fixture.publisher_with(TableOptions { checking, ..options(method) });
        let mut worker = fixture.worker();
        let not_b = |worker: &mut Worker, why: &str| {
            let picked = ask(worker, &named(method, B), 100);
            assert_ne!(picked, "2", "{}: {why}", method.name());
        };

        publish(&mut publisher, &with_b(|it| it.down = true)).expect("room");
        not_b(&mut worker, "down");

        publish(&mut publisher, &with_b(|it| it.max_conns = 1)).expect("room");
        let (address, held) = open(&mut worker, &named(method, B), 100);
        assert_eq!(address, "2");
        not_b(&mut worker, "full");
        let tried = [held.id()];
        worker.release(held, RequestOutcome::Answered, None, at(100));
        let mut progress = Default::default();
        let other = pick_by(&mut worker, &named(method, B), &mut progress, at(100), &tried)
            .expect("a peer");
        assert_ne!(worker.peer(&other).id, tried[0], "{}: tried", method.name());
        worker.release(other, RequestOutcome::Answered, None, at(100));

        publish(&mut publisher, &three()).expect("room");
        let (_, held) = open(&mut worker, &named(method, B), 100);
        worker.release(held, RequestOutcome::Failed, None, at(100));
        not_b(&mut worker, "failed");
        assert_eq!(ask(&mut worker, &named(method, B), 111), "2", "{}", method.name());

        let mut say =
            |health| publisher.set_health(Some("b"), b"2", health, 0, &Publishing::unshared());
        assert!(say(Health::Failing));
        not_b(&mut worker, "failing");
        assert!(say(Health::Passing));
        assert_eq!(ask(&mut worker, &named(method, B), 111), "2", "{}", method.name());

        let (_, held) = open(&mut worker, &named(method, B), 111);
        let without = [three().remove(0), three().remove(2)];
        publish(&mut publisher, &without).expect("room");
        assert_eq!(rows(&mut worker).len(), 3, "it is listed for its connection");
        not_b(&mut worker, "removed");
        worker.release(held, RequestOutcome::Answered, None, at(111));
    }
}

#[test]
fn an_unknown_id_is_as_none() {
    for method in METHODS {
        let fixture = Fixture::new(1 << 20);
        publish(&mut fixture.publisher_with(options(method)), &three()).expect("room");
        let mut worker = fixture.worker();
        // 0 is what those without one have.
        for id in [0, 1, 4, B + 1, u64::MAX - 1] {
            ask(&mut worker, &named(method, id), 1);
        }
    }
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher_with(options(Method::RoundRobin));
    publish(&mut publisher, &[peer("a", "1"), peer("b", "2")]).expect("room");
    let mut worker = fixture.worker();
    let (_, held) = open(&mut worker, &named(Method::RoundRobin, 0), 1);
    assert_eq!(held.sticky(), None);
    let next: Vec<String> =
        (0..3).map(|_| ask(&mut worker, &named(Method::RoundRobin, 0), 1)).collect();
    assert_eq!(next, ["2", "1", "2"]);
    worker.release(held, RequestOutcome::Answered, None, at(1));
}

#[test]
fn ids_outlive_changes_and_publishers() {
    for method in [Method::RoundRobin, Method::HashConsistent, Method::Hash] {
        let fixture = Fixture::new(1 << 20);
        let mut publisher = fixture.publisher_with(options(method));
        publish(&mut publisher, &three()).expect("room");
        let mut worker = fixture.worker();
        let heavier = with_b(|it| it.weight = 9);
        publish(&mut publisher, &heavier).expect("room");
        assert_eq!(ask(&mut worker, &named(method, B), 1), "2");
        drop(publisher);
        let mut publisher = fixture.publisher_with(options(method));
        assert_eq!(ask(&mut worker, &named(method, B), 1), "2");
        assert_eq!(publish(&mut publisher, &heavier), Ok(Changes::default()));
        // A table that is made again without a change, when what was removed is gone.
        let mut more = heavier.clone();
        more.push(PeerSpec { sticky: 77, ..peer("z", "9") });
        publish(&mut publisher, &more).expect("room");
        let (address, held) = open(&mut worker, &named(method, 77), 1);
        assert_eq!(address, "9");
        publish(&mut publisher, &heavier).expect("room");
        worker.release(held, RequestOutcome::Answered, None, at(1));
        drop(publisher);
        let mut publisher = fixture.publisher_with(options(method));
        collect(&mut publisher);
        assert_eq!(rows(&mut worker).len(), 3);
        assert_eq!(ask(&mut worker, &named(method, B), 1), "2");
        // Another key for the id.
        let mut other = three();
        other[1] = PeerSpec { sticky: B, ..peer("c", "8") };
        publish(&mut publisher, &other).expect("room");
        assert_eq!(ask(&mut worker, &named(method, B), 1), "8");
    }
}

#[test]
fn a_configuration_that_begins_to_use_cookies_finds_them() {
    let fixture = Fixture::new(1 << 20);
    publish(&mut fixture.publisher(), &three()).expect("room");
    let mut worker = fixture.worker();
    let mut publisher = fixture.publisher_with(options(Method::RoundRobin));
    let generation = publisher.generation();
    assert_eq!(publish(&mut publisher, &three()), Ok(Changes::default()));
    assert_eq!(publisher.generation(), generation);
    for _ in 0..3 {
        assert_eq!(ask(&mut worker, &named(Method::RoundRobin, B), 1), "2");
    }
}

#[test]
fn routes_labels_and_sources_may_change_while_their_peer_stays() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher_with(options(Method::RoundRobin));
    let mut worker = fixture.worker();
    let route_of = |worker: &mut Worker, id| {
        let (address, held) = open(worker, &named(Method::RoundRobin, id), 1);
        let route = worker.with_route(peer_zone::PickedGroup::default(), &held, |route| {
            route.map(|route| String::from_utf8_lossy(route).into_owned())
        });
        let peer = held.id();
        worker.release(held, RequestOutcome::Answered, None, at(1));
        (peer, address, route)
    };
    let routed = |route: Option<&str>, id| {
        let mut peers = three();
        peers[1].route = route.map(Into::into);
        peers[1].sticky = id;
        peers[1].labels = (id != 72).then(|| format!("{{\"id\":\"{id}\"}}").into());
        peers[1].source = (id != 73).then(|| format!("source {id}").into());
        peers[2].labels = Some("{\"a\":\"b\"}".into());
        peers[2].source = (id == 73).then(|| "alone".into());
        // Behind the others in a table.
        peers[0].parameters.backup = true;
        peers[0].route = Some("first".into());
        peers
    };
    let mut ids = Vec::new();
    for (route, id) in
        [(Some("one"), 71), (Some("another"), 72), (None, 73), (Some(""), 74), (Some("one"), 71)]
    {
        publish(&mut publisher, &routed(route, id)).expect("room");
        let (peer, address, found) = route_of(&mut worker, id);
        assert_eq!((&*address, found.as_deref()), ("2", route));
        ids.push(peer);
        drop(publisher);
        publisher = fixture.publisher_with(options(Method::RoundRobin));
        assert_eq!(
            publish(&mut publisher, &routed(route, id)),
            Ok(Changes::default()),
            "it is found again"
        );
        let table = worker.table().expect("published").to_specs();
        let routes: Vec<_> =
            table.iter().map(|peer| (&*peer.name, peer.route.as_deref())).collect();
        assert!(routes.contains(&("[1]", Some("first"))), "{routes:?}");
        let expected = routed(route, id);
        for spec in &table {
            let expected = expected.iter().find(|expected| expected.name == spec.name);
            assert_eq!(expected.map(|it| &it.source), Some(&spec.source), "{id}");
        }
        let table = worker.table().expect("published");
        for row in table.rows() {
            let spec = expected.iter().find(|spec| spec.name.as_bytes() == row.peer.name);
            let spec = spec.expect("one of them");
            assert_eq!(row.route, spec.route.as_deref().map(str::as_bytes));
            assert_eq!(row.labels, spec.labels.as_deref().map(str::as_bytes));
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "it has always been the same peer");
}

#[test]
fn a_session_at_a_backup_leaves_it_where_it_is_to() {
    for method in METHODS {
        let fixture = Fixture::new(1 << 20);
        let mut publisher = fixture.publisher_with(options(method));
        let with_primaries = |change: fn(&mut Parameters)| {
            let mut peers = with_b(|it| it.backup = true);
            for index in [0, 2] {
                peers[index] = with(peers[index].clone(), change);
            }
            // Another backup, so that it is not the only one.
            peers.push(PeerSpec { sticky: 9, ..with(peer("z", "9"), |it| it.backup = true) });
            peers
        };
        publish(&mut publisher, &with_primaries(|_| {})).expect("room");
        let mut worker = fixture.worker();
        let leaves = PickContext { leaves_backups: true, ..named(method, B) };
        for _ in 0..3 {
            assert_eq!(ask(&mut worker, &named(method, B), 1), "2");
            assert!(["1", "3"].contains(&&*ask(&mut worker, &leaves, 1)), "{}", method.name());
            assert_eq!(ask(&mut worker, &PickContext { sticky: Some(u64::MAX), ..leaves }, 1), "1");
        }
        publish(&mut publisher, &with_primaries(|it| it.down = true)).expect("room");
        for _ in 0..3 {
            assert_eq!(ask(&mut worker, &leaves, 1), "2", "{}", method.name());
        }
        // It alone is left, and gets no new sessions.
        let mut peers = with_primaries(|it| it.down = true);
        peers[1].parameters.drain = true;
        peers.pop();
        publish(&mut publisher, &peers).expect("room");
        for _ in 0..3 {
            assert!(pick_first(&mut worker, &context(method), at(1)).is_none());
            assert_eq!(ask(&mut worker, &leaves, 1), "2", "{}", method.name());
        }
    }
}
