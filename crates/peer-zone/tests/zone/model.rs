//! Any sequence of steps, beside a naive model of nginx's rules that walks all peers.

use std::collections::BTreeMap;

use peer_zone::{Parameters, PeerSpec, PickedPeer, RequestOutcome, Worker};
use proptest::prelude::*;

use crate::fixture::{
    Fixture, PARAMETERS, address, at, collect, collect_with, peer, publish, rows, try_pick,
};

/// Addresses, each of a key of its own, that a list may have.
const PEERS: usize = 5;

/// Workers that pick, die and are replaced.
const WORKERS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<Option<Parameters>>),
    Pick(usize),
    Release(usize, RequestOutcome),
    Pass(u32),
    Collect,
    Die(usize),
}

fn parameters() -> impl Strategy<Value = Parameters> {
    (1_u32..=3, 0_u32..=2, 0_u32..=2, 0_u32..=3, any::<[bool; 2]>(), 0_u8..8).prop_map(
        |(weight, max_conns, max_fails, fail_timeout, [backup, also], service)| Parameters {
            weight: if service == 7 { weight * 1009 } else { weight },
            max_conns,
            max_fails,
            fail_timeout,
            backup: backup && also,
            down: service == 0,
            drain: service == 1,
            ..PARAMETERS
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop::sample::select(vec![RequestOutcome::Answered, RequestOutcome::Failed]);
    prop_oneof![
        2 => prop::collection::vec(prop::option::weighted(0.7, parameters()), PEERS)
            .prop_map(Step::Publish),
        10 => (0..WORKERS).prop_map(Step::Pick),
        8 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::Release(which, outcome)),
        2 => (0_u32..5).prop_map(Step::Pass),
        1 => Just(Step::Collect),
        1 => (0..WORKERS).prop_map(Step::Die),
    ]
}

/// What a peer has been through.
#[derive(Clone, Debug, Default)]
struct State {
    fails: u32,
    accessed: u32,
    checked: u32,
    connections: u32,
}

#[derive(Debug, Default)]
struct Model {
    listed: BTreeMap<String, Parameters>,
    /// Of those that are listed and those that are gone but not collected.
    states: BTreeMap<String, State>,
    now: u32,
}

impl Model {
    fn is_single(&self) -> bool {
        self.listed.len() == 1
    }

    fn may_be_picked(&self, address: &str) -> bool {
        let (Some(parameters), state) = (self.listed.get(address), &self.states[address]) else {
            return false;
        };
        let has_failed = parameters.max_fails != 0
            && state.fails >= parameters.max_fails
            && self.now - state.checked <= parameters.fail_timeout;
        !parameters.down
            && !parameters.drain
            && (self.is_single() || !has_failed)
            && (parameters.max_conns == 0 || state.connections < parameters.max_conns)
    }

    fn any(&self, backup: bool) -> bool {
        self.listed
            .iter()
            .any(|(address, parameters)| parameters.backup == backup && self.may_be_picked(address))
    }

    fn picked(&mut self, address: &str) {
        let fail_timeout = self.listed[address].fail_timeout;
        let now = self.now;
        let state = self.states.get_mut(address).expect("known");
        if now - state.checked > fail_timeout && state.fails != 0 {
            state.checked = now;
        }
        state.connections += 1;
    }

    fn released(&mut self, request: &Request, outcome: RequestOutcome) {
        let now = self.now;
        let state = self.states.get_mut(&request.address).expect("kept, as it was held");
        state.connections -= 1;
        if request.was_single {
            state.fails = 0;
        } else if outcome == RequestOutcome::Failed {
            state.fails += 1;
            (state.accessed, state.checked) = (now, now);
        } else if state.accessed < state.checked {
            state.fails = 0;
        }
    }

    fn collected(&mut self) {
        self.states
            .retain(|address, state| self.listed.contains_key(address) || state.connections > 0);
    }
}

struct Request {
    worker: usize,
    held: PickedPeer,
    address: String,
    was_single: bool,
}

fn check(worker: &mut Worker, model: &Model) -> Result<(), TestCaseError> {
    for (_, address, connections, is_removed) in rows(worker) {
        prop_assert_eq!(connections, model.states[&address].connections);
        prop_assert_eq!(is_removed, !model.listed.contains_key(&address));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn is_what_nginx_would_do(steps in prop::collection::vec(step(), 1..150)) {
        let fixture = Fixture::new(1 << 18);
        let mut publisher = fixture.publisher();
        publish(&mut publisher, &[]).expect("room");
        let used = fixture.used();
        let mut processes: Vec<u32> = (1..=WORKERS as u32).collect();
        let mut workers: Vec<Worker> =
            processes.iter().map(|&process| fixture.worker_of(process)).collect();
        let mut model = Model { now: 1_000, ..Model::default() };
        let mut requests: Vec<Request> = Vec::new();
        for step in steps {
            match step {
                Step::Publish(parameters) => {
                    let listed = (0..PEERS)
                        .zip(parameters)
                        .filter_map(|(index, it)| Some((index.to_string(), it?)));
                    model.listed = listed.collect();
                    for address in model.listed.keys() {
                        model.states.entry(address.clone()).or_default();
                    }
                    let desired: Vec<PeerSpec> = model
                        .listed
                        .iter()
                        .map(|(address, &parameters)| PeerSpec {
                            parameters,
                            ..peer(&format!("key {address}"), address)
                        })
                        .collect();
                    publish(&mut publisher, &desired).expect("room");
                }
                Step::Pick(index) => {
                    let worker = &mut workers[index];
                    match try_pick(worker, model.now) {
                        None => {
                            prop_assert!(!model.any(false) && !model.any(true), "there was one")
                        }
                        Some(held) => {
                            let address = address(worker, &held);
                            prop_assert!(model.may_be_picked(&address), "{} was picked", address);
                            prop_assert!(
                                !model.listed[&address].backup || !model.any(false),
                                "a backup was picked"
                            );
                            model.picked(&address);
                            requests.push(Request {
                                worker: index,
                                held,
                                address,
                                was_single: model.is_single(),
                            });
                        }
                    }
                }
                Step::Release(which, outcome) if !requests.is_empty() => {
                    let request = requests.swap_remove(which % requests.len());
                    model.released(&request, outcome);
                    workers[request.worker].release(request.held, outcome, None, at(model.now));
                }
                Step::Release(..) => {}
                Step::Pass(seconds) => model.now += seconds,
                Step::Collect => {
                    collect(&mut publisher);
                    model.collected();
                }
                Step::Die(index) => {
                    let dead = processes[index];
                    processes[index] += 100;
                    workers[index] = fixture.worker_of(processes[index]);
                    let (gone, living): (Vec<_>, Vec<_>) =
                        requests.into_iter().partition(|request| request.worker == index);
                    requests = living;
                    for request in gone {
                        model.states.get_mut(&request.address).expect("known").connections -= 1;
                    }
                    collect_with(&mut publisher, |process| process.id() != dead);
                    model.collected();
                }
            }
            check(&mut workers[0], &model)?;
        }
        for request in requests {
            let now = at(model.now);
            workers[request.worker].release(request.held, RequestOutcome::Answered, None, now);
        }
        publish(&mut publisher, &[]).expect("room");
        collect(&mut publisher);
        prop_assert_eq!(fixture.used(), used);
    }
}
