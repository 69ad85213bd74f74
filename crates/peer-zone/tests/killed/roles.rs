//! What the processes do that are killed.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use peer_zone::{
    Among, CheckPolicy, Closing, DrainReasons, GroupName, GroupOptions, KeyPeers, KeyProgress,
    LeastTime, Method, Now, PeerSpec, Pick, PickContext, PickedPeer, Publisher, RequestOutcome,
    ResponseTime, TableOptions, Times, protocol::Publishing,
};

use crate::{
    killed::memory::{
        GROUPS, HELD, ROLE_SEED, Shared, UPGRADED, ZONE, is_alive, is_grouped, is_whole, list,
        own_process, start_of,
    },
    random::Random,
};

/// Steps after which a process ends by itself, should nobody kill it: some minutes.
const STEPS: u64 = 1 << 34;

pub fn run(role: &str) {
    // SAFETY: no memory is concerned. A parent that is gone must not leave its children behind.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let shared = Shared::inherit();
    let seed = std::env::var(ROLE_SEED).expect("set").parse().expect("a number");
    let random = Random::new(seed);
    match role.parse() {
        Ok(index) => work(&shared, index, random),
        Err(_) => publish(&shared, random),
    }
}

/// How connections to peers of a group are closed: the one time tells the other.
fn closing(random: &mut Random) -> Option<Closing> {
    let after = 1 + random.below(60);
    let on = DrainReasons {
        removed: true,
        drain: after.is_multiple_of(2),
        check: after.is_multiple_of(3),
    };
    (after < 60).then_some(Closing { after, spread: after << 20, on })
}

/// Whether it is one of [`closing`].
fn is_closing(closing: Closing) -> bool {
    let Closing { after, spread, on: DrainReasons { removed, drain, check } } = closing;
    spread == after << 20
        && removed
        && drain == after.is_multiple_of(2)
        && check == after.is_multiple_of(3)
}

/// What a group has of its own, if anything.
fn group_options(random: &mut Random) -> GroupOptions {
    let (has_method, has_key) = (random.one_in(2), random.one_in(3));
    GroupOptions {
        method: has_method.then(|| method(random)),
        hash_key: has_key.then(|| "$k".repeat(1 + random.below(10) as usize).into()),
        is_sticky: random.one_in(3).then_some(false),
        checking: random
            .one_in(3)
            .then(|| random.one_in(2).then_some(CheckPolicy { mandatory: false, panic: true })),
        closing: random.one_in(2).then(|| closing(random)),
    }
}

fn set_group_options(publisher: &mut Publisher, random: &mut Random, publishing: &Publishing) {
    let group = GROUPS[random.below(GROUPS.len() as u64) as usize];
    // Of peers that are gone there may be as many as a zone can have.
    let _ = publisher.set_group_options(group, group_options(random), 0, publishing);
}

/// Any method; most need something of the tables that others do not.
fn method(random: &mut Random) -> Method {
    const METHODS: [Method; 10] = [
        Method::RoundRobin,
        Method::LeastConn,
        Method::Random,
        Method::RandomTwo,
        Method::LeastTime(LeastTime { time: ResponseTime::Header, is_inflight: false }),
        Method::LeastTime(LeastTime { time: ResponseTime::LastByte, is_inflight: true }),
        Method::PeakEwma,
        Method::Hash,
        Method::HashConsistent,
        Method::IpHash,
    ];
    METHODS[random.below(METHODS.len() as u64) as usize]
}

fn publish(shared: &Shared, mut random: Random) {
    let control = shared.control();
    let process = std::process::id();
    let lives = |process| start_of(process).is_some();
    let mine = (0..STEPS).find_map(|_| control.lease.claim(process, 1, lives)).expect("the lease");
    let Some(publishing) = control.lease.begin(mine) else { return };
    // SAFETY: the lease is held, and its holder before was killed or has dropped its publisher.
    let mut publisher = unsafe { Publisher::take_over(shared.zone, &publishing) };
    let checking = random.one_in(2).then_some(CheckPolicy { mandatory: false, panic: true });
    let options = TableOptions {
        method: method(&mut random),
        is_sticky: random.one_in(2),
        checking,
        is_grouped: is_grouped(),
    };
    publisher.set_options(options, 0, &publishing);
    GROUPS.iter().for_each(|_| set_group_options(&mut publisher, &mut random, &publishing));
    control.lease.end(mine, publishing);
    for _ in 0..STEPS {
        let Some(publishing) = control.lease.begin(mine) else { return };
        match random.below(4) {
            0 => {
                publisher.publish_report(&vec![1; random.below(2_000) as usize], &publishing);
            }
            1 if random.one_in(3) => set_group_options(&mut publisher, &mut random, &publishing),
            1 => publisher.reclaim_memory(own_process(), is_alive, &publishing),
            _ => {
                // A worker that waits for a processor keeps what it has pinned, and all that has
                // come since: there is to be room for the next list whatever it keeps.
                while shared.zone.statistics().used > ZONE / 2 {
                    publisher.reclaim_memory(own_process(), is_alive, &publishing);
                    std::thread::yield_now();
                }
                let serial = random.next();
                let list = list(serial, is_grouped());
                control.asked.store(serial, Ordering::SeqCst);
                let is_published = random.one_in(2)
                    && publisher
                        .publish_keys(changed_keys(&publisher, &list), 0, &publishing)
                        .is_some();
                if !is_published {
                    publisher.publish(list, 0, &publishing).expect("room for all");
                }
                control.published.store(serial, Ordering::SeqCst);
            }
        }
        control.lease.end(mine, publishing);
        control.steps.fetch_add(1, Ordering::SeqCst);
    }
}

/// The keys that the publisher has or the list has, with the peers of the list, which has one of
/// each.
fn changed_keys(publisher: &Publisher, list: &[PeerSpec]) -> Vec<KeyPeers> {
    let mut peers: BTreeMap<Arc<str>, Vec<Arc<PeerSpec>>> = BTreeMap::new();
    for key in publisher.listed().filter_map(|peer| peer.key.clone()) {
        peers.insert(key, Vec::new());
    }
    for peer in list {
        peers.insert(peer.key.clone().expect("a key"), vec![Arc::new(peer.clone())]);
    }
    peers.into_iter().map(|(key, peers)| KeyPeers { key, peers }).collect()
}

fn work(shared: &Shared, index: usize, mut random: Random) {
    let control = shared.control();
    let said = &control.workers[index];
    let is_grouped = is_grouped();
    let mut worker = shared.zone.join(own_process(), is_alive).expect("an entry");
    // With each whether it is upgraded.
    let mut held: Vec<(PickedPeer, bool)> = Vec::new();
    for step in 0..STEPS {
        let now = Now { seconds: (step / 1_000) as u32, milliseconds: step };
        let pause = control.pause.load(Ordering::SeqCst);
        if pause % 2 == 1 {
            let words = held
                .iter()
                .map(|(held, is_upgraded)| held.id() | if *is_upgraded { UPGRADED } else { 0 });
            for (place, held) in said.held.iter().zip(words.chain(std::iter::repeat(0))) {
                place.store(held, Ordering::SeqCst);
            }
            said.paused.store(pause, Ordering::SeqCst);
            while control.pause.load(Ordering::SeqCst) == pause {
                worker.update_column();
                std::thread::yield_now();
            }
        }
        if random.one_in(50) {
            worker.update_column();
        }
        if held.len() < HELD && random.one_in(2) {
            let key = step.to_le_bytes();
            let sticky = random.one_in(3).then(|| random.below(60));
            let name = GROUPS[random.below(GROUPS.len() as u64) as usize].as_bytes();
            let among = match name {
                _ if !is_grouped => Among::Everyone,
                b"" => Among::Any(random.next()),
                name => Among::Group(GroupName::new(name)),
            };
            let context = PickContext {
                method: method(&mut random),
                key: &key,
                sticky,
                among,
                ..PickContext::default()
            };
            let is_key = |key: &[u8]| key.chunks(2).all(|part| part == b"$k");
            assert!(worker.with_hash_key(among, |key| key.is_none_or(is_key)));
            let picked = worker.pick(&context, &mut KeyProgress::default(), now, |_| false, false);
            if let Pick::Peer(got) = picked {
                let closing = worker.closing(&got).flatten();
                assert!(closing.is_none_or(is_closing), "{closing:?}");
                held.push((got, false));
                said.picks.fetch_add(1, Ordering::SeqCst);
            }
        } else if !held.is_empty() && random.one_in(3) {
            let index = random.below(held.len() as u64) as usize;
            let (upgraded, is_upgraded) = &mut held[index];
            worker.upgrade(upgraded);
            let until_header = LeastTime { time: ResponseTime::Header, is_inflight: true };
            worker.note_header(upgraded, 7, until_header);
            *is_upgraded = true;
        } else if !held.is_empty() {
            let (ended, _) = held.swap_remove(random.below(held.len() as u64) as usize);
            let closing = worker.closing(&ended).flatten();
            assert!(closing.is_none_or(is_closing), "{closing:?}");
            let peer = worker.peer(&ended);
            assert!(peer.id == ended.id() && is_whole(peer.key, peer.socket_address, peer.name));
            let outcome =
                if random.one_in(9) { RequestOutcome::Failed } else { RequestOutcome::Answered };
            let time = random.below(9_000) as u32;
            let average = Times::Average { header: time, response: time + 1 };
            let times = if random.one_in(2) { average } else { Times::Peak(time) };
            let group = worker.last_group();
            worker.release_in(group, ended, outcome, Some(times), now);
            worker.read_withdrawals(now.milliseconds, |_| {});
        }
    }
}
