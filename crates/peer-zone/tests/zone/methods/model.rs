//! The steps of a run, and what holds of each peer after them.

use std::collections::BTreeMap;

use peer_zone::{CheckPolicy, Health, Parameters, RequestOutcome};
use proptest::prelude::*;

/// Addresses, each of a key of its own, that a list may have.
pub const PEERS: usize = 8;

/// Workers that pick, die and are replaced.
pub const WORKERS: usize = 3;

#[derive(Clone, Debug)]
pub enum Step {
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

pub fn parameters(heaviest: u32) -> impl Strategy<Value = Parameters> {
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

pub fn step(heaviest: u32) -> impl Strategy<Value = Step> {
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

pub fn checking() -> impl Strategy<Value = Option<CheckPolicy>> {
    prop::option::weighted(
        0.7,
        any::<[bool; 2]>().prop_map(|[mandatory, panic]| CheckPolicy { mandatory, panic }),
    )
}

/// What a peer has been through.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub fails: u32,
    pub accessed: u32,
    pub checked: u32,
    pub connections: u32,
    pub health: Health,
}

#[derive(Debug)]
pub struct Model {
    pub checking: Option<CheckPolicy>,
    pub listed: BTreeMap<String, Parameters>,
    pub states: BTreeMap<String, State>,
    pub now: u32,
}

impl Model {
    pub fn is_single(&self) -> bool {
        self.listed.len() == 1
    }

    pub fn in_service(&self) -> impl Iterator<Item = &State> {
        let in_service = self.listed.iter().filter(|(_, parameters)| parameters.is_in_service());
        in_service.map(|(address, _)| &self.states[address])
    }

    pub fn panics(&self) -> bool {
        let mut unwell = self.in_service();
        self.checking.is_some_and(|checking| checking.panic)
            && self.in_service().any(|state| state.health == Health::Failing)
            && unwell.all(|state| matches!(state.health, Health::Failing | Health::Pending))
    }

    /// Whether it may serve a client that comes back to it.
    pub fn may_serve_session(&self, address: &str) -> bool {
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

    pub fn may_serve(&self, address: &str) -> bool {
        self.may_serve_session(address) && !self.listed[address].drain
    }

    pub fn picked(&mut self, address: &str) {
        let fail_timeout = self.listed[address].fail_timeout;
        let now = self.now;
        let state = self.states.get_mut(address).expect("known");
        if now - state.checked > fail_timeout && state.fails != 0 {
            state.checked = now;
        }
        state.connections += 1;
    }

    pub fn released(&mut self, address: &str, was_single: bool, outcome: RequestOutcome) {
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

    pub fn collected(&mut self) {
        self.states
            .retain(|address, state| self.listed.contains_key(address) || state.connections > 0);
    }
}
