//! What the processes do that are killed.

use std::sync::atomic::Ordering;

use peer_zone::{Held, Outcome, Pick, Publisher};

use crate::{
    killed::memory::{HELD, ROLE_SEED, Shared, is_whole, list, start_of},
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

fn publish(shared: &Shared, mut random: Random) {
    let control = shared.control();
    let process = std::process::id();
    let is_alive = |process| start_of(process).is_some();
    let mine = (0..STEPS).find_map(|_| control.lease.claim(process, 1, 0, is_alive)).expect("the lease");
    let Some(publishing) = control.lease.begin(mine) else { return };
    // SAFETY: the lease is held, and its holder before was killed or has dropped its publisher.
    let mut publisher = unsafe { Publisher::take_over(shared.zone, &publishing) };
    control.lease.end(mine, publishing);
    for _ in 0..STEPS {
        let Some(publishing) = control.lease.begin(mine) else { return };
        match random.below(4) {
            0 => publisher.report(&vec![1; random.below(2_000) as usize], &publishing),
            1 => publisher.collect(|process, started| start_of(process) == Some(started), &publishing),
            _ => {
                let serial = random.next();
                let list = list(serial);
                control.asked.store(serial, Ordering::SeqCst);
                publisher.publish(list, &publishing).expect("room for all");
                control.published.store(serial, Ordering::SeqCst);
            }
        }
        control.lease.end(mine, publishing);
        control.steps.fetch_add(1, Ordering::SeqCst);
    }
}

fn work(shared: &Shared, index: usize, mut random: Random) {
    let control = shared.control();
    let said = &control.workers[index];
    let process = std::process::id();
    let started = start_of(process).expect("this process lives");
    let mut worker = shared.zone.join(process, started).expect("an entry");
    let mut held: Vec<Held> = Vec::new();
    for step in 0..STEPS {
        let now = (step / 1_000) as u32;
        let pause = control.pause.load(Ordering::SeqCst);
        if pause % 2 == 1 {
            for (place, held) in said.held.iter().zip(held.iter().map(Held::id).chain(std::iter::repeat(0))) {
                place.store(held, Ordering::SeqCst);
            }
            said.paused.store(pause, Ordering::SeqCst);
            while control.pause.load(Ordering::SeqCst) == pause {
                std::thread::yield_now();
            }
        }
        if held.len() < HELD && random.one_in(2) {
            if let Pick::Peer(got) = worker.pick(now, |_| false, false) {
                held.push(got);
                said.picks.fetch_add(1, Ordering::SeqCst);
            }
        } else if !held.is_empty() {
            let ended = held.swap_remove(random.below(held.len() as u64) as usize);
            let peer = worker.peer(&ended);
            assert!(peer.id == ended.id() && is_whole(peer.key, peer.socket_address, peer.name));
            let outcome = if random.one_in(9) { Outcome::Failed } else { Outcome::Answered };
            worker.release(ended, outcome, now);
        }
    }
}
