//! `slow_start`: what a peer gets while its share grows, and what makes it begin again.

use peer_zone::{
    CheckPolicy, Health, Method, Parameters, PeerSpec, PickedPeer, Publisher, RequestOutcome,
    TableOptions, Worker, protocol::Publishing,
};

use crate::{
    fixture::{
        Fixture, METHODS, address, at_ms, context, peer, pick_first, publish_at, server, with,
    },
    random::Random,
};

/// Seconds of a ramp.
const RAMP: u32 = 10;

/// When it begins (ms).
const START: u64 = 1_000_000;

/// The second of four peers joins at `START`.
fn four() -> Vec<PeerSpec> {
    let mut peers: Vec<PeerSpec> =
        ["a", "b", "c", "d"].map(|key| with(peer(key, key), |it| it.slow_start = RAMP)).into();
    peers[1].joined = START;
    peers
}

fn begun(method: Method) -> (Fixture, Publisher) {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher_of(method);
    publish_at(&mut publisher, &four(), START);
    (fixture, publisher)
}

fn open(worker: &mut Worker, method: Method, now: u64) -> (String, PickedPeer) {
    let held = pick_first(worker, &context(method), at_ms(now)).expect("a peer");
    (address(worker, &held), held)
}

/// What is left of the weight of `b`.
fn share(worker: &mut Worker, now: u64) -> f64 {
    let table = worker.table().expect("a table");
    table.rows().find(|row| row.peer.key == Some(b"b")).expect("a row").share(now)
}

fn begins_at(worker: &mut Worker, start: u64) {
    let at = |worker: &mut Worker, age| share(worker, start + age);
    let ages = [0, 5_000, 10_000].map(|age| at(worker, age));
    assert!(
        (ages[0] - 0.01).abs() < 1e-6 && (ages[1] - 0.505).abs() < 1e-6 && ages[2] == 1.0,
        "{ages:?}"
    );
}

fn is_whole(worker: &mut Worker, now: u64) {
    assert_eq!(share(worker, now), 1.0);
}

#[test]
fn the_share_grows_in_a_line() {
    const PICKS: u64 = 4_000;
    for method in [Method::RoundRobin, Method::Random, Method::RandomTwo, Method::PeakEwma] {
        let (fixture, _publisher) = begun(method);
        let mut worker = fixture.worker();
        for tenth in 0..10 {
            let mut of_new = 0;
            for step in 0..PICKS {
                let now = START + tenth * 1_000 + step * 1_000 / PICKS;
                let (address, held) = open(&mut worker, method, now);
                of_new += u32::from(address == "b");
                worker.release(held, RequestOutcome::Answered, None, at_ms(now));
            }
            let ramp = 0.01 + 0.99 * (tenth as f64 + 0.5) / 10.0;
            let ideal = ramp / (3.0 + ramp);
            let share = f64::from(of_new) / PICKS as f64;
            let bound = (ideal / 4.0).max(0.01);
            assert!(
                (share - ideal).abs() <= bound,
                "{} {tenth}: {share}, ideal {ideal}",
                method.name()
            );
        }
    }
}

#[test]
fn least_conn_gives_it_its_share_of_the_sessions() {
    for (age, workers) in [(1_000, 1), (5_000, 2), (9_000, 3)] {
        let (fixture, _publisher) = begun(Method::LeastConn);
        let mut workers: Vec<Worker> =
            (1..=workers).map(|process| fixture.worker_of(process)).collect();
        let mut random = Random::new(9);
        let mut sessions: Vec<(usize, String, PickedPeer)> = Vec::new();
        for _ in 0..4_000 {
            if sessions.len() == 400 {
                let (worker, _, held) = sessions.swap_remove(random.below(400) as usize);
                workers[worker].release(held, RequestOutcome::Answered, None, at_ms(START + age));
            }
            let worker = random.below(workers.len() as u64) as usize;
            let (address, held) = open(&mut workers[worker], Method::LeastConn, START + age);
            sessions.push((worker, address, held));
        }
        let of_new = sessions.iter().filter(|(_, address, _)| address == "b").count() as f64;
        let ramp = 0.01 + 0.99 * age as f64 / 10_000.0;
        let ideal = 400.0 * ramp / (3.0 + ramp);
        // Which sessions end is up to chance: four standard deviations.
        let deviation = (ideal * (1.0 - ideal / 400.0)).sqrt();
        assert!((of_new - ideal).abs() <= 4.0 * deviation, "at {age}: {of_new}, ideal {ideal}");
    }
}

#[test]
fn the_same_peer_again_does_not_begin_anew() {
    let (fixture, mut publisher) = begun(Method::RoundRobin);
    let mut worker = fixture.worker();
    begins_at(&mut worker, START);
    publish_at(&mut publisher, &four(), START + 3_000);
    begins_at(&mut worker, START);
    // Others come, it changes in other ways, and another publisher takes over.
    let mut more = four();
    more.insert(0, peer("0", "0"));
    more[2].parameters.weight = 7;
    publish_at(&mut publisher, &more, START + 4_000);
    begins_at(&mut worker, START);
    drop(publisher);
    let mut publisher = fixture.publisher_of(Method::LeastConn);
    begins_at(&mut worker, START);
    publish_at(&mut publisher, &more, START + 5_000);
    publish_at(&mut publisher, &four(), START + 5_000);
    begins_at(&mut worker, START);
}

#[test]
fn one_that_joins_again_begins_anew() {
    let (fixture, mut publisher) = begun(Method::RoundRobin);
    let mut worker = fixture.worker();
    let mut peers = four();
    peers[1].joined = START + 60_000;
    publish_at(&mut publisher, &peers, START + 60_000);
    begins_at(&mut worker, START + 60_000);
    // Gone for a while, with a connection that stays.
    let held: Vec<_> =
        (0..8).map(|_| open(&mut worker, Method::RoundRobin, START + 90_000)).collect();
    peers.remove(1);
    publish_at(&mut publisher, &peers, START + 90_000);
    peers.insert(1, PeerSpec { joined: START + 120_000, ..four().remove(1) });
    publish_at(&mut publisher, &peers, START + 120_000);
    begins_at(&mut worker, START + 120_000);
    for (_, held) in held {
        worker.release(held, RequestOutcome::Answered, None, at_ms(START + 120_000));
    }
}

#[test]
fn out_of_service_and_back_begins_anew() {
    let changes: [fn(&mut Parameters); 2] = [|it| it.down = true, |it| it.drain = true];
    for change in changes {
        let (fixture, mut publisher) = begun(Method::RoundRobin);
        let mut worker = fixture.worker();
        is_whole(&mut worker, START + 20_000);
        let mut peers = four();
        change(&mut peers[1].parameters);
        publish_at(&mut publisher, &peers, START + 20_000);
        is_whole(&mut worker, START + 21_000);
        publish_at(&mut publisher, &four(), START + 30_000);
        begins_at(&mut worker, START + 30_000);
        // And not when the same is published once more, or by a successor.
        publish_at(&mut publisher, &four(), START + 31_000);
        drop(publisher);
        publish_at(&mut fixture.publisher_of(Method::RoundRobin), &four(), START + 32_000);
        begins_at(&mut worker, START + 30_000);
    }
}

/// A reload may put `server` lines in another order, or make one a backup, which puts it behind the
/// others.
#[test]
fn lines_in_another_order_change_nothing_for_the_others() {
    let (fixture, mut publisher) = begun(Method::RoundRobin);
    let mut worker = fixture.worker();
    let list = |lines: [&str; 3], peers: Vec<PeerSpec>| {
        let lines = lines.map(|address| with(server(address), |it| it.slow_start = RAMP));
        lines.into_iter().chain(peers).collect::<Vec<_>>()
    };
    publish_at(&mut publisher, &list(["1", "2", "3"], four()), START);
    let mut peers = four();
    peers[1].parameters.down = true;
    publish_at(&mut publisher, &list(["1", "2", "3"], peers), START + 20_000);
    publish_at(&mut publisher, &list(["1", "2", "3"], four()), START + 30_000);
    begins_at(&mut worker, START + 30_000);
    publish_at(&mut publisher, &list(["3", "1", "2"], four()), START + 31_000);
    begins_at(&mut worker, START + 30_000);
    // What is down in the new order, and what comes back, is seen as well.
    let mut peers = list(["2", "3", "1"], four());
    peers[0].parameters.down = true;
    peers[4].parameters.down = true;
    publish_at(&mut publisher, &peers, START + 50_000);
    publish_at(&mut publisher, &list(["1", "2", "3"], four()), START + 60_000);
    begins_at(&mut worker, START + 60_000);
    let table = worker.table().expect("a table");
    let shares: Vec<f64> =
        table.rows().map(|row| (row.share(START + 60_000) * 100.0).round()).collect();
    assert_eq!(shares, [100.0, 1.0, 100.0, 100.0, 1.0, 100.0, 100.0]);
}

#[test]
fn recovered_after_failures_it_begins_anew() {
    let (fixture, _publisher) = begun(Method::RoundRobin);
    let mut worker = fixture.worker();
    let ask = |worker: &mut Worker, now: u64, outcome| {
        // Until it is the turn of `b`, if it has one.
        (0..20).any(|_| {
            let (address, held) = open(worker, Method::RoundRobin, now);
            let is_new = address == "b";
            let outcome = if is_new { outcome } else { RequestOutcome::Answered };
            worker.release(held, outcome, None, at_ms(now));
            is_new
        })
    };
    assert!(ask(&mut worker, START + 20_000, RequestOutcome::Failed));
    assert!(!ask(&mut worker, START + 30_000, RequestOutcome::Answered));
    is_whole(&mut worker, START + 30_000);
    assert!(ask(&mut worker, START + 31_000, RequestOutcome::Answered));
    begins_at(&mut worker, START + 31_000);
}

#[test]
fn recovered_by_its_checks_it_begins_anew() {
    let fixture = Fixture::new(1 << 20);
    let checking = Some(CheckPolicy { mandatory: true, panic: true });
    let mut publisher =
        fixture.publisher_with(TableOptions { checking, ..TableOptions::default() });
    publish_at(&mut publisher, &four(), START);
    let mut worker = fixture.worker();
    let say = |publisher: &mut Publisher, health, age| {
        publisher.set_health(Some("b"), b"b", health, START + age, &Publishing::unshared())
    };
    // The first check that it passes is when it joins.
    assert!(say(&mut publisher, Health::Passing, 2_000));
    begins_at(&mut worker, START + 2_000);
    assert!(!say(&mut publisher, Health::Passing, 3_000));
    begins_at(&mut worker, START + 2_000);
    assert!(say(&mut publisher, Health::Failing, 20_000));
    is_whole(&mut worker, START + 20_000);
    assert!(say(&mut publisher, Health::Passing, 30_000));
    begins_at(&mut worker, START + 30_000);
}

#[test]
fn where_all_begin_at_once_all_serve_at_once() {
    for method in METHODS {
        let fixture = Fixture::new(1 << 20);
        let mut publisher = fixture.publisher_of(method);
        let mut peers = four();
        for peer in &mut peers {
            peer.joined = START;
        }
        publish_at(&mut publisher, &peers, START);
        let mut worker = fixture.worker();
        let mut of_each = std::collections::BTreeMap::new();
        for _ in 0..4_000 {
            let (address, held) = open(&mut worker, method, START);
            *of_each.entry(address).or_insert(0_u32) += 1;
            worker.release(held, RequestOutcome::Answered, None, at_ms(START));
        }
        let goes_by_key = matches!(method, Method::Hash | Method::HashConsistent | Method::IpHash);
        let is_even =
            of_each.len() == 4 && of_each.values().all(|count| (800..=1_200).contains(count));
        assert!(goes_by_key || is_even, "{}: {of_each:?}", method.name());
    }
}

#[test]
fn the_only_peer_serves_all() {
    for method in METHODS {
        let fixture = Fixture::new(1 << 20);
        publish_at(&mut fixture.publisher_of(method), &four()[1..2], START);
        let mut worker = fixture.worker();
        let held: Vec<_> = (0..100).map(|_| open(&mut worker, method, START)).collect();
        assert_eq!(held.len(), 100);
    }
}
