//! Each withdrawal is read, or that there were too many.

use loom::{sync::Arc, thread};
use peer_zone::protocol::{
    ENTRY_TIMEOUT, WithdrawalCount, WithdrawalEntry, WithdrawalReader, Withdrawn,
};

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

    fn record(&self, peer: u64) {
        self.count.record(&self.entries, peer);
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
fn each_withdrawal_is_told_while_two_write() {
    loom::model(|| {
        let ring = Ring::new(2);
        let mut reader = WithdrawalReader::new(&ring.count);
        let writer = thread::spawn({
            let ring = ring.clone();
            move || ring.record(1)
        });
        ring.record(2);
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
                ring.record(1);
                ring.record(2);
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
            move || ring.record(1)
        });
        ring.record(2);
        let mut told = Vec::new();
        ring.read(&mut reader, 0, &mut told);
        slow.join().expect("the slow writer");
        ring.read(&mut reader, 3 * ENTRY_TIMEOUT, &mut told);
        assert_told(&told, &[1, 2]);
    });
}
