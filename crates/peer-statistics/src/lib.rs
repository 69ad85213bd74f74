//! Figures of requests, peers and publications in memory that processes share.
//!
//! Any number of processes write, any number read, nobody waits, and any of them may be killed at
//! any instruction:
//!
//! * A [`Slot`] is the figures of one peer. All workers add to it, each by itself, with atomic
//!   operations. The publisher clears it before it publishes a new peer there, and a worker writes
//!   only while it holds the peer, so that nobody writes to the slot of a peer that is gone.
//! * A [`Block`] is the figures of one process for all peers. Only this process writes it, with
//!   plain additions. A block is never cleared: the next process that takes the entry over adds to
//!   it, so that the sum over all blocks never goes back, whichever peers and processes go.
//! * A [`Head`] is what the publisher writes for the whole upstream.
//!
//! Memory of zeroes is figures of zero. Of large memory only what is used is ever touched: a slot
//! by its peer, a block by its process, and [`Carries`] by a peer with more than two billion of
//! anything.

#![forbid(unsafe_code)]

mod block;
mod check_fault;
mod counter;
mod figures;
mod head;
mod layout;
mod outcome;
mod recorder;
mod slot;
mod statistics;
mod times;

pub use self::{
    block::Block,
    check_fault::CheckFault,
    counter::Carries,
    figures::{CheckFigures, Failures, Histogram, PeerFigures, Picks, Totals},
    head::{HISTORY_WORDS, Head, Publication},
    layout::{LAYOUT, Layout},
    outcome::{Answer, Class, Failure, PickReason},
    recorder::Recorder,
    slot::Slot,
    statistics::Statistics,
    times::{BUCKETS, PUBLICATION_BOUNDS, TIME_BOUNDS},
};
