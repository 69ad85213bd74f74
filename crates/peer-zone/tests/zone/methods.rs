//! Every method, over any sequence of steps: what it picks may be picked, and where it picks
//! nothing there is nothing to pick.

use std::collections::BTreeMap;

use peer_zone::{
    CheckPolicy, Health, KeyProgress, Method, Parameters, PeerSpec, PickContext, PickedPeer,
    Publisher, RequestOutcome, TableOptions, Worker, protocol::Publishing,
};
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};

use crate::{
    fixture::{
        Fixture, PARAMETERS, address, at, collect, collect_with, ids, peer, pick_by, publish, rows,
    },
    random::Random,
};

/// Addresses, each of a key of its own, that a list may have.
const PEERS: usize = 8;

/// Workers that pick, die and are replaced.
const WORKERS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<Option<Parameters>>),
    /// A worker picks for a new request with this key and, where there is one, the cookie of this
    /// peer.
    Begin(usize, u32, Option<usize>),
    /// A request goes on to its next try.
    GoOn(usize, RequestOutcome),
    Release(usize, RequestOutcome),
    Check(usize, Health),
    Pass(u32),
    Collect,
    Die(usize),
    /// Another publisher takes over.
    Succeed,
}

fn parameters(heaviest: u32) -> impl Strategy<Value = Parameters> {
    (1..=heaviest, 0_u32..=2, 0_u32..=2, 0_u32..=3, any::<[bool; 3]>(), 0_u8..8).prop_map(
        |(weight, max_conns, max_fails, fail_timeout, [backup, also, starts_slowly], service)| {
            Parameters {
                weight,
                max_conns,
                max_fails,
                fail_timeout,
                slow_start: if starts_slowly { 5 } else { 0 },
                backup: backup && also,
                down: service == 0,
                drain: service == 1,
            }
        },
    )
}

fn step(heaviest: u32) -> impl Strategy<Value = Step> {
    let outcome = || prop::sample::select(vec![RequestOutcome::Answered, RequestOutcome::Failed]);
    let health = prop::sample::select(vec![Health::Passing, Health::Failing]);
    let list = prop::collection::vec(prop::option::weighted(0.6, parameters(heaviest)), PEERS);
    prop_oneof![
        2 => list.prop_map(Step::Publish),
        10 => (0..WORKERS, any::<u32>(), prop::option::weighted(0.3, 0..PEERS))
            .prop_map(|(worker, key, cookie)| Step::Begin(worker, key, cookie)),
        6 => (any::<usize>(), outcome()).prop_map(|(which, outcome)| Step::GoOn(which, outcome)),
        5 => (any::<usize>(), outcome()).prop_map(|(which, outcome)| Step::Release(which, outcome)),
        4 => (0..PEERS, health).prop_map(|(which, health)| Step::Check(which, health)),
        2 => (0_u32..5).prop_map(Step::Pass),
        1 => Just(Step::Collect),
        1 => (0..WORKERS).prop_map(Step::Die),
        1 => Just(Step::Succeed),
    ]
}

fn checking() -> impl Strategy<Value = Option<CheckPolicy>> {
    prop::option::weighted(
        0.7,
        any::<[bool; 2]>().prop_map(|[mandatory, panic]| CheckPolicy { mandatory, panic }),
    )
}

/// What a peer has been through.
#[derive(Clone, Debug, Default)]
struct State {
    fails: u32,
    accessed: u32,
    checked: u32,
    connections: u32,
    health: Health,
}

#[derive(Debug)]
struct Model {
    checking: Option<CheckPolicy>,
    listed: BTreeMap<String, Parameters>,
    states: BTreeMap<String, State>,
    now: u32,
}

impl Model {
    fn is_single(&self) -> bool {
        self.listed.len() == 1
    }

    fn in_service(&self) -> impl Iterator<Item = &State> {
        let in_service = self.listed.iter().filter(|(_, parameters)| parameters.is_in_service());
        in_service.map(|(address, _)| &self.states[address])
    }

    fn panics(&self) -> bool {
        let mut unwell = self.in_service();
        self.checking.is_some_and(|checking| checking.panic)
            && self.in_service().any(|state| state.health == Health::Failing)
            && unwell.all(|state| matches!(state.health, Health::Failing | Health::Pending))
    }

    /// Whether it may serve whoever comes back to it.
    fn may_serve_session(&self, address: &str) -> bool {
        let (Some(parameters), Some(state)) = (self.listed.get(address), self.states.get(address))
        else {
            return false;
        };
        let is_well = match state.health {
            Health::Unchecked | Health::Passing => true,
            Health::Failing => self.panics(),
            Health::Pending => false,
        };
        let has_failed = parameters.max_fails != 0
            && state.fails >= parameters.max_fails
            && self.now - state.checked <= parameters.fail_timeout;
        is_well
            && !parameters.down
            && (self.is_single() || !has_failed)
            && (parameters.max_conns == 0 || state.connections < parameters.max_conns)
    }

    fn may_serve(&self, address: &str) -> bool {
        self.may_serve_session(address) && !self.listed[address].drain
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

    fn released(&mut self, address: &str, was_single: bool, outcome: RequestOutcome) {
        let now = self.now;
        let state = self.states.get_mut(address).expect("kept, as it was held");
        state.connections -= 1;
        if was_single {
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
        // Some microseconds, by which least_time goes.
        let time =
            (outcome == RequestOutcome::Answered).then_some(1_000 * u32::from(request.key[0]));
        self.workers[request.worker].release(held, outcome, time, at(self.model.now));
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

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
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
        let options = TableOptions { method, is_sticky: true, checking };
        let mut world = World::new(&fixture, options);
        world.publish(vec![Some(PARAMETERS), Some(PARAMETERS), None, None, None, None, None, None]);
        let before = fixture.used();
        for step in steps {
            world.take(step)?;
        }
        for which in 0..world.requests.len() {
            world.release(which, RequestOutcome::Answered);
        }
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
fn round_robin() {
    holds(Method::RoundRobin, cases(2), 20);
}

#[test]
fn least_conn() {
    holds(Method::LeastConn, cases(2), 20);
}

#[test]
fn random() {
    holds(Method::Random, cases(2), 20);
}

#[test]
fn random_two() {
    holds(Method::RandomTwo, cases(2), 20);
}

#[test]
fn least_time() {
    holds(Method::LeastTime, cases(2), 20);
}

#[test]
fn hash() {
    holds(Method::Hash, cases(2), 20);
}

#[test]
fn ip_hash() {
    holds(Method::IpHash, cases(2), 20);
}

/// A ring has 160 points for each unit of weight, which take their time.
#[test]
fn hash_consistent_with_small_weights() {
    holds(Method::HashConsistent, cases(8), 3);
}

#[test]
fn hash_consistent_with_great_weights() {
    holds(Method::HashConsistent, cases(32), 20);
}
