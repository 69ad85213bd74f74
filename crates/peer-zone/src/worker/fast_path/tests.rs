//! Two zones go through the same steps: in one, picks and releases take the short way if they can,
//! in the other never. Nothing may tell them apart.

use core::ptr::NonNull;
use std::sync::Arc;

use peer_balance::Parameters;
use proptest::prelude::*;

use super::super::{
    Worker,
    among::{Among, PickedGroup},
    pick::{Pick, PickContext},
    release::RequestOutcome,
};
use super::*;
use crate::{
    Capacity, CheckPolicy, Health, PeerSpec, Publisher, TableOptions, Zone, memory,
    protocol::{Process, Publishing},
};

const METHODS: [Method; 8] = [
    Method::RoundRobin,
    Method::LeastConn,
    Method::Random,
    Method::RandomTwo,
    Method::PeakEwma,
    Method::Hash,
    Method::IpHash,
    Method::HashConsistent,
];

/// Peers that a list may have.
const PEERS: usize = 5;

const WORKERS: usize = 2;

/// The size of a zone, in bytes.
const ZONE: usize = 1 << 19;

#[derive(Clone)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; memory::LINE],
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<Option<Parameters>>),
    Check(usize, Health),
    /// A worker picks by this key; the request has tried the peers of its bits.
    Pick(usize, [u8; 3], u8),
    Upgrade(usize),
    Release(usize, RequestOutcome),
    Pass(u32),
}

/// Parameters of which few forbid the short way.
fn parameters() -> impl Strategy<Value = Parameters> {
    (1_u32..=4, 0_u32..=2, 0_u32..=2, 0_u8..40).prop_map(
        |(weight, max_fails, fail_timeout, rare)| Parameters {
            weight: if rare == 0 { weight * 1009 + 1 } else { weight },
            max_conns: if rare == 1 { 1 } else { 0 },
            max_fails,
            fail_timeout,
            slow_start: if rare == 2 { 3 } else { 0 },
            backup: rare == 3 || rare == 4,
            down: rare == 5,
            drain: rare == 6,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let health = prop::sample::select(vec![Health::Passing, Health::Passing, Health::Failing]);
    let outcome = prop_oneof![
        5 => Just(RequestOutcome::Answered),
        1 => Just(RequestOutcome::Failed),
    ];
    let tried = prop_oneof![4 => Just(0), 1 => 0_u8..32];
    prop_oneof![
        1 => prop::collection::vec(prop::option::weighted(0.8, parameters()), PEERS)
            .prop_map(Step::Publish),
        1 => (0..PEERS, health).prop_map(|(which, health)| Step::Check(which, health)),
        20 => (0..WORKERS, any::<[u8; 3]>(), tried)
            .prop_map(|(worker, key, tried)| Step::Pick(worker, key, tried)),
        1 => any::<usize>().prop_map(Step::Upgrade),
        16 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::Release(which, outcome)),
        1 => (0_u32..4).prop_map(Step::Pass),
    ]
}

fn spec(index: usize, parameters: Parameters) -> PeerSpec {
    let text: Arc<str> = index.to_string().into();
    PeerSpec {
        key: Some(Arc::clone(&text)),
        socket_address: text.as_bytes().into(),
        name: Arc::clone(&text),
        server: text,
        parameters,
        sticky: index as u64 + 1,
        route: None,
        labels: None,
        source: None,
        group: None,
        create_revision: 0,
        joined: 0,
    }
}

/// A zone with its processes and the requests that hold peers, each with its worker.
struct Instance {
    is_careful: bool,
    is_grouped: bool,
    method: Method,
    publisher: Publisher,
    workers: Vec<Worker>,
    requests: Vec<(usize, PickedPeer, PickedGroup)>,
    now: u32,
    /// Last: it is used until here.
    _lines: Vec<Line>,
}

impl Instance {
    fn new(method: Method, is_grouped: bool, is_careful: bool) -> Self {
        let mut lines = vec![Line { _bytes: [0; memory::LINE] }; ZONE / memory::LINE];
        let base = NonNull::from(&mut lines[0]).cast();
        let capacity = Capacity { workers: WORKERS as u32, processes: 48 };
        // SAFETY: the memory is the instance's alone, and lives as long.
        let zone = unsafe { Zone::format(base, ZONE, capacity) }.expect("large enough");
        let publishing = Publishing::unshared();
        // SAFETY: there is one.
        let mut publisher = unsafe { Publisher::take_over(zone, &publishing) };
        let checking = Some(CheckPolicy { mandatory: false, panic: true });
        let options = TableOptions { method, is_sticky: false, checking, is_grouped };
        publisher.set_options(options, 0, &publishing);
        let workers = (1..=WORKERS as u32).map(|process| {
            let worker = zone.join(Process::new(process, 1), |_| true).expect("an entry");
            // The seed is otherwise where the zone lies.
            worker.random.set(u64::from(process));
            worker
        });
        let workers = workers.collect();
        let requests = Vec::new();
        Self { is_careful, is_grouped, method, publisher, workers, requests, now: 0, _lines: lines }
    }

    fn now(&self) -> Now {
        Now { seconds: self.now, milliseconds: u64::from(self.now) * 1_000 + 1 }
    }

    /// Takes a step; returns what it came to.
    fn step(&mut self, step: &Step) -> String {
        let (now, publishing) = (self.now(), Publishing::unshared());
        match step {
            Step::Publish(list) => {
                let listed = list.iter().enumerate();
                let mut list: Vec<PeerSpec> = listed
                    .filter_map(|(index, parameters)| Some(spec(index, (*parameters)?)))
                    .collect();
                if self.method == Method::LeastConn {
                    // It draws whose turn it is while any peer may be starting, and so has other
                    // random numbers afterwards.
                    list.iter_mut().for_each(|peer| peer.parameters.slow_start = 0);
                }
                if self.method == Method::HashConsistent {
                    // A ring has points by weight.
                    list.iter_mut().for_each(|peer| peer.parameters.weight %= 1009);
                }
                if self.is_grouped {
                    let other = |index: usize| if index % 4 == 3 { "other" } else { "group" };
                    for (index, peer) in list.iter_mut().enumerate() {
                        peer.group = Some(other(index).into());
                    }
                }
                self.publisher.publish(list, now.milliseconds, &publishing).expect("room");
                String::new()
            }
            Step::Check(which, health) => {
                let key = which.to_string();
                let address = key.as_bytes();
                self.publisher.set_health(
                    Some(&key),
                    address,
                    *health,
                    now.milliseconds,
                    &publishing,
                );
                String::new()
            }
            Step::Pick(which, key, tried) => {
                let group = Among::Group(GroupName::new(b"group"));
                let among = if self.is_grouped { group } else { Among::Everyone };
                let context =
                    PickContext { method: self.method, key, among, ..PickContext::default() };
                let worker = &mut self.workers[*which];
                let mut progress = KeyProgress::default();
                let (is_tried, has_tried) = (|id: u64| tried >> (id % 5) & 1 != 0, *tried != 0);
                let picked = if self.is_careful {
                    worker.pick_with_care(&context, &mut progress, now, is_tried, (has_tried, None))
                } else {
                    worker.pick(&context, &mut progress, now, is_tried, has_tried)
                };
                let group =
                    if self.is_grouped { worker.last_group() } else { PickedGroup::default() };
                let result = format!("{picked:?} {progress:?} {group:?}");
                if let Pick::Peer(held) = picked {
                    self.requests.push((*which, held, group));
                }
                result
            }
            Step::Upgrade(which) if !self.requests.is_empty() => {
                let which = which % self.requests.len();
                let (worker, held, _) = &mut self.requests[which];
                self.workers[*worker].upgrade(held);
                String::new()
            }
            Step::Release(which, outcome) if !self.requests.is_empty() => {
                let (worker, held, group) = self.requests.remove(which % self.requests.len());
                let worker = &mut self.workers[worker];
                let is_disabled = if self.is_careful {
                    {
                        let position = worker.position_in(group, held.is_backup());
                        worker.release_with_care(held, *outcome, None, now, position as u32)
                    }
                } else {
                    worker.release_in(group, held, *outcome, None, now)
                };
                is_disabled.to_string()
            }
            Step::Pass(seconds) => {
                self.now += seconds;
                String::new()
            }
            Step::Upgrade(_) | Step::Release(..) => String::new(),
        }
    }

    /// All that there is to see: what peers count, how far round robin has come, and that nobody
    /// keeps a table.
    fn state(&mut self) -> String {
        let worker = &mut self.workers[0];
        let positions = [&worker.zone.positions().primary, &worker.zone.positions().backup]
            .map(|position| position.load(Ordering::Relaxed));
        let recoveries = worker.zone.header().recoveries.load(Ordering::Relaxed);
        let rows = worker.table().map(|table| {
            table.rows().map(|row| format!("{:?} {:?}\n", row.peer, row.columns)).collect()
        });
        let words = worker.table().map(|table| {
            table.entries().map(|entry| format!("{:?}\n", table.peer(entry))).collect()
        });
        let [rows, words] = [rows, words].map(Option::<String>::unwrap_or_default);
        let pins: Vec<u32> =
            self.workers.iter().map(|worker| worker.process_entry().table.place()).collect();
        format!("{positions:?} {recoveries} {pins:?}\n{rows}{words}")
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_short_way_is_told_from_the_long_one_by_nothing(
        method in prop::sample::select(METHODS.to_vec()),
        is_grouped: bool,
        first in prop::collection::vec(prop::option::weighted(0.9, parameters()), PEERS),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut instances =
            [true, false].map(|is_careful| Instance::new(method, is_grouped, is_careful));
        for step in [Step::Publish(first)].iter().chain(&steps) {
            let [careful, short] = instances.each_mut().map(|instance| {
                let result = instance.step(step);
                (result, instance.state())
            });
            prop_assert_eq!(careful, short, "{:?}", step);
        }
    }
}

/// Without this the test above would pass without the short way.
#[test]
fn peers_without_anything_special_are_picked_at_once() {
    let parameters = Parameters { weight: 2, ..Parameters::default() };
    for (method, is_grouped) in METHODS.into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let mut instance = Instance::new(method, is_grouped, false);
        let group = is_grouped.then(|| GroupName::new(b"group"));
        instance.step(&Step::Publish(vec![Some(parameters); PEERS]));
        for _ in 0..PEERS {
            let worker = &mut instance.workers[0];
            let mut progress = KeyProgress::default();
            let mut held = None;
            let take = |peer, _: &RequestAddress<'_>| {
                held = Some(peer);
                true
            };
            let now = Now::default();
            let picked = match (method, group) {
                (Method::RoundRobin | Method::LeastConn | Method::Random, Some(name)) => {
                    worker.pick_in_group_at_once::<false>(method, name, None, take)
                }
                (Method::RoundRobin | Method::LeastConn | Method::Random, None) => {
                    worker.pick_at_once::<false>(method, None, take)
                }
                (Method::RandomTwo | Method::PeakEwma, Some(name)) => {
                    worker.pick_of_two_in_group_at_once((method, name), now, take)
                }
                (Method::RandomTwo | Method::PeakEwma, None) => {
                    worker.pick_of_two_at_once(method, now, take)
                }
                (_, Some(name)) => {
                    let progress = &mut progress;
                    worker.pick_own_in_group_at_once((method, name), b"key", progress, take)
                }
                (_, None) => worker.pick_own_at_once(method, b"key", &mut progress, take),
            };
            assert_eq!(picked, Ok(()));
            assert!(worker.release_at_once(&mut held) && held.is_none());
        }
    }
}

/// What decides whether the connection to the peer is kept.
#[test]
fn who_gives_a_peer_back_learns_whether_it_is_in_service() {
    let parameters = Some(Parameters::default());
    let failing = Step::Check(0, Health::Failing);
    let draining = Step::Publish(vec![Some(Parameters { drain: true, ..Parameters::default() })]);
    let steps = [(None, true), (Some(failing), false), (Some(draining), false)];
    for (step, is_in_service) in steps {
        let mut instance = Instance::new(Method::RoundRobin, false, false);
        instance.step(&Step::Publish(vec![parameters]));
        instance.step(&Step::Pick(0, [0; 3], 0));
        let (_, held, _) = instance.requests.remove(0);
        if let Some(step) = step {
            instance.step(&step);
        }
        let worker = &mut instance.workers[0];
        // Where all fail, all are in service.
        // SAFETY: it is held.
        let peer = unsafe { worker.zone.peer(held.place()) };
        peer.set_used_failing(false);
        assert_eq!(worker.is_in_service(&held), is_in_service);
        let mut held = Some(held);
        let found = worker.release_at_once_in_service(&mut held, || None::<()>, |()| ());
        assert!(found.is_none() && held.is_some(), "the look says that it may not");
        let mut counted = None;
        let count = |seen| counted = Some(seen);
        let found = worker.release_at_once_in_service(&mut held, || Some(7), count);
        assert_eq!((found, counted), (Some(is_in_service), Some(7)));
        assert!(held.is_none());
    }
}
