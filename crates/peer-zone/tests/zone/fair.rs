//! What a peer gets that has less than its weight: `share * weight` of the sum of all that can
//! serve, in each method that goes by no key.
//!
//! Workers' random numbers differ from start to start: each bound is a factor and five standard
//! deviations.

use peer_zone::{
    CheckPolicy, Health, LeastTime, Method, PeerSpec, PickContext, PickedPeer, Publisher,
    RequestOutcome, ResponseTime, TableOptions, Times, Worker, protocol::Publishing,
};

use crate::{
    fixture::{Fixture, address, at_ms, context, peer, pick_first, publish_at, with},
    random::Random,
};

const METHODS: [Method; 6] = [
    Method::RoundRobin,
    Method::LeastConn,
    Method::Random,
    Method::RandomTwo,
    LEAST_TIME,
    Method::PeakEwma,
];

const LEAST_TIME: Method =
    Method::LeastTime(LeastTime { time: ResponseTime::LastByte, is_inflight: true });

/// Seconds of a ramp, and parts of it that are looked at each for itself.
const RAMP: u32 = 10;
const PARTS: u64 = 10;

/// When it begins (ms).
const START: u64 = 1_000_000;

/// Picks for which what is due is taken for the same.
const STEADY: u64 = 20;

/// Peers that are looked at where many start.
const WATCHED: usize = 5;

/// By how much more or less a peer may get than it should.
const FACTOR: f64 = 1.3;

/// So many microseconds, as the method needs them.
fn times(method: Method, microseconds: u32) -> Times {
    match method.least_time() {
        Some(_) => Times::Average { header: 0, response: microseconds / 1_000 },
        None => Times::Peak(microseconds),
    }
}

/// A group of peers, some of which cannot serve.
struct Group {
    fixture: Fixture,
    publisher: Publisher,
    weights: Vec<u32>,
    /// Whether each can serve.
    usable: Vec<bool>,
    /// Whether each starts at `START`.
    starting: Vec<bool>,
}

impl Group {
    /// Of so many peers `usable` can serve, of which `starting` start slowly; which ones is up to
    /// chance.
    fn new(
        method: Method,
        peers: usize,
        usable: usize,
        starting: usize,
        random: &mut Random,
    ) -> Self {
        let mut order: Vec<usize> = (0..peers).collect();
        for index in (1..peers).rev() {
            order.swap(index, random.below(index as u64 + 1) as usize);
        }
        let is_among = |count: usize| {
            let mut is = vec![false; peers];
            order[..count].iter().for_each(|&index| is[index] = true);
            is
        };
        let weights: Vec<u32> = (0..peers).map(|_| 1 + random.below(4) as u32).collect();
        let fixture = Fixture::new(1 << 22);
        let checking = Some(CheckPolicy { mandatory: false, panic: false });
        let publisher = fixture.publisher_with(TableOptions {
            method,
            is_sticky: true,
            checking,
            is_grouped: false,
        });
        let mut group = Self {
            fixture,
            publisher,
            weights,
            usable: is_among(usable),
            starting: is_among(starting),
        };
        let desired: Vec<PeerSpec> = (0..peers).map(|index| group.desired(index)).collect();
        publish_at(&mut group.publisher, &desired, START);
        for index in 0..peers {
            if !group.usable[index] {
                let (key, address) = (key(index), index.to_string());
                let unshared = Publishing::unshared();
                let address = address.as_bytes();
                group.publisher.set_health(Some(&key), address, Health::Failing, START, &unshared);
            }
        }
        group
    }

    fn desired(&self, index: usize) -> PeerSpec {
        let mut desired = with(peer(&key(index), &index.to_string()), |it| {
            it.weight = self.weights[index];
            it.slow_start = RAMP;
        });
        desired.joined = if self.starting[index] { START } else { 0 };
        desired.sticky = index as u64 + 1;
        desired
    }

    /// What a peer that starts should get at this age (ms) of the ramp, of all, for each unit of
    /// its weight.
    fn due(&self, age: u64) -> f64 {
        let ramp = 0.01 + 0.99 * age as f64 / f64::from(RAMP * 1_000);
        let weight = |index: usize| {
            let share = if self.starting[index] { ramp } else { 1.0 };
            if self.usable[index] { share * f64::from(self.weights[index]) } else { 0.0 }
        };
        ramp / (0..self.weights.len()).map(weight).sum::<f64>()
    }

    /// Lets requests come all through the ramp that begins at `start`, `open` of them at a time,
    /// each as long as any other.
    fn ramp(&self, method: Method, start: u64, open: usize, picks: u64, random: &mut Random) {
        let mut workers = [1, 2].map(|process| self.fixture.worker_of(process));
        let mut held: Vec<(usize, PickedPeer)> = Vec::new();
        let watched = (0..self.weights.len()).filter(|&index| self.starting[index]);
        let watched: Vec<usize> = watched.take(WATCHED).collect();
        for part in 0..PARTS {
            let mut counts = vec![0_u64; self.weights.len()];
            let [mut due, mut variance] = [0.0; 2].map(|_| vec![0.0; watched.len()]);
            for pick in 0..picks {
                let age = u64::from(RAMP) * 1_000 * (part * picks + pick) / (PARTS * picks);
                let now = at_ms(start + age);
                if held.len() == open {
                    let (worker, held) = held.swap_remove(random.below(open as u64) as usize);
                    let time = 1_000 + random.below(500) as u32;
                    workers[worker].release(
                        held,
                        RequestOutcome::Answered,
                        Some(times(method, time)),
                        now,
                    );
                }
                let worker = random.below(2) as usize;
                let got = pick_first(&mut workers[worker], &context(method), now).expect("a peer");
                let index: usize = address(&workers[worker], &got).parse().expect("an index");
                assert!(self.usable[index]);
                counts[index] += 1;
                held.push((worker, got));
                // The sums are the same for a while, and take long to make.
                if pick % STEADY == 0 {
                    let of_one = self.due(age);
                    for (at, &index) in watched.iter().enumerate() {
                        let share = of_one * f64::from(self.weights[index]);
                        due[at] += STEADY as f64 * share;
                        variance[at] += STEADY as f64 * share * (1.0 - share);
                    }
                }
            }
            for (at, &index) in watched.iter().enumerate() {
                // Where less than one is due, counts are not spread like a normal distribution: of
                // a Poisson distribution, more than this comes once in 10^7 times or less.
                let slack = 5.0 * f64::sqrt(variance[at]) + 5.0;
                let (count, due) = (counts[index] as f64, due[at]);
                assert!(
                    count <= due * FACTOR + slack && count >= due / FACTOR - slack,
                    "{}: {count} of {picks} in part {part}, {due} are due: {} peers, {} can serve, \
                     {open} open at a time",
                    method.name(),
                    self.weights.len(),
                    self.usable.iter().filter(|&&is| is).count(),
                );
            }
        }
        for (worker, held) in held {
            workers[worker].release(held, RequestOutcome::Answered, None, at_ms(start));
        }
        workers.into_iter().for_each(Worker::leave);
    }
}

fn key(index: usize) -> String {
    format!("{index:05}")
}

/// Peers, and of them those that can serve and those that start slowly.
const GROUPS: [(usize, usize, usize); 14] = [
    (2, 2, 1),
    (2, 2, 2),
    (3, 3, 1),
    (3, 2, 1),
    (3, 3, 2),
    (10, 10, 1),
    (10, 2, 1),
    (10, 3, 2),
    (10, 10, 9),
    (1_000, 2, 1),
    (1_000, 3, 1),
    (1_000, 20, 3),
    (1_000, 500, 5),
    (1_000, 1_000, 900),
];

fn picks(peers: usize) -> u64 {
    if peers < 1_000 { 1_000 } else { 300 }
}

fn starts_with_its_share(method: Method) {
    let mut random = Random::from_environment();
    for (peers, usable, starting) in GROUPS {
        // One after the other, a few at a time, and many: more than there are peers.
        for open in [1, 4, 30] {
            let group = Group::new(method, peers, usable, starting, &mut random);
            group.ramp(method, START, open, picks(peers), &mut random);
        }
    }
}

#[test]
fn round_robin_starts_with_its_share() {
    starts_with_its_share(Method::RoundRobin);
}

#[test]
fn least_conn_starts_with_its_share() {
    starts_with_its_share(Method::LeastConn);
}

#[test]
fn random_starts_with_its_share() {
    starts_with_its_share(Method::Random);
}

#[test]
fn random_two_starts_with_its_share() {
    starts_with_its_share(Method::RandomTwo);
}

#[test]
fn least_time_starts_with_its_share() {
    starts_with_its_share(LEAST_TIME);
}

#[test]
fn peak_ewma_starts_with_its_share() {
    starts_with_its_share(Method::PeakEwma);
}

/// The same peer, held.
fn hold(worker: &mut Worker, index: usize, now: u64) -> PickedPeer {
    let context = PickContext { sticky: Some(index as u64 + 1), ..PickContext::default() };
    let held = pick_first(worker, &context, at_ms(now)).expect("a peer");
    assert_eq!(address(worker, &held), index.to_string());
    held
}

#[test]
fn who_has_failed_comes_back_with_its_share() {
    let mut random = Random::from_environment();
    for method in METHODS {
        for (peers, usable) in [(2, 2), (3, 2), (10, 10), (1_000, 2)] {
            let group = Group::new(method, peers, usable, 1, &mut random);
            let index = group.starting.iter().position(|&is| is).expect("one");
            let mut worker = group.fixture.worker_of(3);
            // Its first ramp is over when it fails, and its time when it answers.
            let held = hold(&mut worker, index, START + 50_000);
            worker.release(held, RequestOutcome::Failed, None, at_ms(START + 50_000));
            let held = hold(&mut worker, index, START + 70_000);
            worker.release(
                held,
                RequestOutcome::Answered,
                Some(times(method, 1_000)),
                at_ms(START + 70_000),
            );
            group.ramp(method, START + 70_000, 4, picks(peers), &mut random);
        }
    }
}

/// Without `slow_start`: nginx's effective weight, by which it goes in these two methods. Half of
/// it is lost, and one comes back with each pick.
#[test]
fn what_a_failure_takes_comes_back_step_by_step() {
    const WEIGHT: u32 = 100;
    const ROUNDS: u32 = 60;
    for method in [Method::RoundRobin, Method::LeastConn] {
        for peers in [2_usize, 3, 10] {
            let fixture = Fixture::new(1 << 20);
            let mut publisher = fixture.publisher_with(TableOptions {
                method,
                is_sticky: true,
                checking: None,
                is_grouped: false,
            });
            let desired: Vec<PeerSpec> = (0..peers)
                .map(|index| {
                    let mut desired = with(peer(&key(index), &index.to_string()), |it| {
                        (it.weight, it.max_fails, it.fail_timeout) = (WEIGHT, 2, 1);
                    });
                    desired.sticky = index as u64 + 1;
                    desired
                })
                .collect();
            publish_at(&mut publisher, &desired, START);
            let mut worker = fixture.worker();
            let (mut count, mut due) = (0.0, 0.0);
            for round in 0..ROUNDS {
                let now = START + u64::from(round) * 10_000;
                // One fails, and the time of that is over at once.
                let held = hold(&mut worker, 1, now);
                worker.release(held, RequestOutcome::Failed, None, at_ms(now));
                for pick in 0..WEIGHT / 2 {
                    let weight = f64::from(WEIGHT / 2 + pick);
                    due += weight / (weight + f64::from(WEIGHT) * (peers as f64 - 1.0));
                    let held =
                        pick_first(&mut worker, &context(method), at_ms(now)).expect("a peer");
                    count += f64::from(u8::from(address(&worker, &held) == "1"));
                    worker.release(held, RequestOutcome::Answered, None, at_ms(now));
                }
                // And all of it is there again.
                for _ in 0..3 * WEIGHT {
                    let held = pick_first(&mut worker, &context(method), at_ms(now + 5_000))
                        .expect("a peer");
                    worker.release(held, RequestOutcome::Answered, None, at_ms(now + 5_000));
                }
            }
            assert!(
                count <= due * FACTOR && count >= due / FACTOR,
                "{}: {count}, {due} are due, of {peers} peers",
                method.name()
            );
        }
    }
}
