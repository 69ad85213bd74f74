use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout};

use super::{Checks, MAX_FAILING_TOGETHER, MAX_TOGETHER};
use crate::attempt::CheckOutcome;
use crate::checked::Checked;
use crate::config::{CheckConfig, CheckKind};
use crate::failure::{Failure, Fault};
use crate::health::HealthState;
use crate::peer::{Address, PeerId};

const INTERVAL: Duration = Duration::from_secs(5);

/// How one port answers: after this time, with this outcome.
type Answer = (Duration, CheckOutcome);

/// The network of these tests.
#[derive(Default)]
struct Network {
    answers: HashMap<u16, Answer>,
    begun: Vec<(Instant, u16)>,
    open: usize,
    most_open: usize,
}

/// Counts an attempt as open until it is dropped, however it ends.
struct Open(Arc<Mutex<Network>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().expect("no panic").open -= 1;
    }
}

fn checks(fall: u32, rise: u32) -> (Checks, Arc<Mutex<Network>>) {
    let network = Arc::new(Mutex::new(Network::default()));
    let config = CheckConfig {
        kind: CheckKind::Tcp { exchange: None },
        interval: INTERVAL,
        timeout: INTERVAL,
        fall,
        rise,
    };
    let shared = Arc::clone(&network);
    let checks = Checks::with_attempt(&config, Rng::with_seed(7), move |target| {
        let Address::Ip(address) = target else { panic!("{target} is not of this network") };
        let port = address.port();
        let (duration, outcome) = {
            let mut network = shared.lock().expect("no panic");
            network.begun.push((Instant::now(), port));
            network.open += 1;
            network.most_open = network.most_open.max(network.open);
            network
                .answers
                .get(&port)
                .cloned()
                .unwrap_or((Duration::from_millis(1), CheckOutcome::Passed))
        };
        let open = Open(Arc::clone(&shared));
        Box::pin(async move {
            sleep(duration).await;
            drop(open);
            outcome
        })
    });
    (checks, network)
}

fn peer(port: u16) -> Checked {
    Checked {
        id: PeerId { key: None, address: port.to_be_bytes().as_slice().into() },
        target: Address::Ip(SocketAddr::from(([127, 0, 0, 1], port))),
        state: HealthState::Unknown,
        plan: None,
    }
}

fn set(network: &Mutex<Network>, port: u16, seconds: u64, outcome: CheckOutcome) {
    network.lock().expect("no panic").answers.insert(port, (Duration::from_secs(seconds), outcome));
}

fn failed() -> CheckOutcome {
    CheckOutcome::Failed(Failure::of_system(&io::ErrorKind::ConnectionRefused.into()))
}

#[tokio::test(start_paused = true)]
async fn verdicts_come_with_changes_only() {
    let (mut checks, network) = checks(3, 2);
    checks.set_peers([peer(1)]);
    let verdict = checks.next().await;
    assert_eq!((verdict.state, verdict.reason), (HealthState::Passing, None));
    assert!(timeout(INTERVAL * 10, checks.next()).await.is_err(), "nothing changes");
    set(&network, 1, 0, failed());
    let before = network.lock().expect("no panic").begun.len();
    let verdict = checks.next().await;
    assert_eq!(
        (verdict.state, verdict.reason.as_deref()),
        (HealthState::Failing, Some("connection refused"))
    );
    assert_eq!(network.lock().expect("no panic").begun.len(), before + 3);
    set(&network, 1, 0, CheckOutcome::Passed);
    assert_eq!(checks.next().await.state, HealthState::Passing);
    assert_eq!(network.lock().expect("no panic").begun.len(), before + 5);
}

#[tokio::test(start_paused = true)]
async fn each_check_that_is_made_has_a_result() {
    let (mut checks, network) = checks(3, 2);
    checks.set_peers([peer(1)]);
    checks.next().await;
    set(&network, 1, 0, CheckOutcome::Failed(Failure::of_status(503)));
    checks.next().await;
    set(&network, 1, 0, CheckOutcome::NotMade);
    assert!(timeout(INTERVAL * 10, checks.next()).await.is_err(), "nothing changes");
    let results = checks.take_results();
    assert!(results.iter().all(|result| result.id == peer(1).id));
    assert!(results.is_sorted_by_key(|result| result.at));
    let faults: Vec<_> = results.iter().map(|result| result.fault).collect();
    let failed = Some(Fault::Status(503));
    assert_eq!(faults, [None, failed, failed, failed]);
    assert!(checks.not_made() > 5 && checks.take_results().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_starts_as_failing_has_to_rise() {
    let (mut checks, network) = checks(3, 2);
    checks.set_peers([Checked { state: HealthState::Failing, ..peer(1) }]);
    assert_eq!(checks.next().await.state, HealthState::Passing);
    assert_eq!(network.lock().expect("no panic").begun.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_hangs_does_not_delay_others_and_no_more_than_the_limit_are_open() {
    let (mut checks, network) = checks(1, 1);
    for port in 1..=1000 {
        set(&network, port, 5, failed());
    }
    checks.set_peers((1..=1100).map(peer));
    let start = Instant::now();
    let mut passing = HashSet::new();
    let mut failing = HashSet::new();
    while passing.len() + failing.len() < 1100 {
        let verdict = checks.next().await;
        let known = if verdict.state == HealthState::Passing { &mut passing } else { &mut failing };
        known.insert(verdict.id);
    }
    assert_eq!((passing.len(), failing.len()), (100, 1000));
    // 1 000 that hang for 5 s each, 256 at a time.
    assert!(start.elapsed() <= Duration::from_secs(26), "{:?}", start.elapsed());
    let network = network.lock().expect("no panic");
    assert_eq!(network.most_open, MAX_TOGETHER);
    // Nobody was asked a second time before all had their turn.
    let first: HashSet<_> = network.begun.iter().take(1100).map(|(_, port)| *port).collect();
    assert!(first.len() > 1000, "{}", first.len());
}

#[tokio::test(start_paused = true)]
async fn many_that_fail_and_hang_do_not_delay_those_that_are_well() {
    let (mut checks, network) = checks(1, 1);
    for port in 1..=1500 {
        set(&network, port, 5, failed());
    }
    let hanging = (1..=1500).map(|port| Checked { state: HealthState::Failing, ..peer(port) });
    checks.set_peers(hanging.chain((1501..=2000).map(peer)));
    for _ in 0..500 {
        assert_eq!(checks.next().await.state, HealthState::Passing);
    }
    assert!(timeout(INTERVAL * 20, checks.next()).await.is_err(), "nothing changes");
    let mut last = HashMap::new();
    let (mut slowest, mut hanging) = (Duration::ZERO, 0);
    for (time, port) in &network.lock().expect("no panic").begun {
        hanging += usize::from(*port <= 1500);
        let before = last.insert(*port, *time).filter(|_| *port > 1500);
        slowest = slowest.max(before.map_or(Duration::ZERO, |before| *time - before));
    }
    assert!(slowest <= INTERVAL.mul_f64(1.1) + Duration::from_millis(10), "{slowest:?}");
    // Those that hang have their places for themselves as well: for 105 s, 5 s each.
    assert!(
        (MAX_FAILING_TOGETHER * 20..=MAX_FAILING_TOGETHER * 22).contains(&hanging),
        "{hanging}"
    );
}

#[tokio::test(start_paused = true)]
async fn two_thousand_peers_are_spread_over_the_interval() {
    let (mut checks, network) = checks(1, 1);
    let start = Instant::now();
    checks.set_peers((1..=2000).map(peer));
    for _ in 0..2000 {
        assert_eq!(checks.next().await.state, HealthState::Passing);
    }
    assert!(start.elapsed() <= INTERVAL + Duration::from_millis(10), "{:?}", start.elapsed());
    assert!(timeout(INTERVAL * 20, checks.next()).await.is_err(), "nothing changes");
    let network = network.lock().expect("no panic");
    let mut tenths: HashMap<u128, usize> = HashMap::new();
    for (time, _) in &network.begun {
        *tenths.entry((*time - start).as_millis() / (INTERVAL / 10).as_millis()).or_default() += 1;
    }
    // The last one is not a whole one.
    for tenth in 0..200 {
        let count = tenths.get(&tenth).copied().unwrap_or(0);
        assert!((130..=290).contains(&count), "{count} checks in tenth {tenth}, 200 are expected");
    }
    assert!(network.most_open < 10, "{}", network.most_open);
}

#[tokio::test(start_paused = true)]
async fn a_peer_removed_during_its_attempt_yields_no_verdict() {
    let (mut checks, network) = checks(1, 1);
    set(&network, 1, 3, failed());
    checks.set_peers([peer(1), peer(2)]);
    assert_eq!(checks.next().await.id, peer(2).id);
    // The attempt at the other one begins by then.
    assert!(timeout(Duration::from_secs(1), checks.next()).await.is_err());
    assert_eq!(network.lock().expect("no panic").open, 1);
    checks.set_peers([peer(2)]);
    assert_eq!(checks.len(), 1);
    assert!(timeout(INTERVAL * 4, checks.next()).await.is_err(), "nobody changes");
    let begun: Vec<_> =
        network.lock().expect("no panic").begun.iter().map(|(_, port)| *port).collect();
    assert_eq!(begun.iter().filter(|port| **port == 1).count(), 1);
    assert!(begun.len() >= 4);
    assert_eq!(network.lock().expect("no panic").open, 0);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_attempt_ends_at_once() {
    let (mut checks, network) = checks(1, 1);
    set(&network, 1, 3, failed());
    checks.set_peers([peer(1)]);
    assert!(timeout(Duration::from_secs(1), checks.next()).await.is_err());
    assert_eq!(network.lock().expect("no panic").open, 1);
    checks.set_peers([]);
    assert!(checks.is_empty());
    assert!(timeout(Duration::from_millis(1), checks.next()).await.is_err());
    assert_eq!(network.lock().expect("no panic").open, 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_checks_ends_what_is_under_way() {
    let (mut checks, network) = checks(1, 1);
    set(&network, 1, 3, failed());
    checks.set_peers([peer(1)]);
    assert!(timeout(Duration::from_secs(1), checks.next()).await.is_err());
    drop(checks);
    tokio::task::yield_now().await;
    assert_eq!(network.lock().expect("no panic").open, 0);
}

#[tokio::test(start_paused = true)]
async fn next_may_be_cancelled_at_any_time() {
    let (mut checks, network) = checks(2, 2);
    for port in (1..=50).filter(|port| port % 2 == 0) {
        set(&network, port, 1, failed());
    }
    checks.set_peers((1..=50).map(peer));
    let mut told = HashMap::new();
    while told.len() < 50 {
        if let Ok(verdict) = timeout(Duration::from_millis(1), checks.next()).await {
            assert_eq!(told.insert(verdict.id, verdict.state), None, "each changes once");
        }
    }
    for port in 1..=50 {
        let expected = if port % 2 == 0 { HealthState::Failing } else { HealthState::Passing };
        assert_eq!(told[&peer(port).id], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn checks_that_could_not_be_made_are_counted_and_change_nothing() {
    let (mut checks, network) = checks(1, 1);
    set(&network, 1, 0, CheckOutcome::NotMade);
    checks.set_peers([Checked { state: HealthState::Passing, ..peer(1) }]);
    assert!(timeout(INTERVAL * 10, checks.next()).await.is_err());
    assert!((9..=12).contains(&checks.not_made()), "{}", checks.not_made());
}
