//! The entries and columns of dead processes are taken over once, and no count is lost.

use loom::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};
use peer_zone::protocol::{ColumnUse, Owner, Process, SharedColumns};

fn process(id: u32) -> Process {
    Process::new(id, 1)
}

#[test]
fn of_two_that_take_the_entry_of_a_dead_process_one_gets_it() {
    loom::model(|| {
        let owner = Arc::new(Owner::new());
        assert!(owner.claim(process(9)));
        let inherit = |owner: &Owner, mine: Process, clears: bool| {
            let dead = owner.holder().filter(|holder| holder.process() == process(9));
            dead.is_some_and(|dead| {
                if clears {
                    owner.take_over_to_clear(dead, mine)
                } else {
                    owner.take_over(dead, mine)
                }
            })
        };
        // The publisher clears it for the next one, the other one uses it.
        let publisher = thread::spawn({
            let owner = owner.clone();
            move || {
                let is_mine = inherit(&owner, process(1), true);
                if is_mine {
                    owner.release();
                }
                is_mine
            }
        });
        let joined = inherit(&owner, process(2), false);
        let buried = publisher.join().expect("the publisher");
        assert!(joined != buried);
        assert!(owner.holder().map(|holder| holder.process()) == joined.then(|| process(2)));
        assert!(joined || owner.claim(process(2)), "free");
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
        let column = self.column_uses[column_use].enter_current(&self.shared);
        self.column(column).fetch_add(1, Ordering::Relaxed);
        column
    }

    /// It moves what it has, if it is to. Returns its column.
    fn move_counts(&self, column_use: usize, from: u32) -> u32 {
        let Some(to) = self.column_uses[column_use].begin_move(&self.shared) else { return from };
        self.column(to).fetch_add(1, Ordering::AcqRel);
        self.column(from).fetch_sub(1, Ordering::Release);
        self.column_uses[column_use].end_move(to);
        to
    }

    /// What the publisher does several times a second.
    fn clear_dead(&self) {
        if let Some(column) = self.shared.to_clear(self.column_uses.iter()) {
            self.column(column).swap(0, Ordering::Relaxed);
            self.shared.mark_cleared(column);
        }
        self.shared.switch_current();
    }

    /// A process is dead, and its entry somebody else's.
    fn forget(&self, column_use: usize) {
        self.shared.mark_stale(&self.column_uses[column_use]);
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
                sharing.move_counts(1, column)
            }
        });
        sharing.clear_dead();
        sharing.clear_dead();
        let column = worker.join().expect("a worker");
        sharing.move_counts(1, column);
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
                sharing.move_counts(2, column)
            }
        });
        sharing.forget(1);
        sharing.clear_dead();
        sharing.clear_dead();
        let mut column = worker.join().expect("a worker");
        for _ in 0..3 {
            column = sharing.move_counts(2, column);
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
            sharing.column_uses[1].enter_current(&sharing.shared);
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
            move || sharing.move_counts(0, column)
        });
        // See `Zone::is_idle`.
        let is_idle = sharing.sum() == 0 && sharing.sum() == 0;
        assert!(!is_idle, "it is open");
        assert_eq!(worker.join().expect("a worker"), 1);
    });
}
