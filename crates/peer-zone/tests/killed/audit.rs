//! Who kills, and looks at what is left.

use std::{
    collections::BTreeMap,
    os::fd::AsRawFd,
    process::{Child, Command},
    sync::atomic::Ordering,
    time::Instant,
};

use peer_zone::{PeerRow, PeerSpec, Publisher, TableOptions, Worker, Zone, protocol::Publishing};

use crate::{
    killed::memory::{
        ENTRY_TIMEOUT, FILE, GROUPED, OCCUPIED, ROLE, ROLE_SEED, Shared, UPGRADED, WORKERS,
        is_alive, is_whole, list, own_process, start_of, until,
    },
    random::Random,
};

/// How often a process is killed.
const ROUNDS: u32 = 300;

/// Instructions that pass before a kill, at most, beside the whole steps: about as long as one step
/// takes.
const SPINS: u64 = 200_000;

/// Two directories and a table, of 60 peers at most: their headers, and 8 bytes for each at most.
const RESERVE: usize = 3 * (208 + 60 * 8) * 5 / 4;

struct Children {
    publisher: Child,
    workers: Vec<Child>,
}

impl Drop for Children {
    fn drop(&mut self) {
        self.workers.iter_mut().chain([&mut self.publisher]).for_each(kill);
    }
}

fn kill(child: &mut Child) {
    // An error is that of a process which has ended already, and the wait says so.
    let _ = child.kill();
    child.wait().expect("a child");
}

fn start(shared: &Shared, role: &str, random: &mut Random, is_grouped: bool) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .envs(is_grouped.then_some((GROUPED, "1")))
        .env(ROLE, role)
        .env(FILE, shared.file.as_raw_fd().to_string())
        .env(ROLE_SEED, random.next().to_string())
        .spawn()
        .expect("this program again")
}

pub fn run(is_grouped: bool) {
    let mut random = Random::from_environment();
    let shared = Shared::create();
    let control = shared.control();
    let mut rounds = BTreeMap::new();
    let occupied: Vec<Worker> = (0..OCCUPIED)
        .map(|_| shared.zone.join(own_process(), is_alive).expect("an entry"))
        .collect();
    let baseline = baseline(&shared, is_grouped);
    let mut children = Children {
        publisher: start(&shared, "publisher", &mut random, is_grouped),
        workers: (0..WORKERS)
            .map(|index| start(&shared, &index.to_string(), &mut random, is_grouped))
            .collect(),
    };
    for round in 0..ROUNDS {
        let steps = control.steps.load(Ordering::SeqCst) + 1 + random.below(20);
        until("the publisher's steps", || control.steps.load(Ordering::SeqCst) >= steps);
        if random.one_in(3) {
            let index = random.below(WORKERS as u64) as usize;
            let picks = || control.workers[index].picks.load(Ordering::SeqCst);
            let goal = picks() + random.below(50);
            until("a worker's picks", || picks() >= goal);
            spin(&mut random);
            kill(&mut children.workers[index]);
            forget(&shared, index);
            children.workers[index] = start(&shared, &index.to_string(), &mut random, is_grouped);
            *rounds.entry("worker").or_insert(0) += 1;
        } else {
            spin(&mut random);
            kill(&mut children.publisher);
            let was_writing = audit(&shared, round, is_grouped);
            children.publisher = start(&shared, "publisher", &mut random, is_grouped);
            *rounds
                .entry(if was_writing { "publisher, in a list" } else { "publisher" })
                .or_insert(0) += 1;
        }
    }
    drop(children);
    for index in 0..WORKERS {
        forget(&shared, index);
    }
    take_over(&shared, |publisher, publishing| {
        publisher.publish(Vec::<PeerSpec>::new(), 0, publishing).expect("room for none");
        publisher.publish_report(&[], publishing);
        collect(publisher, publishing);
    });
    occupied.into_iter().for_each(Worker::leave);
    // The reserve of groups stays as large as it was.
    let reserve = if is_grouped { RESERVE } else { 0 };
    let used = used(shared.zone);
    let is_back = (baseline..=baseline + reserve).contains(&used);
    assert!(is_back, "memory is lost, or given back twice: {used}, at first {baseline}");
    println!("killed: {rounds:?}");
}

fn spin(random: &mut Random) {
    for _ in 0..random.below(SPINS) {
        std::hint::spin_loop();
    }
}

fn used(zone: Zone) -> usize {
    zone.statistics().used
}

/// What an empty list and an empty report take.
fn baseline(shared: &Shared, is_grouped: bool) -> usize {
    take_over(shared, |publisher, publishing| {
        let options = TableOptions { is_grouped, ..TableOptions::default() };
        publisher.set_options(options, 0, publishing);
        publisher.publish(Vec::<PeerSpec>::new(), 0, publishing).expect("room for none");
        publisher.publish_report(&[], publishing);
        collect(publisher, publishing);
    });
    let serial = list_of_none();
    shared.control().published.store(serial, Ordering::SeqCst);
    shared.control().asked.store(serial, Ordering::SeqCst);
    used(shared.zone)
}

/// No list that is published goes by this number; it stands for the empty one.
fn list_of_none() -> u64 {
    0
}

fn collect(publisher: &mut Publisher, publishing: &Publishing) {
    // Twice for what dead workers have left in columns that they shared, then for what that frees.
    for _ in 0..5 {
        publisher.reclaim_memory(own_process(), is_alive, publishing);
    }
}

/// With the lease, and what the dead publisher has left.
fn take_over(shared: &Shared, act: impl FnOnce(&mut Publisher, &Publishing)) {
    let lease = &shared.control().lease;
    let mine = lease.claim(std::process::id(), 1, |process| start_of(process).is_some());
    let mine = mine.expect("its holder is dead");
    let publishing = lease.begin(mine).expect("held");
    // SAFETY: the lease is held, and its holder before was killed.
    let mut publisher = unsafe { Publisher::take_over(shared.zone, &publishing) };
    act(&mut publisher, &publishing);
    drop(publisher);
    lease.end(mine, publishing);
    lease.release(mine);
}

/// What a killed worker has said counts no more.
fn forget(shared: &Shared, index: usize) {
    for held in &shared.control().workers[index].held {
        held.store(0, Ordering::SeqCst);
    }
    shared.control().workers[index].paused.store(0, Ordering::SeqCst);
}

/// Takes over from a publisher that was killed, and compares everything. Returns whether it was
/// killed between the start of a publication and its end.
fn audit(shared: &Shared, round: u32, is_grouped: bool) -> bool {
    let control = shared.control();
    let serials = [&control.published, &control.asked].map(|serial| serial.load(Ordering::SeqCst));
    let pause = control.pause.fetch_add(1, Ordering::SeqCst) + 1;
    until("the workers' pause", || {
        control.workers.iter().all(|it| it.paused.load(Ordering::SeqCst) == pause)
    });
    take_over(shared, |publisher, publishing| {
        let mut found: Vec<PeerSpec> = publisher.listed().cloned().collect();
        // Group by group.
        found.sort_by(|one, other| one.key.cmp(&other.key));
        let is_found = |serial: &u64| {
            found == if *serial == list_of_none() { Vec::new() } else { list(*serial, is_grouped) }
        };
        let Some(serial) = serials.into_iter().find(is_found) else {
            panic!("round {round}: neither the old list nor the new one: {found:?}");
        };
        // It may have been killed before it could say so, and the next one before it has published
        // a list of its own.
        control.published.store(serial, Ordering::SeqCst);
        // Workers that share a column and stand still move what they have counted.
        let deadline = Instant::now() + ENTRY_TIMEOUT;
        loop {
            collect(publisher, publishing);
            let Err(message) = compare(shared) else { break };
            assert!(Instant::now() < deadline, "round {round}: {message}");
        }
    });
    control.pause.fetch_add(1, Ordering::SeqCst);
    serials[0] != serials[1]
}

/// Whether all that is counted is what the workers say that they hold.
fn compare(shared: &Shared) -> Result<(), String> {
    let control = shared.control();
    // All, and those that are upgraded.
    let mut held: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    for place in control.workers.iter().flat_map(|worker| &worker.held) {
        let word = place.load(Ordering::SeqCst);
        let (all, upgraded) = held.entry(word & !UPGRADED).or_default();
        *all += 1;
        *upgraded += u32::from(word & UPGRADED != 0);
    }
    held.remove(&0);
    let mut reader = shared.zone.join(own_process(), is_alive).expect("an entry");
    let mut wrong = Vec::new();
    let groups = reader.table().expect("a table").groups();
    let mut check = |row: PeerRow<'_>| {
        let peer = row.peer;
        assert!(is_whole(peer.key, peer.socket_address, peer.name), "{peer:?}");
        let expected = held.remove(&peer.id).unwrap_or_default();
        let counted = (row.connections.all(), row.connections.upgraded());
        if counted != expected {
            wrong.push(format!("{counted:?} counted, {expected:?} held: {peer:?}"));
        }
        // Of those that a dead worker had, none is left.
        if peer.in_flight > expected.0 {
            wrong.push(format!("{} in flight, {expected:?} held: {peer:?}", peer.in_flight));
        }
        if row.is_removed && expected.0 == 0 {
            wrong.push(format!("kept for nothing: {peer:?}"));
        }
    };
    reader.table().expect("a table").rows().for_each(&mut check);
    for number in 0..groups {
        let table = reader.table().and_then(|table| table.into_group_at(number));
        table.expect("a group").rows().for_each(&mut check);
    }
    reader.leave();
    if !held.is_empty() {
        wrong.push(format!("held, but in no table: {held:?}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
