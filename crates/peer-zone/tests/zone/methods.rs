//! Every method, over any sequence of steps: what it picks may be picked, and where it picks
//! nothing there is nothing to pick.

mod model;

use std::collections::BTreeMap;

use peer_zone::{
    Health, KeyProgress, LeastTime, Method, Parameters, PeerSpec, PickContext, PickedPeer,
    Publisher, RequestOutcome, ResponseTime, TableOptions, Times, Worker, protocol::Publishing,
};
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};

use self::model::{Model, PEERS, Step, WORKERS, checking, step};
use crate::{
    fixture::{
        Fixture, PARAMETERS, address, at, collect, collect_with, ids, peer, pick_by, publish, rows,
    },
    random::Random,
};

struct Request {
    worker: usize,
    key: [u8; 4],
    cookie: Option<u64>,
    progress: KeyProgress,
    tried: Vec<u64>,
    /// What it holds: where, and whether there was no other then.
    held: Option<(PickedPeer, String, bool)>,
}

struct World<'f> {
    fixture: &'f Fixture,
    options: TableOptions,
    publisher: Publisher,
    processes: Vec<u32>,
    workers: Vec<Worker>,
    model: Model,
    requests: Vec<Request>,
}

fn cookie(peer: usize) -> u64 {
    // With something in the upper half, in another order than the peers.
    (peer as u64 + 1) << 32 | (PEERS - peer) as u64
}

fn key(address: &str) -> String {
    format!("key {address}")
}

impl<'f> World<'f> {
    fn new(fixture: &'f Fixture, options: TableOptions) -> Self {
        let processes: Vec<u32> = (1..=WORKERS as u32).collect();
        let workers = processes.iter().map(|&process| fixture.worker_of(process)).collect();
        let model = Model {
            checking: options.checking,
            listed: BTreeMap::new(),
            states: BTreeMap::new(),
            now: 1_000,
        };
        let publisher = fixture.publisher_with(options);
        Self { fixture, options, publisher, processes, workers, model, requests: Vec::new() }
    }

    fn publish(&mut self, parameters: Vec<Option<Parameters>>) {
        let model = &mut self.model;
        let listed =
            (0..PEERS).zip(parameters).filter_map(|(index, it)| Some((index.to_string(), it?)));
        let before = std::mem::replace(&mut model.listed, listed.collect());
        let mandatory = model.checking.is_some_and(|checking| checking.mandatory);
        let health = if mandatory { Health::Pending } else { Health::Unchecked };
        for address in model.listed.keys() {
            let state = model.states.entry(address.clone()).or_default();
            // One that returns before it is forgotten is as new to its checks.
            if !before.contains_key(address) {
                state.health = health;
            }
        }
        let desired: Vec<PeerSpec> = model
            .listed
            .iter()
            .map(|(address, &parameters)| {
                let sticky = cookie(address.parse().expect("an index"));
                PeerSpec { parameters, sticky, joined: 900_000, ..peer(&key(address), address) }
            })
            .collect();
        publish(&mut self.publisher, &desired).expect("room");
    }

    /// The next try of a request.
    fn try_next(&mut self, which: usize) -> Result<(), TestCaseError> {
        let request = &mut self.requests[which];
        let (worker, model) = (&mut self.workers[request.worker], &mut self.model);
        let ids = ids(worker);
        // The only peer may be tried again.
        let is_tried = |address: &str| !model.is_single() && request.tried.contains(&ids[address]);
        let may_serve = |address: &str| model.may_serve(address) && !is_tried(address);
        let any = |backup: bool| {
            model.listed.iter().any(|(address, it)| it.backup == backup && may_serve(address))
        };
        let session = request.cookie.and_then(|cookie_of| {
            let address = (0..PEERS).find(|&index| cookie(index) == cookie_of)?.to_string();
            (model.may_serve_session(&address) && !is_tried(&address)).then_some(address)
        });
        let context = PickContext {
            method: self.options.method,
            key: &request.key,
            sticky: request.cookie,
            ..PickContext::default()
        };
        let held = pick_by(worker, &context, &mut request.progress, at(model.now), &request.tried);
        let Some(held) = held else {
            prop_assert_eq!(session, None, "the cookie's peer was there");
            prop_assert!(!any(false) && !any(true), "there was one: {:?}", model);
            return Ok(());
        };
        let address = address(worker, &held);
        match session {
            Some(session) => prop_assert_eq!(&address, &session, "the cookie names another"),
            None => {
                prop_assert!(may_serve(&address), "{} was picked: {:?}", address, model);
                prop_assert!(!model.listed[&address].backup || !any(false), "a backup was picked");
            }
        }
        prop_assert_eq!(held.sticky(), Some(cookie(address.parse().expect("an index"))));
        model.picked(&address);
        request.tried.push(held.id());
        request.held = Some((held, address, model.is_single()));
        Ok(())
    }

    fn release(&mut self, which: usize, outcome: RequestOutcome) {
        let request = &mut self.requests[which];
        let Some((held, address, was_single)) = request.held.take() else { return };
        self.model.released(&address, was_single, outcome);
        // By which peak_ewma and least_time go.
        let time = u32::from(request.key[0]);
        let times = match self.options.method.least_time() {
            Some(_) => Times::Average { header: time / 2, response: time },
            None => Times::Peak(1_000 * time),
        };
        let times = (outcome == RequestOutcome::Answered).then_some(times);
        self.workers[request.worker].release(held, outcome, times, at(self.model.now));
    }

    fn check(&mut self, which: usize, health: Health) -> Result<(), TestCaseError> {
        let (address, now) = (which.to_string(), u64::from(self.model.now) * 1_000);
        let before =
            self.model.listed.contains_key(&address).then(|| self.model.states[&address].health);
        if self.options.checking.is_none() {
            return Ok(());
        }
        let key = key(&address);
        let is_changed = self.publisher.set_health(
            Some(&key),
            address.as_bytes(),
            health,
            now,
            &Publishing::unshared(),
        );
        prop_assert_eq!(is_changed, before.is_some_and(|before| before != health));
        if before.is_some() {
            self.model.states.get_mut(&address).expect("listed").health = health;
        }
        Ok(())
    }

    fn die(&mut self, index: usize) {
        let dead = self.processes[index];
        self.processes[index] += 100;
        self.workers[index] = self.fixture.worker_of(self.processes[index]);
        let requests = std::mem::take(&mut self.requests);
        let (gone, living): (Vec<_>, Vec<_>) =
            requests.into_iter().partition(|request| request.worker == index);
        self.requests = living;
        for (_, address, _) in gone.into_iter().filter_map(|request| request.held) {
            self.model.states.get_mut(&address).expect("known").connections -= 1;
        }
        collect_with(&mut self.publisher, |process| process.id() != dead);
        self.model.collected();
    }

    fn apply(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Publish(parameters) => self.publish(parameters),
            Step::Begin(worker, number, session) => {
                self.requests.push(Request {
                    worker,
                    key: number.to_le_bytes(),
                    cookie: session.map(cookie),
                    progress: KeyProgress::default(),
                    tried: Vec::new(),
                    held: None,
                });
                self.try_next(self.requests.len() - 1)?;
            }
            Step::GoOn(which, outcome) if !self.requests.is_empty() => {
                let which = which % self.requests.len();
                self.release(which, outcome);
                self.try_next(which)?;
            }
            Step::Release(which, outcome) if !self.requests.is_empty() => {
                let which = which % self.requests.len();
                self.release(which, outcome);
                self.requests.swap_remove(which);
            }
            Step::GoOn(..) | Step::Release(..) => {}
            Step::Check(which, health) => self.check(which, health)?,
            Step::Pass(seconds) => self.model.now += seconds,
            Step::Collect => {
                collect(&mut self.publisher);
                self.model.collected();
            }
            Step::Die(index) => self.die(index),
            Step::Succeed => self.publisher = self.fixture.publisher_with(self.options),
        }
        for (_, address, connections, is_removed) in rows(&mut self.workers[0]) {
            prop_assert_eq!(connections, self.model.states[&address].connections);
            prop_assert_eq!(is_removed, !self.model.listed.contains_key(&address));
        }
        prop_assert_eq!(self.fixture.zone.statistics().is_panicking, self.model.panics());
        Ok(())
    }
}

fn holds(method: Method, cases: u32, heaviest: u32) {
    // Printed, so that a failure can be made to come again.
    let rng_seed = RngSeed::Fixed(Random::from_environment().next());
    let config =
        ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() };
    let steps = (checking(), prop::collection::vec(step(heaviest), 1..150));
    let result = TestRunner::new(config).run(&steps, |(checking, steps)| {
        let fixture = Fixture::new(1 << 21);
        let options = TableOptions { method, is_sticky: true, checking, is_grouped: false };
        let mut world = World::new(&fixture, options);
        world.publish(vec![Some(PARAMETERS), Some(PARAMETERS), None, None, None, None, None, None]);
        let before = fixture.used();
        for step in steps {
            world.apply(step)?;
        }
        for which in 0..world.requests.len() {
            world.release(which, RequestOutcome::Answered);
        }
        // The servers of a ring get the first slots again.
        world.publish(vec![None; PEERS]);
        world.publish(vec![Some(PARAMETERS), Some(PARAMETERS), None, None, None, None, None, None]);
        collect(&mut world.publisher);
        prop_assert_eq!(fixture.used(), before);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{}: {error}", method.name());
    }
}

/// What a proptest runs by default, where the environment does not say otherwise, takes too long
/// for eight methods.
fn cases(share: u32) -> u32 {
    (ProptestConfig::default().cases / share).max(8)
}

#[test]
fn round_robin_is_as_the_model() {
    holds(Method::RoundRobin, cases(2), 20);
}

#[test]
fn least_conn_is_as_the_model() {
    holds(Method::LeastConn, cases(2), 20);
}

#[test]
fn random_is_as_the_model() {
    holds(Method::Random, cases(2), 20);
}

#[test]
fn random_two_is_as_the_model() {
    holds(Method::RandomTwo, cases(2), 20);
}

#[test]
fn least_time_is_as_the_model() {
    for is_inflight in [false, true] {
        let least_time = LeastTime { time: ResponseTime::LastByte, is_inflight };
        holds(Method::LeastTime(least_time), cases(4), 20);
    }
}

#[test]
fn peak_ewma_is_as_the_model() {
    holds(Method::PeakEwma, cases(2), 20);
}

#[test]
fn hash_is_as_the_model() {
    holds(Method::Hash, cases(2), 20);
}

#[test]
fn ip_hash_is_as_the_model() {
    holds(Method::IpHash, cases(2), 20);
}

/// A ring has 160 points for each unit of weight, which take their time.
#[test]
fn hash_consistent_with_small_weights_is_as_the_model() {
    holds(Method::HashConsistent, cases(8), 3);
}

#[test]
fn hash_consistent_with_great_weights() {
    holds(Method::HashConsistent, cases(32), 20);
}
