//! Processes that are killed at any instruction, as they write figures.

use std::time::{Duration, Instant};

use peer_statistics::{Answer, Class, Failure, Layout, PeerFigures, Recorder, Statistics};

mod memory;

use memory::Memory;

const ROUNDS: u32 = 30;
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that does the same again and again until it is killed.
struct Child(libc::pid_t);

impl Child {
    fn start(mut again: impl FnMut(u64)) -> Self {
        // SAFETY: the child only does arithmetic and atomic operations, which need no lock that a
        // thread of the parent could have had.
        let id = unsafe { libc::fork() };
        assert!(id >= 0, "fork: {}", std::io::Error::last_os_error());
        if id == 0 {
            for turn in 0..u64::MAX {
                again(turn);
            }
            std::process::abort();
        }
        Self(id)
    }

    fn kill(self) {
        let mut status = 0;
        // SAFETY: it is a child of this process that was not waited for yet.
        let ended = unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, &raw mut status, 0)
        };
        assert_eq!((ended, status), (self.0, libc::SIGKILL), "it did not end before");
    }
}

/// Waits until it is so.
fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it takes too long");
        std::thread::yield_now();
    }
}

fn add(recorder: &Recorder, turn: u64) {
    let class = Class::of(200).expect("a status");
    recorder.picked(0, turn);
    let answer = Answer { class, header_time: 1, response_time: 5, sent: 2, received: 3 };
    recorder.answered(0, &answer);
    recorder.failed(0, Failure::Reset);
}

#[test]
fn figures_never_go_back_whoever_is_killed() {
    let statistics: Statistics = Memory::new(Layout::new(2, 1)).statistics();
    statistics.begin(0, 1);
    let mut before = (statistics.totals(), statistics.peer(0, 1));
    for _ in 0..ROUNDS {
        // Two processes write; after each round others take their entries over.
        let children: Vec<Child> = (0..2)
            .map(|entry| {
                let recorder = statistics.recorder(entry).expect("an entry");
                Child::start(move |turn| add(&recorder, turn))
            })
            .collect();
        let target = before.1.failures.reset + 200;
        until(|| {
            let (totals, peer) = (statistics.totals(), statistics.peer(0, 1));
            assert!(totals.requests >= before.0.requests);
            assert!(totals.responses[1] >= before.0.responses[1]);
            assert!(peer.responses[1] >= before.1.responses[1] && peer.sent >= before.1.sent);
            peer.failures.reset >= target
        });
        children.into_iter().for_each(Child::kill);
        let (totals, peer) = (statistics.totals(), statistics.peer(0, 1));
        // Each that was killed may have written the one and not the other.
        let most = u64::from(ROUNDS) * 2;
        assert!(totals.responses[1].abs_diff(peer.responses[1]) <= most);
        assert!(totals.failures.reset.abs_diff(peer.failures.reset) <= most);
        assert!(totals.header_time.count().abs_diff(totals.responses[1]) <= most);
        before = (totals, peer);
    }
}

#[test]
fn a_publisher_that_is_killed_leaves_no_figures_of_another_peer() {
    let statistics: Statistics = Memory::new(Layout::new(1, 1)).statistics();
    let recorder = statistics.recorder(0).expect("an entry");
    let mut next = 1_u64;
    for _ in 0..ROUNDS {
        let first = next;
        let child = Child::start(move |turn| {
            statistics.begin(0, first + turn);
            recorder.failed(0, Failure::Connect);
        });
        let before = statistics.totals().failures.connect;
        until(|| statistics.totals().failures.connect > before + 50);
        child.kill();
        // One peer a turn, of which each has failed once at most.
        let turns = statistics.totals().failures.connect - before;
        let ids = first..=first + turns + 1;
        for id in ids.clone() {
            assert!(statistics.peer(0, id).failures.all() <= 1, "of the peer {id}");
        }
        next = ids.end() + 1;
        statistics.keep(0, next);
        assert_eq!(statistics.peer(0, next), PeerFigures::default());
    }
}
