//! Every interleaving of the protocols that the processes keep, as far as loom's bound on
//! preemptions goes.
#![cfg(loom)]

use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};
use peer_zone::protocol::{
    ColumnUse, ENTRY_TIMEOUT, Lease, Owner, Pin, Process, Root, SharedColumns, WithdrawalCount,
    WithdrawalEntry, WithdrawalReader, Withdrawn,
};

/// Two places for what is published, as the publisher and its readers see them. loom fails where a
/// read of a place and its reuse are not in order.
struct Places {
    root: Root,
    pins: [Pin; 2],
    contents: [UnsafeCell<u32>; 2],
}

impl Places {
    /// Place 1 is published.
    fn new() -> Arc<Self> {
        let contents = [UnsafeCell::new(1), UnsafeCell::new(0)];
        Arc::new(Self { root: Root::new(1), pins: [Pin::new(), Pin::new()], contents })
    }

    fn content(&self, place: u32) -> &UnsafeCell<u32> {
        &self.contents[place as usize - 1]
    }

    /// What is published is the place's own number, and a hundred more each time that it is used
    /// again.
    fn read(&self, reader: usize) {
        let place = self.pins[reader].set(&self.root);
        // SAFETY: the place is pinned; loom checks it.
        let content = self.content(place).with(|content| unsafe { *content });
        assert_eq!(content % 100, place);
        self.pins[reader].clear();
    }

    /// Publishes the place that is not in use, if nobody reads there what it was before.
    fn publish(&self) {
        let place = 3 - self.root.current();
        if self.pins.iter().all(|pin| pin.place() != place) {
            // SAFETY: nobody has it pinned; loom checks it.
            self.content(place)
                .with_mut(|content| unsafe { *content = (*content / 100 + 1) * 100 + place });
            self.root.publish(place);
        }
    }
}

#[test]
fn a_reader_never_reads_what_is_being_reused() {
    loom::model(|| {
        let places = Places::new();
        let reader = thread::spawn({
            let places = places.clone();
            move || places.read(0)
        });
        // To place 2, and back to place 1 where the reader may be.
        places.publish();
        places.publish();
        reader.join().expect("the reader");
    });
}

#[test]
fn a_pin_set_anew_ends_the_one_before() {
    loom::model(|| {
        let places = Places::new();
        let reader = thread::spawn({
            let places = places.clone();
            move || {
                places.read(0);
                places.read(0);
            }
        });
        places.publish();
        places.publish();
        reader.join().expect("the reader");
    });
}

#[test]
fn each_of_two_readers_is_waited_for() {
    loom::model(|| {
        let places = Places::new();
        let readers = [0, 1].map(|reader| {
            let places = places.clone();
            thread::spawn(move || places.read(reader))
        });
        places.publish();
        places.publish();
        for reader in readers {
            reader.join().expect("a reader");
        }
    });
}

/// A silence (ms) after which a holder that lives is passed over.
const LATE: u64 = 10_000;

fn all_live(_: u32) -> bool {
    true
}

#[test]
fn of_two_that_claim_one_holds() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let rival = thread::spawn({
            let lease = lease.clone();
            move || lease.claim(2, 1, 0, all_live)
        });
        let mine = lease.claim(1, 1, 0, all_live);
        let theirs = rival.join().expect("the rival");
        assert!(mine.is_some() != theirs.is_some());
        assert_eq!(lease.holder(), if mine.is_some() { 1 } else { 2 });
    });
}

#[test]
fn of_two_that_follow_a_dead_holder_one_writes() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let dead = lease.claim(9, 1, 0, all_live).expect("the first");
        // It died while it wrote.
        let _written_until_it_died = lease.begin(dead).expect("held");
        let written = Arc::new(UnsafeCell::new(0));
        let followers = [1, 2].map(|process| {
            let (lease, written) = (lease.clone(), written.clone());
            thread::spawn(move || {
                let Some(mine) = lease.claim(process, 1, 0, |process| process != 9) else {
                    return 0;
                };
                let Some(publishing) = lease.begin(mine) else { return 0 };
                // SAFETY: one holder writes at a time; loom checks it.
                written.with_mut(|written| unsafe { *written += 1 });
                lease.end(mine, publishing);
                1
            })
        });
        let wrote: u32 =
            followers.into_iter().map(|follower| follower.join().expect("a follower")).sum();
        assert_eq!(wrote, 1);
    });
}

#[test]
fn a_silent_holder_writes_before_it_is_passed_over_or_not_at_all() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let written = Arc::new(UnsafeCell::new(0));
        let mine = lease.claim(1, 1, 0, all_live).expect("the first");
        let write = |lease: &Lease, word: u64, written: &UnsafeCell<u32>| {
            let Some(publishing) = lease.begin(word) else { return false };
            // SAFETY: one holder writes at a time; loom checks it.
            written.with_mut(|written| unsafe { *written += 1 });
            lease.end(word, publishing);
            true
        };
        let follower = thread::spawn({
            let (lease, written) = (lease.clone(), written.clone());
            move || {
                let word = lease.claim(2, 1, LATE, all_live)?;
                assert!(
                    write(&lease, word, &written),
                    "nobody may pass over a holder that is not silent"
                );
                Some(word)
            }
        });
        let before = write(&lease, mine, &written);
        let followed = follower.join().expect("the follower").is_some();
        assert!(before || followed);
        if followed {
            assert!(lease.begin(mine).is_none(), "a holder that was passed over may not begin");
            assert!(!lease.beat(mine, 1, LATE));
        }
        // SAFETY: all others have ended.
        assert_eq!(
            written.with(|written| unsafe { *written }),
            u32::from(before) + u32::from(followed)
        );
    });
}

#[test]
fn giving_back_does_not_take_it_from_another() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let mine = lease.claim(1, 1, 0, all_live).expect("the first");
        let follower = thread::spawn({
            let lease = lease.clone();
            move || lease.claim(2, 1, LATE, all_live)
        });
        lease.release(mine);
        let followed = follower.join().expect("the follower");
        assert_eq!(lease.holder(), if followed.is_some() { 2 } else { 0 });
        assert!(lease.begin(mine).is_none());
        assert!(followed.is_none_or(|word| lease.begin(word).is_some()));
    });
}

#[test]
fn a_watcher_that_fails_while_it_writes_leaves_the_lease_to_others() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let mine = lease.claim(1, 1, 0, all_live).expect("the first");
        // As after a panic: nothing says that the writing has ended, and the process lives on.
        drop(lease.begin(mine).expect("the holder may write"));
        assert!(lease.claim(2, 1, LATE, all_live).is_none());
        let follower = thread::spawn({
            let lease = lease.clone();
            move || lease.claim(2, 1, LATE, all_live)
        });
        lease.release(mine);
        let followed =
            follower.join().expect("the follower").or_else(|| lease.claim(2, 1, LATE, all_live));
        assert!(followed.is_some_and(|word| lease.begin(word).is_some()));
        assert!(lease.begin(mine).is_none());
    });
}

#[test]
fn a_late_heartbeat_does_not_make_its_successor_silent() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let mine = lease.claim(1, 1, 0, all_live).expect("the first");
        let late = thread::spawn({
            let lease = lease.clone();
            move || lease.beat(mine, 1, 1)
        });
        let followed = lease.claim(2, 1, LATE, all_live);
        late.join().expect("the late one");
        if let Some(word) = followed {
            assert!(lease.claim(3, 1, LATE + 1, all_live).is_none());
            assert!(lease.begin(word).is_some());
        }
    });
}

#[test]
fn an_older_cycle_gives_way() {
    loom::model(|| {
        let lease = Arc::new(Lease::new());
        let (old, new) = (lease.number_cycle(), lease.number_cycle());
        lease.enter_cycle(old);
        let mine = lease.claim(1, old, 0, all_live).expect("the first");
        let newer = thread::spawn({
            let lease = lease.clone();
            move || lease.enter_cycle(new)
        });
        lease.beat(mine, old, 1);
        newer.join().expect("the newer cycle");
        assert!(!lease.beat(mine, old, 2));
        assert!(lease.claim(2, old, LATE, all_live).is_none());
        lease.release(mine);
        assert!(lease.claim(3, new, 3, all_live).is_some());
    });
}

/// A ring of withdrawals, small enough to be run over.
struct Ring {
    count: WithdrawalCount,
    entries: Vec<WithdrawalEntry>,
}

impl Ring {
    fn new(entries: usize) -> Arc<Self> {
        let entries = (0..entries).map(|_| WithdrawalEntry::new()).collect();
        Arc::new(Self { count: WithdrawalCount::new(), entries })
    }

    fn note(&self, peer: u64) {
        self.count.note(&self.entries, peer);
    }

    /// What a reader is told at `now`, and when it has waited for long enough.
    fn read(&self, reader: &mut WithdrawalReader, now: u64, told: &mut Vec<Withdrawn>) {
        for now in [now, now + ENTRY_TIMEOUT, now + 2 * ENTRY_TIMEOUT] {
            reader.read(&self.count, &self.entries, now, |departed| told.push(departed));
        }
    }
}

fn assert_told(told: &[Withdrawn], peers: &[u64]) {
    for &peer in peers {
        let knows = told.contains(&Withdrawn::Peer(peer)) || told.contains(&Withdrawn::Many);
        assert!(knows, "{peer} has left, told: {told:?}");
    }
    for departed in told {
        assert!(
            matches!(departed, Withdrawn::Many | Withdrawn::Peer(1..=3)),
            "nobody of this id: {told:?}"
        );
    }
}

#[test]
fn each_departure_is_told_while_two_write() {
    loom::model(|| {
        let ring = Ring::new(2);
        let mut reader = WithdrawalReader::new(&ring.count);
        let writer = thread::spawn({
            let ring = ring.clone();
            move || ring.note(1)
        });
        ring.note(2);
        let mut told = Vec::new();
        ring.read(&mut reader, 0, &mut told);
        writer.join().expect("the writer");
        ring.read(&mut reader, 3 * ENTRY_TIMEOUT, &mut told);
        assert_told(&told, &[1, 2]);
    });
}

#[test]
fn a_reader_that_is_run_over_knows_it() {
    loom::model(|| {
        let ring = Ring::new(1);
        let mut reader = WithdrawalReader::new(&ring.count);
        let writer = thread::spawn({
            let ring = ring.clone();
            move || {
                ring.note(1);
                ring.note(2);
            }
        });
        let mut told = Vec::new();
        ring.read(&mut reader, 0, &mut told);
        writer.join().expect("the writer");
        ring.read(&mut reader, 3 * ENTRY_TIMEOUT, &mut told);
        assert_told(&told, &[1, 2]);
    });
}

#[test]
fn two_writers_a_whole_ring_apart_hide_nobody() {
    loom::model(|| {
        let ring = Ring::new(1);
        let mut reader = WithdrawalReader::new(&ring.count);
        let slow = thread::spawn({
            let ring = ring.clone();
            move || ring.note(1)
        });
        ring.note(2);
        let mut told = Vec::new();
        ring.read(&mut reader, 0, &mut told);
        slow.join().expect("the slow writer");
        ring.read(&mut reader, 3 * ENTRY_TIMEOUT, &mut told);
        assert_told(&told, &[1, 2]);
    });
}

fn process(id: u32) -> Process {
    Process::new(id, 1)
}

#[test]
fn of_two_that_take_the_entry_of_a_dead_process_one_gets_it() {
    loom::model(|| {
        let owner = Arc::new(Owner::new());
        assert!(owner.take(process(9)));
        let inherit = |owner: &Owner, mine: Process, clears: bool| {
            let dead = owner.holder().filter(|holder| holder.process() == process(9));
            dead.is_some_and(|dead| {
                if clears { owner.inherit_to_clear(dead, mine) } else { owner.inherit(dead, mine) }
            })
        };
        // The publisher clears it for whoever comes, the other one uses it.
        let publisher = thread::spawn({
            let owner = owner.clone();
            move || {
                let is_mine = inherit(&owner, process(1), true);
                if is_mine {
                    owner.give_back();
                }
                is_mine
            }
        });
        let joined = inherit(&owner, process(2), false);
        let buried = publisher.join().expect("the publisher");
        assert!(joined != buried);
        assert!(owner.holder().map(|holder| holder.process()) == joined.then(|| process(2)));
        assert!(joined || owner.take(process(2)), "free");
    });
}

/// The two columns that are shared, of one peer, with loom's word that no count is lost in them;
/// and three processes.
struct Sharing {
    shared: SharedColumns,
    columns: [AtomicU32; 2],
    column_uses: [ColumnUse; 3],
}

impl Sharing {
    fn new() -> Arc<Self> {
        let columns = [AtomicU32::new(0), AtomicU32::new(0)];
        Arc::new(Self {
            shared: SharedColumns::new(),
            columns,
            column_uses: [ColumnUse::new(), ColumnUse::new(), ColumnUse::new()],
        })
    }

    fn column(&self, number: u32) -> &AtomicU32 {
        &self.columns[number as usize - 1]
    }

    /// A process comes and counts one connection. Returns its column.
    fn join(&self, column_use: usize) -> u32 {
        let column = self.column_uses[column_use].sit(&self.shared);
        self.column(column).fetch_add(1, Ordering::Relaxed);
        column
    }

    /// It moves what it has, if it is to. Returns its column.
    fn settle(&self, column_use: usize, from: u32) -> u32 {
        let Some(to) = self.column_uses[column_use].begin_move(&self.shared) else { return from };
        self.column(to).fetch_add(1, Ordering::AcqRel);
        self.column(from).fetch_sub(1, Ordering::Release);
        self.column_uses[column_use].moved(to);
        to
    }

    /// What the publisher does several times a second.
    fn clear_dead(&self) {
        if let Some(column) = self.shared.to_clear(self.column_uses.iter()) {
            self.column(column).swap(0, Ordering::Relaxed);
            self.shared.cleared(column);
        }
        self.shared.turn();
    }

    /// A process is dead, and its entry somebody else's.
    fn forget(&self, column_use: usize) {
        self.shared.mark(&self.column_uses[column_use]);
        self.column_uses[column_use].clear();
    }

    fn sum(&self) -> u32 {
        self.columns.iter().map(|column| column.load(Ordering::Acquire)).sum()
    }
}

#[test]
fn nothing_that_the_living_count_in_a_shared_column_is_cleared() {
    loom::model(|| {
        let sharing = Sharing::new();
        // One that died, and whose entry is found to be that of a dead process.
        sharing.join(0);
        sharing.forget(0);
        let worker = thread::spawn({
            let sharing = sharing.clone();
            move || {
                let column = sharing.join(1);
                sharing.settle(1, column)
            }
        });
        sharing.clear_dead();
        sharing.clear_dead();
        let column = worker.join().expect("a worker");
        sharing.settle(1, column);
        sharing.clear_dead();
        sharing.clear_dead();
        assert_eq!(sharing.sum(), 1, "that of the living one");
        assert!(!sharing.shared.is_stale());
    });
}

#[test]
fn one_that_dies_while_it_moves_leaves_nothing_for_good() {
    loom::model(|| {
        let sharing = Sharing::new();
        sharing.join(0);
        sharing.forget(0);
        // It dies before it has said that it has moved.
        let mover = sharing.join(1);
        sharing.clear_dead();
        let to = sharing.column_uses[1].begin_move(&sharing.shared).expect("another column");
        sharing.column(to).fetch_add(1, Ordering::AcqRel);
        assert_eq!(mover, 1);
        let worker = thread::spawn({
            let sharing = sharing.clone();
            move || {
                let column = sharing.join(2);
                sharing.settle(2, column)
            }
        });
        sharing.forget(1);
        sharing.clear_dead();
        sharing.clear_dead();
        let mut column = worker.join().expect("a worker");
        for _ in 0..3 {
            column = sharing.settle(2, column);
            sharing.clear_dead();
        }
        assert_eq!(sharing.sum(), 1, "that of the living one");
        assert!(!sharing.shared.is_stale());
    });
}

#[test]
fn a_connection_that_is_moved_is_never_missed_twice() {
    loom::model(|| {
        let sharing = Sharing::new();
        // Dead ones who shared the columns, so that all move from the first to the second, and
        // back.
        let die = || {
            sharing.column_uses[1].sit(&sharing.shared);
            sharing.forget(1);
            sharing.clear_dead();
        };
        die();
        sharing.clear_dead();
        let column = sharing.join(0);
        die();
        assert_eq!(column, 2);
        let worker = thread::spawn({
            let sharing = sharing.clone();
            move || sharing.settle(0, column)
        });
        // See `Zone::is_idle`.
        let is_idle = sharing.sum() == 0 && sharing.sum() == 0;
        assert!(!is_idle, "it is open");
        assert_eq!(worker.join().expect("a worker"), 1);
    });
}
